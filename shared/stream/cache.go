package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A JetStream server keeps a block of a stream in memory for ten seconds after it was last written or read (nats-server 2.15,
// defaultCacheBufferExpiration); no setting changes that. Here a message counts for ten seconds and one more, because the
// server looks once in a while; what it keeps longer shows in what else is in use.
const (
	cacheSlots = 11
	cacheSlot  = time.Second
)

// How fast messages go beyond a quarter of the room: what is left would be taken in so long. So they slow down as the room fills, and
// nobody waits for ten seconds because somebody else had a burst. The plain class is ahead of the bulk one as it is everywhere.
// The rate settles at a fifteenth to a seventeenth of the room a second, which is held for eleven.
const (
	plainSpeed = 4 * time.Second
	bulkSpeed  = 6 * time.Second
)

// cacheFree is the part of the room, one of so many, that is taken without waiting.
const cacheFree = 4

// cacheSlowest is the part of the room that may be taken in a second, however little is left.
const cacheSlowest = 1.0 / 256

// What the cache gets of the memory: all but what else is in use, which is measured, and an eighth for the garbage between two
// collections. But it gets so much at least that the largest message waits for seconds only.
const (
	cacheGarbage = 1.0 / 8
	cacheOthers  = 64 << 20 // what else is in use, before it is measured
	cacheLeast   = 32 << 20
)

// cacheFade is what is left, a second later, of how much else was in use: a moment with less is no sign that it stays so.
const cacheFade = 0.9

// cacheLook is how often a message that waits looks again: what the server let go of meanwhile makes room.
const cacheLook = 50 * time.Millisecond

// cacheSlack is the time for which what was not used at the allowed rate can be used later: clocks wake up late.
const cacheSlack = 10 * time.Millisecond

// cacheSays is the time between two lines in the log about waits, cacheLong how long one is that is worth a line.
const (
	cacheSays = 10 * time.Minute
	cacheLong = 100 * time.Millisecond
)

// CacheBound keeps what a JetStream server in this process has in memory of the last messages within a number of bytes: where
// they come faster than that, each waits a moment before it is published. It is safe for concurrent use; a nil one bounds
// nothing.
type CacheBound struct {
	memory      float64       // bytes that this process may take
	inUse       func() uint64 // bytes that were in use at the last collection
	began       time.Time
	plain, bulk *pacer

	mu     sync.Mutex
	slots  [cacheSlots]float64 // bytes by the second
	slot   int64               // the present one, counted from the beginning
	held   float64             // in all slots
	seen   uint64              // what inUse said last
	others float64             // what else is in use
	room   float64             // what may be held
	waited time.Duration       // by all messages
	said   time.Time

	descHeld, descRoom, descWaited *prometheus.Desc
}

// pacer lets the messages of a class go one after the other.
type pacer struct {
	gate  chan struct{} // who holds it is next; the others wait in the order in which they came
	speed time.Duration

	credit float64 // bytes that may go now; below zero: what the last message took beyond that
	filled time.Time
}

// NewCacheBound bounds the cache so that the process keeps within memory bytes; inUse says what it had in use, the cache included,
// at the last collection of garbage.
func NewCacheBound(memory int64, inUse func() uint64) *CacheBound {
	now := time.Now()
	b := &CacheBound{
		memory: float64(memory), inUse: inUse, began: now,
		plain:      &pacer{gate: make(chan struct{}, 1), speed: plainSpeed, filled: now},
		bulk:       &pacer{gate: make(chan struct{}, 1), speed: bulkSpeed, filled: now},
		descHeld:   prometheus.NewDesc("sluice_stream_cache_bytes", "Bytes that the NATS server in this process keeps in memory of what was stored lately, about.", nil, nil),
		descRoom:   prometheus.NewDesc("sluice_stream_cache_max_bytes", "Bytes that it may keep, by the memory limit of this process; beyond them messages wait.", nil, nil),
		descWaited: prometheus.NewDesc("sluice_stream_cache_wait_seconds_total", "Time that messages have waited because of that limit.", nil, nil),
	}
	b.measure(0)
	return b
}

// await returns when a message of so many bytes may be published; the time that one attempt takes is left of ctx then. The
// error says that there was no turn until then, and nothing was stored.
func (b *CacheBound) await(ctx context.Context, bytes int, bulk bool, log *slog.Logger) error {
	if b == nil {
		return nil
	}
	if end, ends := ctx.Deadline(); ends {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-publishTry))
		defer cancel()
	}
	p, begin := b.plain, time.Now()
	if bulk {
		p = b.bulk
	}
	defer func() { b.tell(ctx, time.Since(begin), log) }()
	if err := p.enter(ctx); err != nil {
		return err
	}
	defer func() { <-p.gate }()
	for wait := b.spend(p, float64(bytes)); wait > 0; wait = b.spend(p, float64(bytes)) {
		select {
		case <-time.After(min(wait, cacheLook)):
		case <-ctx.Done():
			return tooSlow(ctx)
		}
	}
	return nil
}

