package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Throttle turns a storm of equal log lines into one line a period with a count, so that a long outage stays readable.
// It is safe for concurrent use.
type Throttle struct {
	log    *slog.Logger
	period time.Duration
	mu     sync.Mutex
	seen   map[string]*burst
}

// burst counts the lines held back since the last one that was written.
type burst struct {
	last time.Time
	held int
}

// maxKinds bounds the memory of a Throttle; more kinds of message than this are simply written.
const maxKinds = 256

// NewThrottle writes each kind of message at most once a period.
func NewThrottle(log *slog.Logger, period time.Duration) *Throttle {
	return &Throttle{log: log, period: period, seen: map[string]*burst{}}
}

// Log writes message unless the same kind was written less than a period ago; then it only counts.
func (t *Throttle) Log(ctx context.Context, level slog.Level, kind, message string, attrs ...slog.Attr) {
	held, write := t.admit(kind, time.Now())
	if !write {
		return
	}
	if held > 0 {
		attrs = append(attrs, slog.Int("held_back", held))
	}
	t.log.LogAttrs(ctx, level, message, attrs...) //nolint:sloglint // the caller's message is a constant
}

// admit decides whether a line of this kind is due and how many were held back before it.
func (t *Throttle) admit(kind string, now time.Time) (held int, write bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.seen[kind]
	if b == nil {
		if len(t.seen) < maxKinds {
			t.seen[kind] = &burst{last: now}
		}
		return 0, true
	}
	if now.Sub(b.last) < t.period {
		b.held++
		return 0, false
	}
	held, b.held, b.last = b.held, 0, now
	return held, true
}
