package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
)

// cluster is what a rig has several of.
//
//	load ─▶ balancer ─▶ receivers ─▶ 3 NATS servers ◀─ enrichers, indexers ─▶ 3 Elasticsearch nodes
type cluster struct {
	*clusterLab
	servers  []*natsServer
	balancer *balancer
}

// natsServer is a member of the NATS cluster.
type natsServer struct {
	*process
	*host
}

// newClusterRig starts NATS servers and services with a namespace of their own.
func newClusterRig(ctx context.Context, l *clusterLab, dir string, dice *rand.Rand) (*rig, error) {
	c := &cluster{clusterLab: l}
	r := &rig{
		lab: l.lab, dir: dir, namespace: fmt.Sprintf("fault_%012x", time.Now().UnixNano()&0xffffffffffff), services: map[string]*service{}, order: crewNames(),
		nats: &process{}, cluster: c, extra: []string{"NATS_URL=" + c.natsURLs(), "NATS_MONITOR_URLS=" + c.monitorURLs(), "ELASTICSEARCH_URL=" + l.urls(), "STREAM_REPLICAS=3", "INDEXER_REPLICAS=1"},
	}
	if err := c.assemble(r); err != nil { //nolint:contextcheck // the balancer ends with the rig
		return nil, err
	}
	var errs [3]error
	r.door, errs[0] = newValve(dice)
	r.own, errs[1] = newValve(dice) // nothing goes through it and the next one here
	r.monitor, errs[2] = newValve(dice)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if err := c.begin(ctx, r); err != nil {
		return nil, errors.Join(err, c.end(r))
	}
	return r, nil
}

// assemble names all processes.
func (c *cluster) assemble(r *rig) error {
	var routes []string
	for _, h := range c.nats {
		routes = append(routes, h.ip)
	}
	for _, h := range c.nats {
		raw, err := json.Marshal(member{Name: h.name, Host: h.ip, Dir: filepath.Join(r.dir, h.name), Routes: routes})
		if err != nil {
			return err
		}
		p := &process{name: h.name, keeper: c.keeper, log: filepath.Join(r.dir, h.name+".log"), env: []string{memberVariable + "=" + string(raw)}}
		p.program, p.args = h.within(os.Args[0])
		c.servers = append(c.servers, &natsServer{p, h})
	}
	var targets []*backend
	for _, name := range r.order {
		h := c.crew[name]
		kind, _, _ := strings.Cut(name, "-")
		s := &service{admin: address("http", h.ip, adminPort)}
		s.process = &process{name: name, keeper: c.keeper, log: filepath.Join(r.dir, name+".log"), env: c.environment(h)}
		s.program, s.args = h.within(c.programs[kind])
		r.services[name] = s
		if kind == "receiver" {
			targets = append(targets, &backend{name: name, url: address("http", h.ip, receiverPort), admin: s.admin})
		}
	}
	var err error
	c.balancer, err = newBalancer(targets)
	return err
}

// environment are the settings of a service on a host. A receiver goes on for a moment after its readiness is off, since
// a balancer asks only now and then.
func (c *cluster) environment(h *host) []string {
	return []string{
		"NATS_URL=" + c.natsURLs(), "NATS_MONITOR_URLS=" + c.monitorURLs(), "ELASTICSEARCH_URL=" + c.urls(), "INDEXER_REPLICAS=1",
		fmt.Sprintf("ADMIN_LISTEN=%s:%d", h.ip, adminPort), fmt.Sprintf("RECEIVER_LISTEN=%s:%d", h.ip, receiverPort),
		"RECEIVER_INSTANCE=" + h.name, "RECEIVER_LINGER=2s", "LOG_FORMAT=json", "LOG_LEVEL=info", "INDEXER_BULK_TIMEOUT=30s",
	}
}

func (c *cluster) natsURLs() string    { return addressesOf(c.nats, "nats", natsPort) }
func (c *cluster) monitorURLs() string { return addressesOf(c.nats, "http", monitorPort) }

func address(scheme, host string, port int) string {
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}

