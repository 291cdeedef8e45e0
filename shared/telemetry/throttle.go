package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Throttle turns a storm of equal log lines into one line a period, with how many there were and since when, and one line
// when it is over, so that a long outage stays readable. It is safe for concurrent use.
type Throttle struct {
	log    *slog.Logger
	period time.Duration
	quiet  time.Duration // without a further one, a storm is over
	mu     sync.Mutex
	seen   map[string]*burst
}

// burst is what happened of one kind since it was last quiet.
type burst struct {
	first, last time.Time // of all
	written     time.Time // of the last line
	held        int       // since then
	times       int
	over        *time.Timer
}

const (
	// maxKinds bounds the memory of a Throttle; more kinds of message than this are simply written.
	maxKinds = 256
	// leastQuiet is longer than any of our retries waits.
	leastQuiet = 30 * time.Second
	// storm is how many make one, whose end is worth a line.
	storm = 3
)

// NewThrottle writes each kind of message at most once a period.
func NewThrottle(log *slog.Logger, period time.Duration) *Throttle {
	return &Throttle{log: log, period: period, quiet: max(3*period, leastQuiet), seen: map[string]*burst{}}
}

// Log writes message unless the same kind was written less than a period ago; then it only counts.
func (t *Throttle) Log(ctx context.Context, level slog.Level, kind, message string, attrs ...slog.Attr) {
	b, write := t.admit(ctx, kind, message, time.Now())
	if !write {
		return
	}
	if b.held > 0 {
		attrs = append(attrs, slog.Int("held_back", b.held), slog.Int("times", b.times), slog.Time("since", b.first))
	}
	t.log.LogAttrs(ctx, level, message, attrs...) //nolint:sloglint // the caller's message is a constant
}

// admit decides whether a line of this kind is due, and what was held back before it.
func (t *Throttle) admit(ctx context.Context, kind, message string, now time.Time) (before burst, write bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.seen[kind]
	if b == nil {
		if len(t.seen) < maxKinds {
			b = &burst{first: now, last: now, written: now, times: 1}
			t.seen[kind] = b
			b.over = time.AfterFunc(t.quiet, func() { t.end(context.WithoutCancel(ctx), kind, message) })
		}
		return burst{}, true
	}
	b.last = now
	b.times++
	if now.Sub(b.written) < t.period {
		b.held++
		return burst{}, false
	}
	before = *b
	b.held, b.written = 0, now
	return before, true
}

// end looks whether a kind has been quiet for long enough, and says so where it was a storm.
func (t *Throttle) end(ctx context.Context, kind, message string) {
	t.mu.Lock()
	b := t.seen[kind]
	if b == nil {
		t.mu.Unlock()
		return
	}
	if left := t.quiet - time.Since(b.last); left > 0 {
		b.over.Reset(left)
		t.mu.Unlock()
		return
	}
	delete(t.seen, kind)
	t.mu.Unlock()
	if b.times >= storm {
		t.log.LogAttrs(ctx, slog.LevelInfo, "has not happened again", slog.String("what", message), slog.String("kind", kind),
			slog.Int("times", b.times), slog.Time("since", b.first), slog.Time("until", b.last))
	}
}
