package fault_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// balancer spreads deliveries over the receivers as a load balancer does: it asks each one whether it is ready, and tries
// the next one when a receiver does not answer or is not able to keep a delivery.
type balancer struct {
	addr    string
	server  *http.Server
	client  *http.Client
	targets []*backend
	turn    atomic.Uint64
	stop    context.CancelFunc

	mu    sync.Mutex
	first map[string]int // what first attempts got instead of a 2xx: a sender without a balancer would have seen it
}

// backend is a receiver as the balancer knows it.
type backend struct {
	name, url, admin string
	ready            atomic.Bool
}

// oneTry is how long the balancer waits for one receiver's answer: longer than a receiver takes to say 503.
const oneTry = 8 * time.Second

func newBalancer(targets []*backend) (*balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &balancer{addr: l.Addr().String(), client: client(), targets: targets, stop: stop, first: map[string]int{}}
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = b.server.Serve(l) }() // ends with close
	for _, t := range targets {
		go t.watch(ctx)
	}
	return b, nil
}

// watch asks a receiver again and again whether it is ready.
func (t *backend) watch(ctx context.Context) {
	asking := http.Client{Timeout: 2 * time.Second}
	for ctx.Err() == nil {
		res, err := asking.Get(t.admin + "/readyz")
		t.ready.Store(err == nil && res.StatusCode == http.StatusOK)
		if err == nil {
			_ = res.Body.Close()
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// order is in which order the receivers are tried: in turn, those that are not ready last.
func (b *balancer) order() []*backend {
	n := int(b.turn.Add(1) % uint64(len(b.targets)))
	all := slices.Concat(b.targets[n:], b.targets[:n])
	slices.SortStableFunc(all, func(x, y *backend) int {
		rank := map[bool]int{true: 0, false: 1}
		return rank[x.ready.Load()] - rank[y.ready.Load()]
	})
	return all
}

// ServeHTTP hands a delivery to one receiver after another until one of them keeps it or says that it never will.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sender is gone
	}
	status, answer := http.StatusBadGateway, []byte("no receiver answers\n")
	for i, t := range b.order() {
		got, raw, err := b.try(r, t, body)
		switch {
		case err != nil && i == 0:
			b.note("no answer")
		case err == nil && i == 0 && got > 299:
			b.note(strconv.Itoa(got))
		}
		if err == nil {
			status, answer = got, raw
		}
		if err == nil && got < 500 && got != http.StatusTooManyRequests || r.Context().Err() != nil {
			break
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (b *balancer) try(r *http.Request, t *backend, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(r.Context(), oneTry)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, t.url+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = r.Header.Clone()
	res, err := b.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, raw, err
}

func (b *balancer) note(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.first[what]++
}

// plain is a copy of what first attempts got instead of a 2xx.
func (b *balancer) plain() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.first)
}

// plainText renders what came since before.
func (b *balancer) plainText(before map[string]int) (text string) {
	now := b.plain()
	for _, what := range slices.Sorted(maps.Keys(now)) {
		if n := now[what] - before[what]; n > 0 {
			text += fmt.Sprintf(" %s×%d", what, n)
		}
	}
	return text
}

func (b *balancer) close() {
	b.stop()
	_ = b.server.Close()
}
