package elastic

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// How long a node stays away before it is asked whether it is back, and how long that may take.
const (
	minNodeAway = time.Second
	maxNodeAway = 15 * time.Second
	probeTime   = 5 * time.Second
)

// nodes chooses the node of each request: in turn, without those that did not answer or that have lost their cluster.
// Whether such a node is back is asked beside the requests, so that none of them waits for it; with all of them away the
// request itself is the question. It is the client's pool and its transport in one.
type nodes struct {
	next http.RoundTripper

	mu   sync.Mutex
	all  []*member
	turn int
}

// member is a node as we know it.
type member struct {
	conn     *elastictransport.Connection
	auth     string // of the request that failed
	failures int    // in a row; 0: it can be used
	due      time.Time
	asking   bool
}

// pool is the client's way to make its pool.
func (n *nodes) pool(conns []*elastictransport.Connection, _ elastictransport.Selector) elastictransport.ConnectionPool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = nil
	for _, c := range conns {
		n.all = append(n.all, &member{conn: c})
	}
	return n
}

// ConcurrentSafe tells the client that no lock is needed around the pool.
func (n *nodes) ConcurrentSafe() {}

// OnSuccess does nothing: RoundTrip has seen what the answer was worth.
func (n *nodes) OnSuccess(*elastictransport.Connection) error { return nil }

// OnFailure does nothing: RoundTrip knows why it failed.
func (n *nodes) OnFailure(*elastictransport.Connection) error { return nil }

// URLs lists the nodes.
func (n *nodes) URLs() []*url.URL {
	n.mu.Lock()
	defer n.mu.Unlock()
	urls := make([]*url.URL, 0, len(n.all))
	for _, m := range n.all {
		urls = append(urls, m.conn.URL)
	}
	return urls
}

// Next returns the node of the next request.
func (n *nodes) Next() (*elastictransport.Connection, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.all) == 0 {
		return nil, errors.New("no Elasticsearch node is configured")
	}
	now := time.Now()
	first, chosen := n.all[n.turn%len(n.all)], -1
	for i := range n.all {
		at := (n.turn + i) % len(n.all)
		m := n.all[at]
		switch {
		case m.failures == 0 && chosen < 0:
			chosen = at
		case m.failures > 0 && m.due.Before(first.due):
			first = m
		}
	}
	if chosen < 0 {
		n.turn++
		return first.conn, nil
	}
	n.turn = chosen + 1
	for _, m := range n.all {
		if m.failures > 0 && !m.asking && now.After(m.due) {
			m.asking = true
			go n.ask(m)
		}
	}
	return n.all[chosen].conn, nil
}

// RoundTrip sends a request and notes whether its node is of use.
func (n *nodes) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := n.next.RoundTrip(req)
	if err != nil && errors.Is(req.Context().Err(), context.Canceled) {
		return res, err // our own stop says nothing of the node
	}
	n.note(req, err == nil && useful(res.StatusCode))
	return res, err
}

// useful reports whether a node that answers so is in its cluster. A node that has lost its master answers 503 to
// everything; the others may be well.
func useful(status int) bool {
	return status != http.StatusBadGateway && status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout
}

func (n *nodes) note(req *http.Request, good bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range n.all {
		if m.conn.URL.Host != req.URL.Host {
			continue
		}
		if good {
			m.failures = 0
			continue
		}
		m.auth = req.Header.Get("Authorization")
		m.failures++
		m.due = time.Now().Add(min(minNodeAway<<min(m.failures-1, 10), maxNodeAway))
	}
}

// ask finds out whether a node is back in its cluster; any answer but its own distress will do.
func (n *nodes) ask(m *member) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		m.asking = false
	}()
	where := m.conn.URL.JoinPath("_cluster", "health")
	where.RawQuery = "master_timeout=2s&timeout=2s"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return // the address was good for requests
	}
	n.mu.Lock()
	if m.auth != "" {
		req.Header.Set("Authorization", m.auth)
	}
	n.mu.Unlock()
	if res, err := n.RoundTrip(req); err == nil {
		_ = res.Body.Close()
	}
}
