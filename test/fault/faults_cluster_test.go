package fault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// clusterFaults hit one of several.
func clusterFaults() []*fault {
	return []*fault{
		{name: "cluster-nats-leader-kill", does: "kill -9 of the NATS server that leads DELIVERIES", hold: 6 * time.Second, strike: natsDies(leads, syscall.SIGKILL)},
		{name: "cluster-nats-follower-kill", does: "kill -9 of a NATS server that follows", hold: 6 * time.Second, strike: natsDies(follows, syscall.SIGKILL)},
		{name: "cluster-nats-freeze", does: "SIGSTOP of the NATS server that leads DELIVERIES", hold: 20 * time.Second, strike: natsFreezes},
		{name: "cluster-nats-partition", does: "a NATS server (leader or follower) is cut off from the two others, and goes on to serve its clients", root: true, hold: 20 * time.Second, strike: natsParted(false)},
		{name: "cluster-nats-deaf", does: "what the other NATS servers send to the leader is dropped, what it sends arrives", root: true, hold: 20 * time.Second, strike: natsParted(true)},
		{name: "cluster-elastic-master-kill", does: "kill -9 of the elected master", hold: 4 * time.Second, strike: elasticDies(master)},
		{name: "cluster-elastic-primary-kill", does: "kill -9 of the node that has the primary of the index being written", hold: 4 * time.Second, strike: elasticDies(primary)},
		{name: "cluster-elastic-freeze", does: "SIGSTOP of the node that has the primary", hold: 20 * time.Second, strike: elasticStands},
		{name: "cluster-elastic-partition", does: "the node that has the primary is cut off from the other nodes, and goes on to answer its clients", root: true, hold: 25 * time.Second, strike: elasticParted},
		{name: "cluster-service-kill", does: "kill -9 of one receiver, enricher and indexer of several", hold: 2 * time.Second, strike: oneOfEach(syscall.SIGKILL)},
		{name: "cluster-service-freeze", does: "SIGSTOP of one receiver, enricher and indexer for longer than AckWait", hold: 25 * time.Second, strike: oneOfEach(syscall.SIGSTOP)},
		{name: "cluster-service-cut", does: "a receiver, an enricher and an indexer are cut off from all NATS servers, silently", root: true, hold: 15 * time.Second, strike: servicesCut},
		{name: "cluster-indexer-cut", does: "two indexers are cut off from one Elasticsearch node each, silently", root: true, hold: 20 * time.Second, strike: indexersCut},
		{name: "cluster-server-away-start", does: "all services are started again while a NATS server and an Elasticsearch node are away", strike: startsWithoutOne},
		{name: "cluster-rolling-restart", does: "SIGTERM and a new start of everything, one after another: of the services the sender must notice nothing", strike: rollingAll},
	}
}

// A role chooses a NATS server.
type role func(x *trial) (*natsServer, error)

func leads(x *trial) (*natsServer, error) { return x.cluster.leader(x.ctx, stream.Deliveries) }

func follows(x *trial) (*natsServer, error) {
	leader, err := leads(x)
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(slices.Clone(x.cluster.servers), func(s *natsServer) bool { return s == leader })
	return others[x.dice.IntN(len(others))], nil
}

// watchPlain notes what first attempts got until the function that it returns is called.
func (x *trial) watchPlain() func() {
	before := x.cluster.balancer.plain()
	return func() {
		if text := x.cluster.balancer.plainText(before); text != "" {
			x.saw("without a balancer:%s", text)
		}
	}
}

// natsBack starts a server again and waits until it is a member.
func (x *trial) natsBack(s *natsServer) error {
	if err := s.start(); err != nil {
		return err
	}
	return x.cluster.natsReady(x.ctx, time.Minute)
}

// succeeded says who leads DELIVERIES after another server did.
func (x *trial) succeeded(old *natsServer) error {
	next, took, err := x.cluster.newLeader(x.ctx, stream.Deliveries, old, time.Minute)
	if err != nil {
		return err
	}
	x.saw("%s leads DELIVERIES instead of %s after %s", next.process.name, old.process.name, age(took))
	return nil
}

