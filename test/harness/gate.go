package harness

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Gate is a way to a server that can be closed: then connections break and new ones are refused.
type Gate struct {
	URL    string
	target string
	listen net.Listener

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// NewGate opens a way to the server at address; it ends with the test.
func NewGate(tb testing.TB, address string) *Gate {
	tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // ends with the test
	if err != nil {
		tb.Fatal(err)
	}
	g := &Gate{URL: "http://" + l.Addr().String(), target: u.Host, listen: l, conns: map[net.Conn]bool{}}
	go g.serve()
	tb.Cleanup(func() { _ = l.Close(); g.Close() })
	return g
}

// Close breaks all connections and lets no new one through.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.conns {
		_ = c.Close()
	}
}

// Open lets connections through again.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}

func (g *Gate) serve() {
	for {
		c, err := g.listen.Accept()
		if err != nil {
			return
		}
		go g.pass(c)
	}
}

// enter registers a connection unless the gate is closed.
func (g *Gate) enter(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		if !g.closed {
			g.conns[c] = true
		}
	}
	return !g.closed
}

func (g *Gate) leave(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(g.conns, c)
	}
}

func (g *Gate) pass(c net.Conn) {
	target, err := net.Dial("tcp", g.target) //nolint:noctx // loopback
	if err != nil {
		_ = c.Close()
		return
	}
	defer g.leave(c, target)
	if !g.enter(c, target) {
		return
	}
	done := make(chan struct{}, 2)
	copyAll := func(to, from net.Conn) { _, _ = io.Copy(to, from); done <- struct{}{} }
	go copyAll(target, c)
	go copyAll(c, target)
	<-done
}
