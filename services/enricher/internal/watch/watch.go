// Package watch looks after the endpoints and the dead letters: in one process at a time it learns how often deliveries
// usually come, notices silence and failure, and reports both as metrics.
//
// It sees what all receivers wrote down, and runs beside none of them, so that it notices when none of them works.
package watch

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// turn decides which process acts.
type turn interface {
	Take(ctx context.Context, now time.Time) (bool, error)
	Release(ctx context.Context)
}

// directory knows the endpoints.
type directory interface {
	Endpoints() []*endpoint.Endpoint
}

// ledger says what became of the events.
type ledger interface {
	Ledger(ctx context.Context) (stream.Ledger, error)
}

// Parts are what a Watch works with.
type Parts struct {
	Turn      turn
	Directory directory
	Board     *endpoint.Board
	Letters   *deadletter.Box
	Ledger    ledger
	Log       *slog.Logger
}

// Watch is one process's part in it.
type Watch struct {
	p     Parts
	alarm *telemetry.Throttle

	mu     sync.Mutex
	acts   bool
	health map[string]endpoint.Health // by endpoint, while it acts
	heap   *deadletter.Heap           // nil: not known
	books  *stream.Ledger             // nil: not known
	audit  stream.Audit               // of this process's time in office
	diff   map[string]uint64          // what it found, by endpoint
}

// New returns a watch; Run does its work.
func New(p Parts) *Watch { return &Watch{p: p, alarm: telemetry.NewThrottle(p.Log, time.Minute)} }

// Run looks until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(stream.TurnPeriod)
	defer tick.Stop()
	for {
		w.Look(ctx, time.Now())
		select {
		case <-ctx.Done():
			w.p.Turn.Release(ctx)
			return nil
		case <-tick.C:
		}
	}
}

// Look does one round as of now, unless another process has the turn. What cannot be read stays as it was seen last.
func (w *Watch) Look(ctx context.Context, now time.Time) {
	limit, cancel := context.WithTimeout(ctx, 2*stream.TurnPeriod)
	defer cancel()
	mine, err := w.p.Turn.Take(limit, now)
	if err == nil && mine {
		err = w.look(limit, now)
	}
	w.mu.Lock()
	if w.acts = mine && err == nil; !w.acts {
		w.heap, w.books, w.diff, w.audit = nil, nil, nil, stream.Audit{}
	}
	if !mine && err == nil {
		w.health = nil // another process tells
	}
	w.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		w.alarm.Log(ctx, slog.LevelWarn, "look", "looking after the endpoints", slog.String("error", err.Error()))
	}
}

func (w *Watch) look(ctx context.Context, now time.Time) error {
	heap, err := w.p.Letters.Heap(ctx)
	if err != nil {
		return err
	}
	books, booksErr := w.p.Ledger.Ledger(ctx)
	if booksErr != nil { // a ledger that this build cannot read must not hide that an endpoint is silent
		w.alarm.Log(ctx, slog.LevelWarn, "ledger", "the ledger cannot be read", slog.String("error", booksErr.Error()))
	}
	sights, err := w.p.Board.ReadAll(ctx)
	if sights == nil && err != nil {
		return err
	}
	if err != nil {
		w.alarm.Log(ctx, slog.LevelWarn, "board", "a part of what the receivers saw cannot be read", slog.String("error", err.Error()))
	}
	health := map[string]endpoint.Health{}
	for _, e := range w.p.Directory.Endpoints() {
		sight := sights[e.ID]
		h := endpoint.Judge(e, sight, now)
		if h.State != endpoint.Failing && h.State != endpoint.Revoked && sight.Usual.Learn(h.LastDelivery, now) {
			if err := w.p.Board.WriteUsual(ctx, e.ID, &sight.Usual); err != nil {
				return err
			}
		}
		health[e.ID] = h
	}
	w.mu.Lock()
	before, acted := w.health, w.acts
	w.health, w.heap, w.books, w.diff = health, &heap, nil, nil
	if booksErr == nil {
		w.books, w.diff = &books, w.audit.Compare(books)
	}
	w.mu.Unlock()
	if acted {
		w.tell(ctx, before, health)
	}
	return nil
}

// tell writes one line where an endpoint has become silent, and one where it is heard again. Failing ones are told by the
// receivers.
func (w *Watch) tell(ctx context.Context, before, after map[string]endpoint.Health) {
	for id, h := range after {
		was, known := before[id]
		switch {
		case !known || was.State == h.State:
		case h.State == endpoint.Silent:
			w.p.Log.LogAttrs(ctx, slog.LevelWarn, "an endpoint is silent: deliveries usually come more often than that; see the log stream's Health view in Auth0",
				slog.String("endpoint", id), slog.Time("last_delivery", h.LastDelivery), slog.Duration("usual_interval", h.Usual), slog.Time("starting_cursor", h.Cursor))
		case was.State == endpoint.Silent && h.State == endpoint.Active:
			w.p.Log.LogAttrs(ctx, slog.LevelInfo, "a silent endpoint is heard again", slog.String("endpoint", id), slog.Duration("silent_for", h.LastDelivery.Sub(was.LastDelivery)))
		}
	}
}
