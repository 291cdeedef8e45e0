package intake

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// maxGuarded is how many addresses a guard remembers; those that were quiet for longest are forgotten.
const maxGuarded = 8192

// guard counts wrong tokens by where they come from. It is asked only about wrong ones.
type guard struct {
	perMinute int

	mu    sync.Mutex
	known *simplelru.LRU[netip.Prefix, *rate.Limiter]
}

// newGuard returns a guard that lets perMinute wrong tokens pass in a minute; 0 lets all pass.
func newGuard(perMinute int) *guard {
	known, _ := simplelru.NewLRU[netip.Prefix, *rate.Limiter](maxGuarded, nil) // fails for a size below 1 only
	return &guard{perMinute: perMinute, known: known}
}

// wrong counts a wrong token and reports whether its sender has had too many.
func (g *guard) wrong(from netip.Addr, now time.Time) bool {
	if g.perMinute == 0 {
		return false
	}
	where := neighbourhood(from)
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter, ok := g.known.Get(where)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(float64(g.perMinute)/60), g.perMinute)
		g.known.Add(where, limiter)
	}
	return !limiter.AllowN(now, 1)
}

// neighbourhood is what one sender commands: an IPv4 address, but the whole /64 of an IPv6 address.
func neighbourhood(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the zero address gives the zero prefix
	return p
}
