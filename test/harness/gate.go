package harness

import (
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Gate is a way to a server that can be closed: then connections break and new ones are refused. It can also lose answers.
type Gate struct {
	URL    string
	target string
	listen net.Listener

	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
	share  float64 // of the answers that are lost
	dice   *rand.Rand
	lost   int
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

// LoseAnswers breaks, from now on, a connection at a share of what the server says: it has done what it was asked, and the
// client never hears so. Which answers are lost follows from seed.
func (g *Gate) LoseAnswers(share float64, seed uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.share, g.dice = share, rand.New(rand.NewPCG(seed, 1))
}

// Lost is how many answers were lost so far.
func (g *Gate) Lost() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost
}

func (g *Gate) loses() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.share == 0 || g.dice.Float64() >= g.share {
		return false
	}
	g.lost++
	return true
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
	go func() { g.answer(c, target); done <- struct{}{} }()
	<-done
}

// answer carries what the server says until it ends or is lost.
func (g *Gate) answer(to, from net.Conn) {
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			if g.loses() {
				return
			}
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