func natsDies(who role, sig syscall.Signal) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		plain := x.watchPlain()
		leader, err := leads(x)
		if err != nil {
			return nil, err
		}
		s, err := who(x)
		if err != nil {
			return nil, err
		}
		text, err := s.end(sig)
		if err != nil {
			return nil, err
		}
		x.saw("%s", text)
		if s == leader {
			err = x.succeeded(s)
		}
		return func() error { defer plain(); return x.natsBack(s) }, err
	}
}

func natsFreezes(x *trial) (func() error, error) {
	plain := x.watchPlain()
	s, err := leads(x)
	if err != nil {
		return nil, err
	}
	thaw, err := x.freeze(s.process)
	if err != nil {
		return nil, err
	}
	err = x.succeeded(s)
	return func() error { defer plain(); return errors.Join(thaw(), x.cluster.natsReady(x.ctx, time.Minute)) }, err
}

// natsParted cuts a server off from the others: both ways, or only what it hears when it leads.
func natsParted(deaf bool) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		plain := x.watchPlain()
		leader, err := leads(x)
		if err != nil {
			return nil, err
		}
		s := leader
		if !deaf && x.dice.IntN(2) == 0 {
			if s, err = follows(x); err != nil {
				return nil, err
			}
		}
		before := x.lostSegments(x.cluster.nats)
		for _, other := range x.cluster.servers {
			if other == s {
				continue
			}
			err = errors.Join(err, x.cluster.site.cut(other.host, s.host))
			if !deaf {
				err = errors.Join(err, x.cluster.site.cut(s.host, other.host))
			}
		}
		x.saw("%s cut off (it led: %t)", s.process.name, s == leader)
		return func() error {
			defer plain()
			var joined error
			if s == leader {
				joined = x.succeeded(s)
			}
			x.saw("%d TCP segments sent again", x.lostSegments(x.cluster.nats)-before)
			return errors.Join(joined, x.cluster.site.mend(), x.cluster.natsReady(x.ctx, 2*time.Minute))
		}, err
	}
}

func (x *trial) lostSegments(hosts []*host) int { return x.cluster.site.resent(hosts...) }

// A place chooses an Elasticsearch node by its address.
type place func(x *trial) (address string, err error)

func master(x *trial) (string, error) {
	raw, err := x.cluster.anyNode(x.ctx, "/_cat/master?h=ip")
	return strings.TrimSpace(string(raw)), err
}

// primary is where the primary of the run's newest index is.
func primary(x *trial) (string, error) {
	address := ""
	return address, within(time.Minute, "a primary shard", func() error {
		raw, err := x.cluster.anyNode(x.ctx, "/_cat/shards/"+x.index()+"?h=prirep,state,ip&s=index:desc")
		for line := range strings.Lines(string(raw)) {
			if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "p" && fields[1] == "STARTED" {
				address = fields[2]
				return nil
			}
		}
		return errors.Join(err, errors.New("there is none yet"))
	})
}

func (x *trial) nodeAt(where place) (*elasticNode, error) {
	address, err := where(x)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(x.cluster.elastic, func(n *elasticNode) bool { return n.inner == address })
	if i < 0 {
		return nil, fmt.Errorf("no node has the address %q", address)
	}
	elected, err := master(x)
	x.saw("%s is hit, master: %t", x.cluster.elastic[i].name, elected == address)
	return x.cluster.elastic[i], err
}

// colours notes in which states the other nodes see the cluster, until the function that it returns is called.
func (x *trial) colours(but *elasticNode) func() {
	ctx, stop := context.WithCancel(x.ctx)
	done, seen := make(chan struct{}), map[string]bool{}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			for _, n := range x.cluster.elastic {
				if n == but {
					continue
				}
				if h, err := n.health(ctx); err == nil {
					seen[fmt.Sprintf("%s of %d", h.Status, h.Nodes)] = true
				} else if ctx.Err() == nil {
					seen["no answer"] = true
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(300 * time.Millisecond):
			}
		}
	}()
	return func() {
		stop()
		<-done
		var all []string
		for state := range seen {
			all = append(all, state)
		}
		slices.Sort(all)
		x.saw("cluster seen as %s", strings.Join(all, ", "))
	}
}

