package stream

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A JetStream server keeps what was written to a block of a stream in memory for ten seconds after the block's last write,
// whoever has read it (nats-server 2.15, defaultCacheBufferExpiration); no setting changes that. The server looks once in a
// while, which the second above ten stands for.
const (
	cacheSlots = 11
	cacheSlot  = time.Second
)

// cacheSpeed is the time in which the room that is left would be taken at the rate that is allowed. So the rate falls as the room
// does, and settles where a fifteenth of it is taken in a second; nobody waits for ten seconds because somebody else had a
// burst. It does not fall below a part of the room in a second, so that a large message waits for seconds at most.
const (
	cacheSpeed = 4 * time.Second
	cacheSlow  = 64
)

// What the cache gets of the memory: all but what else is in use, which is measured, and an eighth for the garbage between two
// collections. But it gets so much at least that the largest message waits for seconds only.
const (
	cacheGarbage = 8
	cacheOthers  = 64 << 20 // what else is in use, before it is measured
	cacheLeast   = 32 << 20
)

// cacheFade is what is left, a second later, of how much else was in use: a moment with less is no sign that it stays so.
const cacheFade = 0.9

// cacheLook is how often a message that waits looks again: what the server let go of meanwhile makes room.
const cacheLook = 50 * time.Millisecond

// cacheSlack is the time for which what was not used at the allowed rate can be used later: clocks wake up late.
const cacheSlack = 10 * time.Millisecond

// cacheSays is the time between two lines in the log about waits.
const cacheSays = 10 * time.Minute

// CacheBound keeps what a JetStream server in this process has in memory of the last messages within a number of bytes: where
// they come faster than that, each waits a moment before it is published. It is safe for concurrent use; a nil one bounds
// nothing.
type CacheBound struct {
	memory float64       // bytes that this process may take
	inUse  func() uint64 // bytes that were in use at the last collection
	began  time.Time
	gate   chan struct{} // who holds it is next; the others wait in the order in which they came

	mu     sync.Mutex
	slots  [cacheSlots]float64 // bytes by the second
	slot   int64               // the present one, counted from the beginning
	held   float64             // in all slots
	others float64             // what else is in use
	room   float64             // what may be held
	credit float64             // bytes that may go now; below zero: what the last message took beyond that
	filled time.Time
	waited time.Duration // by all messages
	said   time.Time

	descHeld, descRoom, descWaited *prometheus.Desc
}

// NewCacheBound bounds the cache so that the process keeps within memory bytes; inUse says what it had in use, the cache included,
// at the last collection of garbage.
func NewCacheBound(memory int64, inUse func() uint64) *CacheBound {
	b := &CacheBound{
		memory: float64(memory), inUse: inUse, began: time.Now(), filled: time.Now(), gate: make(chan struct{}, 1),
		descHeld:   prometheus.NewDesc("sluice_stream_cache_bytes", "Bytes that the NATS server in this process keeps in memory of what was stored lately, about.", nil, nil),
		descRoom:   prometheus.NewDesc("sluice_stream_cache_max_bytes", "Bytes that it may keep, by the memory limit of this process; beyond them messages wait.", nil, nil),
		descWaited: prometheus.NewDesc("sluice_stream_cache_wait_seconds_total", "Time that messages have waited because of that limit.", nil, nil),
	}
	b.measure()
	return b
}

// await returns when a message of so many bytes may be published. The error says that ctx ended before.
func (b *CacheBound) await(ctx context.Context, bytes int, log *slog.Logger) error {
	if b == nil {
		return nil
	}
	begin := time.Now()
	select {
	case b.gate <- struct{}{}:
		defer func() { <-b.gate }()
	case <-ctx.Done():
		return b.tooSlow(ctx)
	}
	for wait := b.spend(float64(bytes)); wait > 0; wait = b.spend(float64(bytes)) {
		b.tell(ctx, log)
		select {
		case <-time.After(min(wait, cacheLook)):
		case <-ctx.Done():
			return b.tooSlow(ctx)
		}
	}
	b.mu.Lock()
	b.waited += time.Since(begin)
	b.mu.Unlock()
	return nil
}

func (b *CacheBound) tooSlow(ctx context.Context) error {
	return fmt.Errorf("%w: the memory limit of this process (GOMEMLIMIT, or its container's) slows down what is stored: %w", ErrAway, ctx.Err())
}

// spend counts a message that goes now, or returns about how long it has to wait.
func (b *CacheBound) spend(bytes float64) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rate := b.fill()
	if b.credit < 0 {
		return max(time.Duration(-b.credit/rate*float64(time.Second)), time.Microsecond)
	}
	b.credit -= bytes
	b.slots[b.slot%cacheSlots] += bytes
	b.held += bytes
	return 0
}

// fill adds what may go since the last look, and returns the present rate in bytes per second.
func (b *CacheBound) fill() (rate float64) {
	now := time.Now()
	b.forget(now)
	rate = max((b.room-b.held)/cacheSpeed.Seconds(), b.room/cacheSlow)
	b.credit = min(b.credit+rate*now.Sub(b.filled).Seconds(), rate*cacheSlack.Seconds())
	b.filled = now
	return rate
}

// forget leaves out what the server has let go of, and measures the room once in a slot.
func (b *CacheBound) forget(now time.Time) {
	at := int64(now.Sub(b.began) / cacheSlot) // by a clock that nobody sets
	if at > b.slot {
		defer b.measure()
	}
	for range min(at-b.slot, cacheSlots) {
		b.slot++
		b.held -= b.slots[b.slot%cacheSlots]
		b.slots[b.slot%cacheSlots] = 0
	}
	b.slot = max(b.slot, at)
}

// measure decides how much may be held. What is in use was measured a moment ago and what is held is of now, which evens out.
func (b *CacheBound) measure() {
	b.others = max(float64(b.inUse())-b.held, b.others*cacheFade, cacheOthers)
	b.room = max(b.memory*(cacheGarbage-1)/cacheGarbage-b.others, cacheLeast)
}

// tell logs that messages wait, once in a while.
func (b *CacheBound) tell(ctx context.Context, log *slog.Logger) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); now.Sub(b.said) > cacheSays {
		b.said = now
		log.InfoContext(ctx, "events come faster than the memory of this process allows, so answers take longer; raise GOMEMLIMIT, or its container's limit, where that is not wanted",
			"cache_max_bytes", int64(b.room))
	}
}

// Describe and Collect make it a prometheus.Collector.
func (b *CacheBound) Describe(out chan<- *prometheus.Desc) {
	out <- b.descHeld
	out <- b.descRoom
	out <- b.descWaited
}

// Collect reports what is held, and how long messages have waited.
func (b *CacheBound) Collect(out chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(time.Now())
	out <- prometheus.MustNewConstMetric(b.descHeld, prometheus.GaugeValue, b.held)
	out <- prometheus.MustNewConstMetric(b.descRoom, prometheus.GaugeValue, b.room)
	out <- prometheus.MustNewConstMetric(b.descWaited, prometheus.CounterValue, b.waited.Seconds())
}
