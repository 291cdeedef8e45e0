package stream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// await polls until try succeeds.
func await(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; <-time.After(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
	}
}

// monitors are pages of NATS servers that say whether they sync always; what is nil answers nothing.
func monitors(t *testing.T, always ...func() bool) (urls []string) {
	t.Helper()
	for _, ask := range always {
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if ask == nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = fmt.Fprintf(w, `{"config":{"sync_always":%t}}`, ask())
		}))
		t.Cleanup(page.Close)
		urls = append(urls, page.URL)
	}
	return urls
}

func yes() bool { return true }

func TestOneServerOfThreeMayBeAwayAtTheStart(t *testing.T) {
	cfg := streamtest.Start(t).Config()
	cfg.SyncAlways, cfg.NATSMonitorURLs = false, monitors(t, yes, nil, yes)
	conn, err := stream.Open(t.Context(), "test", cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestMostServersMustProveTheirDurability(t *testing.T) {
	cfg := streamtest.Start(t).Config()
	cfg.SyncAlways, cfg.NATSMonitorURLs = false, monitors(t, yes, nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	conn, err := stream.Open(ctx, "test", cfg, quiet())
	if err == nil {
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "1 answered and more than half must") {
		t.Fatalf("got %v", err)
	}
}

func TestAServerThatComesBackWithoutSyncStopsPublishing(t *testing.T) {
	srv := streamtest.Start(t)
	srv.Open(t, "default")
	cfg := srv.Config()
	var mu sync.Mutex
	back := false
	third := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !back {
			w.WriteHeader(http.StatusServiceUnavailable) // and no JSON
			return
		}
		_, _ = w.Write([]byte(`{"config":{"sync_interval":120000000000}}`))
	}))
	defer third.Close()
	cfg.SyncAlways, cfg.NATSMonitorURLs = false, append(monitors(t, yes, yes), third.URL)
	conn, err := stream.Open(t.Context(), "test", cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	publish(t, conn, 1)
	mu.Lock()
	back = true
	mu.Unlock()
	await(t, time.Minute, "a refusal", func() error {
		if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("x")}); !errors.Is(err, stream.ErrNotDurable) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	if err := conn.Ready(t.Context()); !errors.Is(err, stream.ErrNotDurable) {
		t.Fatalf("ready: %v", err)
	}
}

func TestAPublishWithAnIDOutlastsARestartOfTheServer(t *testing.T) {
	dir, port := t.TempDir(), 0
	start := func() *embedded.Server {
		s, err := embedded.Start(t.Context(), embedded.Options{Dir: dir, Port: port, MaxStore: 16 << 30, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	srv := start()
	defer func() { _ = srv.Stop(context.Background()) }()
	_, raw, _ := net.SplitHostPort(strings.TrimPrefix(srv.URL(), "nats://"))
	_, _ = fmt.Sscan(raw, &port)
	conn, err := stream.Open(t.Context(), "test", stream.Config{NATSURL: config.URL(srv.URL()), SyncAlways: true}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Setup(t.Context(), streamtest.Topology()); err != nil {
		t.Fatal(err)
	}
	publish(t, conn, 1)
	if err := srv.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, ID: "one", Data: []byte("x")})
		done <- err
	}()
	srv = start()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	receipt, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, ID: "one", Data: []byte("x")})
	if err != nil || !receipt.Duplicate {
		t.Fatalf("it was stored twice: %+v, %v", receipt, err)
	}
}

// gate is a way between two servers that can be shut.
type gate struct {
	net.Listener

	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

// newGate leads to target, which is asked for at each connection.
func newGate(t *testing.T, target func() string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{Listener: l}
	t.Cleanup(g.close)
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go g.carry(near, target())
		}
	}()
	return g
}

func (g *gate) carry(near net.Conn, target string) {
	defer func() { _ = near.Close() }()
	far, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = far.Close() }()
	g.mu.Lock()
	if g.shut {
		g.mu.Unlock()
		return
	}
	g.conns = append(g.conns, near, far)
	g.mu.Unlock()
	go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
	_, _ = io.Copy(near, far)
}

func (g *gate) close() {
	_ = g.Listener.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for _, c := range g.conns {
		_ = c.Close()
	}
}

// islands are three servers in a cluster, of which the first reaches the others, and is reached, through gates only.
func islands(t *testing.T) (servers []*server.Server, gates []*gate) {
	t.Helper()
	servers = make([]*server.Server, 3)
	to := func(n int) func() string { return func() string { return servers[n].ClusterAddr().String() } }
	in := newGate(t, to(0))
	gates = []*gate{in, newGate(t, to(1)), newGate(t, to(2))}
	start := func(n int, advertise string, routes ...string) {
		opts := &server.Options{
			ServerName: fmt.Sprintf("n%d", n), Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
			SyncInterval: 2 * time.Minute, MaxPayload: embedded.MaxPayload, NoSigs: true, NoLog: true, JetStreamMaxStore: 16 << 30, JetStreamMaxMemory: 64 << 20,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT, Advertise: advertise, PoolSize: -1},
			Routes:  server.RoutesFromStr(strings.Join(routes, ",")),
		}
		s, err := server.NewServer(opts)
		if err != nil {
			t.Fatal(err)
		}
		servers[n] = s
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatalf("server %d does not start", n)
		}
	}
	start(1, "")
	start(2, "", "nats://"+servers[1].ClusterAddr().String())
	start(0, in.Addr().String(), "nats://"+gates[1].Addr().String(), "nats://"+gates[2].Addr().String())
	return servers, gates
}

// openAt opens a connection that knows all servers and is at a certain one.
func openAt(t *testing.T, servers []*server.Server, at int) *stream.Conn {
	t.Helper()
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.ClientURL())
	}
	for range 50 {
		conn, err := stream.Open(t.Context(), "test", stream.Config{NATSURL: config.URL(strings.Join(urls, ",")), SyncAlways: true}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if servers[at].NumClients() > 0 {
			t.Cleanup(conn.Close)
			return conn
		}
		conn.Close() // the order of the servers is left to chance
	}
	t.Fatalf("no connection went to server %d", at)
	return nil
}

func TestAConnectionLeavesAServerThatHasLostItsCluster(t *testing.T) {
	servers, gates := islands(t)
	conn := openAt(t, servers, 0)
	three := streamtest.Topology()
	three.Replicas = 3
	await(t, time.Minute, "a topology of three copies", func() error {
		_, err := conn.Setup(t.Context(), three)
		return err
	})
	publish(t, conn, 1)
	for _, g := range gates {
		g.close()
	}
	await(t, 2*time.Minute, "publishing by way of another server", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, ID: "one", Data: []byte("x")})
		return err
	})
	if n := servers[0].NumClients(); n != 0 {
		t.Fatalf("%d clients are still at the server that was cut off", n)
	}
}