func addressesOf(hosts []*host, scheme string, port int) string {
	var all []string
	for _, h := range hosts {
		all = append(all, address(scheme, h.ip, port))
	}
	return strings.Join(all, ",")
}

func (c *cluster) begin(ctx context.Context, r *rig) error {
	for _, s := range c.servers {
		if err := s.start(); err != nil {
			return err
		}
	}
	if err := c.natsReady(ctx, time.Minute); err != nil {
		return err
	}
	var err error
	r.conn, err = stream.Open(ctx, "fault", stream.Config{NATSURL: config.URL(c.natsURLs()), SyncAlways: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := within(time.Minute, "streams of three copies", func() error { return r.setup(ctx, nil) }); err != nil {
		return err
	}
	for _, name := range r.order {
		if err := r.startService(name); err != nil {
			return err
		}
	}
	r.door.point(c.balancer.addr)
	return r.awaitReady(2 * time.Minute)
}

// natsReady waits until every server knows the leader of the meta group.
func (c *cluster) natsReady(ctx context.Context, limit time.Duration) error {
	return within(limit, "a NATS cluster of all servers", func() error {
		for _, s := range c.servers {
			if !s.running() {
				return fmt.Errorf("%s ended: see %s", s.process.name, s.log)
			}
			if _, err := get(ctx, address("http", s.ip, monitorPort)+"/healthz"); err != nil {
				return err
			}
		}
		return nil
	})
}

// jetStream opens a connection for looks into the cluster, by whichever of the servers is named.
func (c *cluster) jetStream(only ...*natsServer) (jetstream.JetStream, func(), error) {
	urls := c.natsURLs()
	if len(only) > 0 {
		urls = address("nats", only[0].ip, natsPort)
	}
	nc, err := nats.Connect(urls, nats.Timeout(3*time.Second), nats.IgnoreDiscoveredServers())
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return js, nc.Close, err
}

// leader is who leads a stream now; nil while nobody does.
func (c *cluster) leader(ctx context.Context, name string) (*natsServer, error) {
	js, done, err := c.jetStream()
	if err != nil {
		return nil, err
	}
	defer done()
	s, err := js.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	if info := s.CachedInfo(); info.Cluster != nil {
		for _, server := range c.servers {
			if server.process.name == info.Cluster.Leader {
				return server, nil
			}
		}
	}
	return nil, errors.New("the stream has no leader")
}

// newLeader waits until a stream has a leader, another one than old unless old is nil.
func (c *cluster) newLeader(ctx context.Context, name string, old *natsServer, limit time.Duration) (next *natsServer, took time.Duration, err error) {
	begin := time.Now()
	err = within(limit, "a leader of "+name, func() error {
		var err error
		if next, err = c.leader(ctx, name); err == nil && next == old {
			err = fmt.Errorf("it is still %s", old.process.name)
		}
		return err
	})
	return next, time.Since(begin), err
}

// end stops everything of the rig; the Elasticsearch nodes are the lab's.
func (c *cluster) end(r *rig) error {
	errs := []error{c.site.mend()}
	for _, name := range r.order {
		errs = append(errs, r.services[name].stop())
	}
	if r.conn != nil {
		r.conn.Close()
	}
	c.balancer.close()
	for _, v := range []*valve{r.door, r.own, r.monitor} {
		v.close()
	}
	for _, s := range c.servers {
		if s.running() {
			errs = append(errs, s.signal(syscall.SIGCONT))
			_ = s.signal(syscall.SIGTERM) // together: the last ones cannot agree on anything any more
		}
	}
	for _, s := range c.servers {
		if s.cmd != nil {
			errs = append(errs, awaitEnd(s.process))
		}
	}
	return errors.Join(errs...)
}

// awaitEnd waits for a process that was asked to end, and ends it by force when it does not.
func awaitEnd(p *process) error {
	select {
	case <-p.exited:
		return nil
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("%s (%d) did not end within 30 s", p.name, p.pid())
	}
}

func readAll(res *http.Response) ([]byte, error) { return io.ReadAll(io.LimitReader(res.Body, 8<<20)) }
