package intake

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// board is where a receiver writes what it saw.
type board interface {
	Own(ctx context.Context, id, instance string) (endpoint.Status, error)
	Write(ctx context.Context, id, instance string, s endpoint.Status) error
	OwnMisses(ctx context.Context, instance string) (endpoint.Misses, error)
	WriteMisses(ctx context.Context, instance string, m endpoint.Misses) error
}

// Sightings collects what happens per endpoint and writes it to the board now and then. Losing a few seconds of it costs
// nobody an event.
type Sightings struct {
	board    board
	instance string
	log      *slog.Logger

	mu    sync.Mutex
	seen  map[string]*endpoint.Status
	dirty map[string]bool
	known map[string]bool // the earlier run's status was taken over

	misses       endpoint.Misses
	missesDirty  bool
	missesBefore bool // those of the earlier run were taken over
}

// How often changes are written: each second, as long as that takes a tenth of the time. With a thousand busy endpoints it would
// be a thousand writes a second, each with a sync of the disk; they are told of every few seconds then.
const (
	sightingsPeriod = time.Second
	sightingsSlow   = 10 * time.Second // at most, however long the writing takes
	sightingsShare  = 10
)

// pauseAfter is how long to wait after a round of writes that took so long. One that failed says nothing of what they take.
func pauseAfter(took time.Duration, failed bool) time.Duration {
	if failed {
		return sightingsPeriod
	}
	return max(sightingsPeriod, min(took*(sightingsShare-1), sightingsSlow))
}

// NewSightings returns a collector for the receiver named instance.
func NewSightings(b board, instance string, log *slog.Logger) *Sightings {
	return &Sightings{board: b, instance: instance, log: log, seen: map[string]*endpoint.Status{}, dirty: map[string]bool{}, known: map[string]bool{}}
}

func (s *Sightings) of(id string) *endpoint.Status {
	if s.seen[id] == nil {
		s.seen[id] = &endpoint.Status{}
	}
	s.dirty[id] = true
	return s.seen[id]
}

// accepted notes a delivery and the token it came with.
func (s *Sightings) accepted(id, token, delivery string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.of(id)
	st.LastDelivery, st.LastDeliveryID = now, delivery
	st.Deliveries++
	if st.TokenUsed == nil {
		st.TokenUsed = map[string]time.Time{}
	}
	st.TokenUsed[token] = now
}

// refused notes a request that was not accepted.
func (s *Sightings) refused(id string, r endpoint.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(id).AddRefusal(r)
}

// missed notes a request that found no endpoint.
func (s *Sightings) missed(m endpoint.Miss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.misses.Add(m)
	s.missesDirty = true
}

// Run writes until ctx ends, and once more then.
func (s *Sightings) Run(ctx context.Context) error {
	next := time.NewTimer(sightingsPeriod)
	defer next.Stop()
	for {
		select {
		case begin := <-next.C:
			failed := s.flush(ctx) != nil
			next.Reset(pauseAfter(time.Since(begin), failed))
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			_ = s.flush(last) // it has said so
			return nil
		}
	}
}

// flush writes what has changed; the error is that of what could not be written, and is tried again.
func (s *Sightings) flush(ctx context.Context) error {
	failed := s.writeMisses(ctx)
	if err := failed; err != nil {
		s.log.DebugContext(ctx, "writing requests to unknown endpoints", "error", err)
	}
	changed := s.changed()
	for id := range changed {
		if err := s.write(ctx, id); err != nil {
			s.log.DebugContext(ctx, "writing the endpoint's status", "endpoint", id, "error", err)
			s.mu.Lock()
			maps.Copy(s.dirty, changed) // the stream is away; the next round tries again
			s.mu.Unlock()
			return err
		}
		delete(changed, id)
	}
	return failed
}

func (s *Sightings) changed() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.dirty
	s.dirty = map[string]bool{}
	return changed
}

func (s *Sightings) write(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if !s.known[id] {
		before, err := s.board.Own(ctx, id, s.instance)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.seen[id].Continue(before)
		s.mu.Unlock()
		s.known[id] = true
	}
	s.mu.Lock()
	copied := s.seen[id].Clone()
	s.mu.Unlock()
	return s.board.Write(ctx, id, s.instance, copied)
}

// writeMisses writes what found no endpoint, if there is anything new.
func (s *Sightings) writeMisses(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s.mu.Lock()
	dirty := s.missesDirty
	s.mu.Unlock()
	if !dirty {
		return nil
	}
	if !s.missesBefore {
		before, err := s.board.OwnMisses(ctx, s.instance)
		if err != nil {
			return err
		}
		s.mu.Lock()
		since := s.misses
		s.misses = before
		for _, m := range since {
			s.misses.Add(m)
		}
		s.mu.Unlock()
		s.missesBefore = true
	}
	s.mu.Lock()
	copied := slices.Clone(s.misses)
	s.missesDirty = false
	s.mu.Unlock()
	err := s.board.WriteMisses(ctx, s.instance, copied)
	if err != nil {
		s.mu.Lock()
		s.missesDirty = true // the stream is away; the next round tries again
		s.mu.Unlock()
	}
	return err
}