func elasticDies(where place) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		n, err := x.nodeAt(where)
		if err != nil {
			return nil, err
		}
		seen := x.colours(n)
		pid := n.node.PID()
		if err := errors.Join(syscall.Kill(pid, syscall.SIGKILL), gone(pid)); err != nil {
			return nil, err
		}
		x.saw("pid %d: gone by SIGKILL", pid)
		return func() error {
			defer seen()
			return errors.Join(n.start(x.ctx), x.cluster.green(x.ctx, 2*time.Minute))
		}, nil
	}
}

func elasticStands(x *trial) (func() error, error) {
	n, err := x.nodeAt(primary)
	if err != nil {
		return nil, err
	}
	seen := x.colours(n)
	if err := syscall.Kill(n.node.PID(), syscall.SIGSTOP); err != nil {
		return nil, err
	}
	begin := time.Now()
	return func() error {
		defer seen()
		x.saw("pid %d stood still for %s", n.node.PID(), age(time.Since(begin)))
		return errors.Join(syscall.Kill(n.node.PID(), syscall.SIGCONT), x.cluster.green(x.ctx, 2*time.Minute))
	}, nil
}

func elasticParted(x *trial) (func() error, error) {
	n, err := x.nodeAt(primary)
	if err != nil {
		return nil, err
	}
	seen := x.colours(n)
	var hosts []*host
	for _, other := range x.cluster.elastic {
		hosts = append(hosts, other.host)
		if other != n {
			err = errors.Join(err, x.cluster.site.part(n.host, other.host))
		}
	}
	before := x.lostSegments(hosts)
	return func() error {
		defer seen()
		x.saw("%d TCP segments sent again", x.lostSegments(hosts)-before)
		return errors.Join(x.cluster.site.mend(), x.cluster.green(x.ctx, 3*time.Minute))
	}, err
}

// anyOf chooses one of a kind.
func (x *trial) anyOf(kind string) *service {
	all := x.members(kind)
	return all[x.dice.IntN(len(all))]
}

func oneOfEach(sig syscall.Signal) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		plain := x.watchPlain()
		heals := []func() error{func() error { plain(); return nil }}
		for _, kind := range []string{"receiver", "enricher", "indexer"} {
			s := x.anyOf(kind)
			if sig == syscall.SIGSTOP {
				thaw, err := x.freeze(s.process)
				if err != nil {
					return nil, err
				}
				heals = append(heals, thaw)
				continue
			}
			if err := x.kill(s.name); err != nil {
				return nil, err
			}
			heals = append(heals, func() error { return x.startService(s.name) })
		}
		return func() error {
			var errs []error
			for _, heal := range heals {
				errs = append(errs, heal())
			}
			return errors.Join(append(errs, x.awaitReady(time.Minute))...)
		}, nil
	}
}

func servicesCut(x *trial) (func() error, error) {
	plain := x.watchPlain()
	var hosts []*host
	var err error
	for _, kind := range []string{"receiver", "enricher", "indexer"} {
		h := x.cluster.crew[x.anyOf(kind).name]
		hosts = append(hosts, h)
		for _, server := range x.cluster.nats {
			err = errors.Join(err, x.cluster.site.part(h, server))
		}
		x.saw("%s cut off", h.name)
	}
	before := x.lostSegments(hosts)
	return func() error {
		defer plain()
		x.saw("%d TCP segments sent again", x.lostSegments(hosts)-before)
		return errors.Join(x.cluster.site.mend(), x.awaitReady(time.Minute))
	}, err
}

func indexersCut(x *trial) (func() error, error) {
	var hosts []*host
	var err error
	for i, s := range x.members("indexer")[:2] {
		h := x.cluster.crew[s.name]
		hosts = append(hosts, h)
		err = errors.Join(err, x.cluster.site.part(h, x.cluster.elastic[i].host))
		x.saw("%s cut off from %s", h.name, x.cluster.elastic[i].name)
	}
	before := x.lostSegments(hosts)
	return func() error {
		x.saw("%d TCP segments sent again", x.lostSegments(hosts)-before)
		return x.cluster.site.mend()
	}, err
}

