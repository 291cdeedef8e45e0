package fault_test

import (
	"bytes"
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
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// Sizes of the rig's streams in bytes: far more than a run needs.
const (
	roomDeliveries = 256 << 20
	roomDocuments  = 512 << 20
	roomLetters    = 64 << 20
)

// service is a process between its valves.
type service struct {
	*process
	admin string
	nats  *valve
	es    *valve // nil unless it is an indexer
}

// rig is one Sluice of separate processes: NATS, a receiver, enrichers and indexers, with a namespace of its own.
//
//	load ─▶ door ─▶ receiver ─▶ valve ─▶ NATS ◀─ valve ◀─ enricher, indexer ─▶ valve ─▶ Elasticsearch
type rig struct {
	*lab
	dir       string
	namespace string
	disk      int64 // NATS's folder is a disk of so many bytes; 0: it is an ordinary folder; powered: a disk whose power can be cut
	power     disk  // that disk
	nats      *process
	services  map[string]*service
	order     []string
	door      *valve // the load's way to the receiver
	monitor   *valve
	own       *valve // the driver's way to NATS
	conn      *stream.Conn
	endpoints int
	cluster   *cluster // several of each; nil: one NATS and one Elasticsearch behind valves
	extra     []string // of the environment of commands
}

// newRig starts a rig; crew is how many enrichers and indexers it has of each.
func newRig(ctx context.Context, l *lab, dir string, crew int, disk int64, dice *rand.Rand) (*rig, error) {
	r := &rig{lab: l, dir: dir, disk: disk, namespace: fmt.Sprintf("fault_%012x", time.Now().UnixNano()&0xffffffffffff), services: map[string]*service{}}
	names := []string{"receiver"}
	for n := range max(crew, 1) {
		for _, name := range []string{"enricher", "indexer"} {
			if n > 0 {
				name += "-" + strconv.Itoa(n+1)
			}
			names = append(names, name)
		}
	}
	r.order = names
	var errs []error
	valve := func() *valve {
		v, err := newValve(dice)
		errs = append(errs, err)
		return v
	}
	r.door, r.monitor, r.own = valve(), valve(), valve()
	for _, name := range names {
		s := &service{nats: valve()}
		if strings.HasPrefix(name, "indexer") {
			s.es = valve()
			s.es.point(strings.TrimPrefix(l.url, "http://"))
		}
		admin, err := freeAddress(fmt.Sprintf("127.0.0.%d", len(r.services)+2))
		errs = append(errs, err)
		s.admin = "http://" + admin
		s.process = &process{name: name, keeper: l.keeper, log: filepath.Join(dir, name+".log"), program: l.programs[strings.TrimSuffix(name, "-2")], env: r.environment(s, admin)}
		r.services[name] = s
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	r.nats = &process{name: "nats", keeper: l.keeper, log: filepath.Join(dir, "nats.log"), program: os.Args[0], env: append([]string{natsVariable + "=" + r.store()}, l.natsEnv...)}
	if err := r.begin(ctx); err != nil {
		return nil, errors.Join(err, r.end())
	}
	return r, nil
}

// freeAddress is a port of a loopback address on which nothing else asks for free ports, so that it stays free while its
// service is down.
func freeAddress(host string) (string, error) {
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// store is NATS's folder.
func (r *rig) store() string { return filepath.Join(r.dir, "nats", "store") }

func (r *rig) environment(s *service, admin string) []string {
	env := []string{
		"NATS_URL=nats://" + s.nats.addr, "NATS_MONITOR_URLS=http://" + r.monitor.addr, "ADMIN_LISTEN=" + admin,
		"LOG_FORMAT=json", "LOG_LEVEL=info", "RECEIVER_LISTEN=127.0.0.1:0", "INDEXER_BULK_TIMEOUT=5s",
	}
	if s.es != nil {
		env = append(env, "ELASTICSEARCH_URL=http://"+s.es.addr)
		if r.writer.name != "" {
			env = append(env, "ELASTICSEARCH_USERNAME="+r.writer.name, "ELASTICSEARCH_PASSWORD="+r.writer.password)
		}
	}
	return append(append(env, r.extra...), r.tuning...)
}

// begin starts everything in order and waits until it is ready.
func (r *rig) begin(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(r.store()), 0o755); err != nil {
		return err
	}
	if r.disk > 0 {
		r.keeper.tell("+", "mount", filepath.Dir(r.store()))
		out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+strconv.FormatInt(r.disk, 10), "tmpfs", filepath.Dir(r.store())).CombinedOutput()
		if err != nil {
			return fmt.Errorf("mounting a small disk: %w: %s", err, out)
		}
	}
	if r.disk == powered {
		var err error
		if r.power, err = r.plugIn(filepath.Join(r.dir, "nats-disk"), filepath.Dir(r.store())); err != nil {
			return err
		}
	}
	if err := r.startNATS(); err != nil {
		return err
	}
	var err error
	r.conn, err = stream.Open(ctx, "fault", stream.Config{NATSURL: config.URL("nats://" + r.own.addr), SyncAlways: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if err := r.setup(ctx, nil); err != nil {
		return err
	}
	for _, name := range r.order {
		if err := r.startService(name); err != nil {
			return err
		}
	}
	return r.awaitReady(time.Minute)
}

// startNATS starts the server and leads all ways to it.
func (r *rig) startNATS() error {
	say := r.store() + ".json"
	if err := os.Remove(say); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := r.nats.start(); err != nil {
		return err
	}
	var at addresses
	err := within(time.Minute, "NATS's address", func() error {
		if !r.nats.running() {
			return fmt.Errorf("it ended: %s, see %s", r.nats.cmd.ProcessState, r.nats.log)
		}
		raw, err := os.ReadFile(say)
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, &at)
	})
	if err != nil {
		return err
	}
	address := strings.TrimPrefix(at.URL, "nats://")
	r.own.point(address)
	r.monitor.point(strings.TrimPrefix(at.Monitor, "http://"))
	for _, s := range r.services {
		s.nats.point(address)
	}
	return nil
}

// startService starts a service and, for the receiver, leads the load to it. It does not wait until it is ready.
func (r *rig) startService(name string) error {
	s := r.services[name]
	info, err := os.Stat(s.log)
	from := int64(0)
	if err == nil {
		from = info.Size()
	}
	if err := s.start(); err != nil || name != "receiver" || r.cluster != nil {
		return err
	}
	return within(40*time.Second, "the receiver's address", func() error {
		if !s.running() {
			return fmt.Errorf("it ended: %s, see %s", s.cmd.ProcessState, s.log)
		}
		raw, err := os.ReadFile(s.log)
		if err != nil {
			return err
		}
		for line := range bytes.Lines(raw[min(from, int64(len(raw))):]) {
			var say struct{ Msg, Address string }
			if json.Unmarshal(line, &say) == nil && say.Msg == "receiving" {
				r.door.point(say.Address)
				return nil
			}
		}
		return errors.New("it does not listen yet")
	})
}

func (r *rig) awaitReady(limit time.Duration) error {
	return within(limit, "all services ready", func() error {
		for _, name := range r.order {
			if page, err := r.page(name, "/readyz"); err != nil {
				return fmt.Errorf("%s: %w %.300s", name, err, page)
			}
		}
		return nil
	})
}

// page reads a page of a service's admin address.
func (r *rig) page(name, path string) (string, error) {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(r.services[name].admin + path)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return string(raw), err
}

// metric sums the series of a service that begin with a text; 0 when it does not answer.
func (r *rig) metric(name, series string) (sum float64) {
	page, err := r.page(name, "/metrics")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, series); ok {
			fields := strings.Fields(rest)
			if v, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil {
				sum += v
			}
		}
	}
	return sum
}

