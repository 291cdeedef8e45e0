package fault_test

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// mode is what a valve does with what passes it.
type mode int

const (
	pass         mode = iota
	shut              // connections break and new ones are closed at once
	loseRequests      // a connection breaks when the client says something; the server never hears it
	loseAnswers       // a connection breaks when the server says something; the client never hears it
	halveAnswers      // of what the server says half gets through, then the connection breaks
	delay             // every piece waits
)

// valve is the way between a client and a server, on which things can go wrong. It outlives the server: point names
// the next one.
type valve struct {
	addr   string
	listen net.Listener

	mu     sync.Mutex
	target string
	mode   mode
	share  float64 // of the pieces that are hit
	wait   time.Duration
	dice   *rand.Rand
	conns  map[net.Conn]bool

	carried, broken, refused, delayed atomic.Int64 // what was done, since the valve was made
}

func newValve(dice *rand.Rand) (*valve, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	v := &valve{addr: l.Addr().String(), listen: l, conns: map[net.Conn]bool{}, dice: rand.New(rand.NewPCG(dice.Uint64(), 1))}
	go v.serve()
	return v, nil
}

func (v *valve) point(target string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.target = target
}

// set chooses what goes wrong from now on, with this share of the pieces.
func (v *valve) set(m mode, share float64, wait time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mode, v.share, v.wait = m, share, wait
	if m == shut {
		for c := range v.conns {
			_ = c.Close()
			v.broken.Add(1)
		}
	}
}

func (v *valve) open() { v.set(pass, 0, 0) }

func (v *valve) close() {
	_ = v.listen.Close()
	v.set(shut, 1, 0)
}

func (v *valve) serve() {
	for {
		c, err := v.listen.Accept()
		if err != nil {
			return
		}
		go v.carry(c)
	}
}

func (v *valve) carry(client net.Conn) {
	defer func() { _ = client.Close() }()
	v.mu.Lock()
	target, m := v.target, v.mode
	v.mu.Unlock()
	if m == shut || target == "" {
		v.refused.Add(1)
		return
	}
	server, err := net.DialTimeout("tcp", target, 5*time.Second)
	if err != nil {
		v.refused.Add(1)
		return
	}
	defer func() { _ = server.Close() }()
	v.mu.Lock()
	v.conns[client] = true
	v.carried.Add(1)
	v.mu.Unlock()
	done := make(chan struct{}, 2)
	go func() { v.copy(server, client, loseRequests); done <- struct{}{} }()
	go func() { v.copy(client, server, loseAnswers); done <- struct{}{} }()
	<-done
	v.mu.Lock()
	delete(v.conns, client)
	v.mu.Unlock()
}

// copy carries one direction; loses is the mode in which this direction loses things.
func (v *valve) copy(to, from net.Conn, loses mode) {
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			m, wait := v.hit()
			switch {
			case m == shut, m == loses:
				v.broken.Add(1)
				return
			case m == halveAnswers && loses == loseAnswers:
				v.broken.Add(1)
				_, _ = to.Write(piece[:n/2])
				return
			case m == delay:
				v.delayed.Add(1)
				<-time.After(wait)
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

// hit says what happens to one piece.
func (v *valve) hit() (mode, time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mode == pass || v.dice.Float64() >= v.share {
		return pass, 0
	}
	return v.mode, v.wait
}