// startsWithoutOne restarts all services while one NATS server and one Elasticsearch node are down.
func startsWithoutOne(x *trial) (func() error, error) {
	plain := x.watchPlain()
	s := x.cluster.servers[x.dice.IntN(natsServers)]
	text, err := s.end(syscall.SIGTERM)
	if err != nil {
		return nil, err
	}
	n := x.cluster.elastic[x.dice.IntN(elasticNodes)]
	if err := n.node.Stop(x.ctx); err != nil {
		return nil, err
	}
	x.saw("%s; %s stopped", text, n.name)
	for _, name := range x.order {
		if err := x.restart(name); err != nil {
			return nil, err
		}
	}
	if err := x.awaitReady(time.Minute); err != nil {
		return nil, err
	}
	x.saw("all services ready without them")
	return func() error {
		defer plain()
		return errors.Join(x.natsBack(s), n.start(x.ctx), x.cluster.green(x.ctx, 2*time.Minute))
	}, nil
}

// rollingAll restarts everything. While services restart, the sender must get nothing but 2xx.
func rollingAll(x *trial) (func() error, error) {
	plain, before := x.watchPlain(), x.book.attempts()
	defer plain()
	v, silence, err := x.listen(x.cluster.natsURLs())
	if err != nil {
		return nil, err
	}
	defer silence()
	for _, name := range x.order {
		if err := x.restartReady(name); err != nil {
			return nil, err
		}
	}
	if text := x.book.failures(before); text != "" {
		return nil, fmt.Errorf("the sender noticed the restart of services:%s", text)
	}
	x.saw("while services restarted the sender was answered 2xx only")
	if err := v.verdict(x); err != nil {
		return nil, err
	}
	silence()
	return nil, x.rollingStores()
}

// rollingStores restarts what the services stand on. Until NATS has elected another leader a receiver answers 503, as is
// documented: what the sender got is evidence, and only the promise is kept to the end.
func (x *trial) rollingStores() error {
	before := x.book.attempts()
	for _, s := range x.cluster.servers {
		text, err := s.end(syscall.SIGTERM)
		if err != nil {
			return err
		}
		x.saw("%s", text)
		if err := errors.Join(x.natsBack(s), x.awaitReady(time.Minute)); err != nil {
			return err
		}
	}
	for _, n := range x.cluster.elastic {
		pid := n.node.PID()
		if err := errors.Join(n.node.Stop(x.ctx), n.start(x.ctx), x.cluster.green(x.ctx, 2*time.Minute)); err != nil {
			return err
		}
		x.saw("%s pid %d stopped, back as %d", n.name, pid, n.node.PID())
	}
	answers := x.book.failures(before)
	if answers == "" {
		answers = " 2xx only"
	}
	x.saw("while NATS and Elasticsearch restarted the sender was answered%s", answers)
	return nil
}

// restartReady restarts a service and waits until it is ready, as an orchestrator does before it takes the next one.
func (x *trial) restartReady(name string) error {
	if err := x.restart(name); err != nil {
		return err
	}
	return within(time.Minute, name+" ready", func() error {
		_, err := x.page(name, "/readyz")
		return err
	})
}

// everyoneFollows creates an endpoint and waits until each receiver knows it: nobody's copy of the registry has stopped.
func (x *trial) everyoneFollows() error {
	id, token, err := x.newEndpoint(x.ctx)
	if err != nil {
		return err
	}
	for _, t := range x.cluster.balancer.targets {
		err := within(30*time.Second, t.name+" knows a new endpoint", func() error {
			req, err := http.NewRequestWithContext(x.ctx, http.MethodPost, t.url+"/v1/endpoints/"+id, bytes.NewReader([]byte("[]")))
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", token)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = res.Body.Close() }()
			if res.StatusCode != http.StatusOK {
				return errors.New(res.Status)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
