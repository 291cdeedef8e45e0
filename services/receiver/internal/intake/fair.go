package intake

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// fair decides, for each endpoint by itself, which deliveries are too many for the plain class. Whoever keeps within a rate is
// in the plain class, and waits for no more than what all endpoints may put there; what goes beyond it is in the bulk class.
// Nothing is refused.
type fair struct {
	rate  rate.Limit // bytes a second, after decompression
	burst int        // bytes at once

	mu      sync.Mutex
	buckets map[string]*bucket // of endpoints that the registry knows and that sent something lately
	swept   time.Time
}

// bucket is what one endpoint may still send to the plain class.
type bucket struct {
	*rate.Limiter

	over   bool      // it was empty, and is not worth while yet
	latest time.Time // that it was asked at
}

// worth is for how long a bucket that was empty fills before anything is taken from it again: else every tenth delivery of a
// replay would be plain, by itself, and no two deliveries that follow one another could share a commit.
const worth = 250 * time.Millisecond

// fairSweep is how often the buckets of quiet endpoints are looked for.
const fairSweep = 10 * time.Second

// newFair returns one that lets bytesPerSecond of each endpoint into the plain class; with 0 everything goes there.
func newFair(bytesPerSecond, burst int64) *fair {
	return &fair{rate: rate.Limit(bytesPerSecond), burst: int(burst), buckets: map[string]*bucket{}}
}

// bulk reports whether a delivery of size bytes goes to the bulk class. One that does takes nothing from what its endpoint may
// send to the plain one.
func (f *fair) bulk(endpoint string, size int64, now time.Time) bool {
	if f.rate <= 0 {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sweep(now)
	b := f.buckets[endpoint]
	if b == nil {
		b = &bucket{Limiter: rate.NewLimiter(f.rate, f.burst)}
		f.buckets[endpoint] = b
	}
	if now.Before(b.latest) { // slow requests began earlier; a bucket that goes back fills for the same time twice
		now = b.latest
	}
	b.latest = now
	if b.over && b.TokensAt(now) < min(float64(f.rate)*worth.Seconds(), float64(f.burst)) {
		return true
	}
	b.over = !b.AllowN(now, int(size))
	return b.over
}

// sweep forgets full buckets, which say no more than none; mu is held.
func (f *fair) sweep(now time.Time) {
	if now.Sub(f.swept) < fairSweep {
		return
	}
	f.swept = now
	for endpoint, b := range f.buckets {
		if b.TokensAt(now) >= float64(f.burst) {
			delete(f.buckets, endpoint)
		}
	}
}
