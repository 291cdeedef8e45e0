package elastic_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/elastic/elastictest"
)

// doorway stands before the real node and can answer in its place, as a node does that has lost its master.
type doorway struct {
	*httptest.Server
	lost   atomic.Bool
	passed atomic.Int64
}

func newDoorway(t *testing.T, target string) *doorway {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	d, proxy := &doorway{}, httputil.NewSingleHostReverseProxy(to)
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.lost.Load() {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		d.passed.Add(1)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func TestANodeThatIsOfNoUseIsLeftOutUntilItIsBack(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Elasticsearch: not with -short")
	}
	node := elastictest.Start(t)
	good, lost := newDoorway(t, node.URL), newDoorway(t, node.URL)
	gone := newDoorway(t, node.URL)
	gone.Close()
	lost.lost.Store(true)
	c := open(t, strings.Join([]string{gone.URL, lost.URL, good.URL}, ","))
	failed := 0
	for range 30 {
		if _, err := c.Health(t.Context()); err != nil {
			failed++
		}
	}
	if failed > 2 {
		t.Fatalf("%d of 30 requests went to nodes that are of no use, and each node costs one", failed)
	}
	lost.lost.Store(false)
	for deadline := time.Now().Add(time.Minute); lost.passed.Load() < 5; <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a node that is back gets no requests")
		}
		if _, err := c.Health(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithAllNodesAwayEachRequestIsATry(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Elasticsearch: not with -short")
	}
	node := elastictest.Start(t)
	one, two := newDoorway(t, node.URL), newDoorway(t, node.URL)
	one.lost.Store(true)
	two.lost.Store(true)
	c := open(t, one.URL+","+two.URL)
	for range 6 {
		if _, err := c.Health(t.Context()); err == nil {
			t.Fatal("nobody answered well")
		}
	}
	two.lost.Store(false)
	for range 2 {
		if _, err := c.Health(t.Context()); err == nil {
			return
		}
	}
	t.Fatal("the node that is back was not tried")
}
