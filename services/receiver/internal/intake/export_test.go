package intake

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Client opens Proxies.client to the tests.
func (p Proxies) Client(r *http.Request) netip.Addr { return p.client(r) }

// Guard opens guard to the tests.
type Guard struct{ *guard }

// NewGuard opens newGuard to the tests.
func NewGuard(perMinute int) Guard { return Guard{newGuard(perMinute)} }

// Wrong opens wrong to the tests.
func (g Guard) Wrong(from netip.Addr, now time.Time) bool { return g.wrong(from, now) }

// Known is how many addresses are remembered.
func (g Guard) Known() int { return g.known.Len() }

// MaxGuarded is how many may be.
const MaxGuarded = maxGuarded

// ShownPath opens shownPath to the tests.
func ShownPath(r *http.Request) string { return shownPath(r) }

// Part is a part of a body as Cut gives it away.
type Part struct {
	Body     []byte
	First    int
	Fragment string
}

// Cut opens cut to the tests.
func Cut(body []byte, size int) []Part {
	var all []Part
	_ = cut(body, size, func(p part) error {
		all = append(all, Part{p.body, p.first, p.fragment})
		return nil
	})
	return all
}

// ReadBody opens readBody to the tests, with a budget of total bytes.
func ReadBody(r *http.Request, limit, total int64, taken prometheus.Gauge) ([]byte, error) {
	share := &lease{budget: newBudget(total, taken)}
	defer share.release()
	return readBody(httptest.NewRecorder(), r, limit, share)
}

// Fair opens fair to the tests.
type Fair struct{ *fair }

// NewFair opens newFair to the tests.
func NewFair(bytesPerSecond, burst int64) Fair { return Fair{newFair(bytesPerSecond, burst)} }

// Bulk opens bulk to the tests.
func (f Fair) Bulk(endpoint string, size int64, now time.Time) bool {
	return f.bulk(endpoint, size, now)
}

// Known is how many endpoints are remembered.
func (f Fair) Known() int { return len(f.buckets) }
