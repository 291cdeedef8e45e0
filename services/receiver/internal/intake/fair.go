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
	buckets map[string]*rate.Limiter // of endpoints that the registry knows and that sent something lately
	swept   time.Time
}

// fairSweep is how often the buckets of quiet endpoints are looked for.
const fairSweep = 10 * time.Second

// newFair returns one that lets bytesPerSecond of each endpoint into the plain class; with 0 everything goes there.
func newFair(bytesPerSecond, burst int64) *fair {
	return &fair{rate: rate.Limit(bytesPerSecond), burst: int(burst), buckets: map[string]*rate.Limiter{}}
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
	bucket := f.buckets[endpoint]
	if bucket == nil {
		bucket = rate.NewLimiter(f.rate, f.burst)
		f.buckets[endpoint] = bucket
	}
	return !bucket.AllowN(now, int(size))
}

// sweep forgets full buckets, which say no more than none; mu is held.
func (f *fair) sweep(now time.Time) {
	if now.Sub(f.swept) < fairSweep {
		return
	}
	f.swept = now
	for endpoint, bucket := range f.buckets {
		if bucket.TokensAt(now) >= float64(f.burst) {
			delete(f.buckets, endpoint)
		}
	}
}