// command runs the operator's program as an administrator.
func (r *rig) command(ctx context.Context, env []string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.programs["sluice"], args...)
	cmd.Env = append(os.Environ(), "NATS_URL=nats://"+r.own.addr, "NATS_MONITOR_URLS=http://"+r.monitor.addr,
		"ELASTICSEARCH_URL="+r.url, "ELASTICSEARCH_USERNAME="+r.admin.name, "ELASTICSEARCH_PASSWORD="+r.admin.password)
	cmd.Env = append(append(cmd.Env, r.extra...), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("sluice %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// setup makes the streams, with other sizes where sizes names them (DELIVERIES, DOCUMENTS, DEAD_LETTERS, in bytes).
func (r *rig) setup(ctx context.Context, sizes map[string]int64) error {
	all := map[string]int64{stream.Deliveries: roomDeliveries, stream.Documents: roomDocuments, stream.DeadLetters: roomLetters}
	var env []string
	for name, size := range all {
		if other, ok := sizes[name]; ok {
			size = other
		}
		env = append(env, fmt.Sprintf("STREAM_%s_MAX_BYTES=%d", name, size))
	}
	_, err := r.command(ctx, env, "setup", "--namespace", r.namespace)
	return err
}

// newEndpoint makes a Payload URL for one run and returns its id and token.
func (r *rig) newEndpoint(ctx context.Context) (id, token string, err error) {
	r.endpoints++
	id = fmt.Sprintf("%s-%d", strings.ReplaceAll(r.namespace, "_", "-"), r.endpoints)
	token = endpoint.NewToken()
	file := filepath.Join(r.dir, "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return "", "", err
	}
	_, err = r.command(ctx, nil, "endpoint", "create", "--id", id, "--name", "fault", "--namespace", r.namespace, "--token-file", file)
	return id, token, err
}

// members are the services whose names begin so, in order.
func (r *rig) members(kind string) []*service {
	var all []*service
	for _, name := range r.order {
		if strings.HasPrefix(name, kind) {
			all = append(all, r.services[name])
		}
	}
	return all
}

// end stops all processes.
func (r *rig) end() error {
	var errs []error
	for _, name := range r.order {
		errs = append(errs, r.services[name].stop())
	}
	if r.conn != nil {
		r.conn.Close()
	}
	if r.nats.running() {
		errs = append(errs, r.nats.stop())
	}
	if r.disk > 0 {
		errs = append(errs, syscall.Unmount(filepath.Dir(r.store()), 0))
		r.keeper.tell("-", "mount", filepath.Dir(r.store()))
	}
	if r.power != nil {
		errs = append(errs, r.unplug(r.power, filepath.Dir(r.store()), filepath.Join(r.dir, "nats-files")))
	}
	for _, v := range []*valve{r.door, r.monitor, r.own} {
		v.close()
	}
	for _, s := range r.services {
		s.nats.close()
		if s.es != nil {
			s.es.close()
		}
	}
	return errors.Join(errs...)
}

// within polls until try succeeds; the error is its last one.
func within(limit time.Duration, what string, try func() error) error {
	for deadline := time.Now().Add(limit); ; <-time.After(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %s: %w", what, limit, err)
		}
	}
}
