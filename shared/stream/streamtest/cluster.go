package streamtest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/sluicelog/sluice/shared/stream/embedded"
)

// gate is a way between two servers that can be shut.
type gate struct {
	net.Listener

	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

// newGate leads to target, which is asked for at each connection.
func newGate(t testing.TB, target func() string) *gate {
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
	_ = g.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for _, c := range g.conns {
		_ = c.Close()
	}
}

// Cluster is three servers, of which the first reaches the others, and is reached by them, through gates only.
type Cluster struct {
	servers []*server.Server
	gates   []*gate
}

// StartCluster starts a cluster that ends with the test.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	var running [3]atomic.Pointer[server.Server] // gates ask for them while others are being started
	to := func(n int) func() string {
		return func() string {
			s := running[n].Load()
			if s == nil || s.ClusterAddr() == nil {
				return "" // nobody is there yet, and so nobody is reached
			}
			return s.ClusterAddr().String()
		}
	}
	in := newGate(t, to(0))
	gates := []*gate{in, newGate(t, to(1)), newGate(t, to(2))}
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
		running[n].Store(s)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatalf("server %d does not start", n)
		}
	}
	start(1, "")
	start(2, "", "nats://"+running[1].Load().ClusterAddr().String())
	start(0, in.Addr().String(), "nats://"+gates[1].Addr().String(), "nats://"+gates[2].Addr().String())
	servers := make([]*server.Server, len(running))
	for n := range running {
		servers[n] = running[n].Load()
	}
	return &Cluster{servers, gates}
}

// URLs are where clients connect.
func (c *Cluster) URLs() (urls []string) {
	for _, s := range c.servers {
		urls = append(urls, s.ClientURL())
	}
	return urls
}

// Clients is how many clients a server has.
func (c *Cluster) Clients(at int) int { return c.servers[at].NumClients() }

// CutOffFirst parts the first server from the others, for good.
func (c *Cluster) CutOffFirst() {
	for _, g := range c.gates {
		g.close()
	}
}