// enter waits for the gate. Nobody is sent away from an open one, however little time is left.
func (p *pacer) enter(ctx context.Context) error {
	select {
	case p.gate <- struct{}{}:
		return nil
	default:
	}
	select {
	case p.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return tooSlow(ctx)
	}
}

func tooSlow(ctx context.Context) error {
	return fmt.Errorf("%w: the memory limit of this process (GOMEMLIMIT, or its container's) slows down what is stored: %w", ErrAway, ctx.Err())
}

// spend counts a message that goes now, or returns about how long it has to wait.
func (b *CacheBound) spend(p *pacer, bytes float64) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.forget(now)
	rate := max((b.room-b.held)/p.speed.Seconds(), b.room*cacheSlowest)
	p.credit = min(p.credit+rate*now.Sub(p.filled).Seconds(), rate*cacheSlack.Seconds())
	p.filled = now
	switch {
	case b.held+bytes <= b.room/cacheFree:
		p.credit = 0
	case p.credit < 0:
		return max(time.Duration(-p.credit/rate*float64(time.Second)), time.Microsecond)
	default:
		p.credit -= bytes
	}
	b.slots[b.slot%cacheSlots] += bytes
	b.held += bytes
	return 0
}

// unspend undoes spend: nothing was stored.
func (b *CacheBound) unspend(bytes int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(time.Now())
	slot := &b.slots[b.slot%cacheSlots]
	undone := min(float64(bytes), *slot) // what was counted in an earlier second goes with that
	*slot -= undone
	b.held -= undone
}

// forget leaves out what the server has let go of, and measures the room once in a slot.
func (b *CacheBound) forget(now time.Time) {
	at := int64(now.Sub(b.began) / cacheSlot) // by a clock that nobody sets
	if passed := at - b.slot; passed > 0 {
		defer b.measure(passed)
	}
	for range min(at-b.slot, cacheSlots) {
		b.slot++
		b.held -= b.slots[b.slot%cacheSlots]
		b.slots[b.slot%cacheSlots] = 0
	}
	b.slot = max(b.slot, at)
}

// measure decides how much may be held, so many slots after the last time. Only a new collection says anything about what is in
// use: what the last one found may be gone since.
func (b *CacheBound) measure(passed int64) {
	b.others = max(b.others*math.Pow(cacheFade, float64(passed)), cacheOthers)
	if now := b.inUse(); now != b.seen {
		b.seen = now
		b.others = max(b.others, float64(now)-b.held)
	}
	b.room = max(b.memory*(1-cacheGarbage)-b.others, cacheLeast)
}

// tell counts a wait, and logs a long one once in a while.
func (b *CacheBound) tell(ctx context.Context, waited time.Duration, log *slog.Logger) {
	b.mu.Lock()
	b.waited += waited
	room, says := b.room, waited >= cacheLong && time.Since(b.said) > cacheSays
	if says {
		b.said = time.Now()
	}
	b.mu.Unlock()
	if says {
		log.InfoContext(ctx, "events come faster than the memory of this process allows, so answers take longer; raise GOMEMLIMIT, or its container's limit, where that is not wanted",
			"cache_max_bytes", int64(room), "waited", waited)
	}
}

// unstored reports whether an attempt to publish left nothing new in the stream.
func unstored(receipt Receipt, err error) bool {
	if err == nil {
		return receipt.Duplicate
	}
	return errors.Is(err, ErrFull) || errors.Is(err, ErrExists) || errors.Is(err, ErrTooLarge) || errors.Is(err, ErrDenied)
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
	b.forget(time.Now())
	held, room, waited := b.held, b.room, b.waited
	b.mu.Unlock()
	out <- prometheus.MustNewConstMetric(b.descHeld, prometheus.GaugeValue, held)
	out <- prometheus.MustNewConstMetric(b.descRoom, prometheus.GaugeValue, room)
	out <- prometheus.MustNewConstMetric(b.descWaited, prometheus.CounterValue, waited.Seconds())
}
