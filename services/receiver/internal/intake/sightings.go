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
	dirty map[string]bool      // endpoints of which something is not written yet; true: a refusal, for which somebody may be waiting
	known map[string]bool      // the earlier run's status was taken over
	tried map[string]time.Time // when it was last written, or could not be

	misses       endpoint.Misses
	missesDirty  bool
	missesBefore bool // those of the earlier run were taken over
}

// Each second a tenth of it goes into writing what has changed, the most urgent first. With a thousand busy endpoints all of it
// would be a thousand writes a second, each with a sync of the disk; they are told of every few seconds then.
const (
	sightingsPeriod = time.Second
	sightingsTime   = sightingsPeriod / 10
	headStart       = 5 * time.Second // of a refusal: whoever sets an endpoint up waits for it; those who are refused for ever stand before nobody for ever
)

// NewSightings returns a collector for the receiver named instance.
func NewSightings(b board, instance string, log *slog.Logger) *Sightings {
	return &Sightings{board: b, instance: instance, log: log, seen: map[string]*endpoint.Status{}, dirty: map[string]bool{}, known: map[string]bool{}, tried: map[string]time.Time{}}
}

func (s *Sightings) of(id string) *endpoint.Status {
	if s.seen[id] == nil {
		s.seen[id] = &endpoint.Status{}
	}
	if _, waits := s.dirty[id]; !waits {
		s.dirty[id] = false
	}
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
	s.dirty[id] = true
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
	tick := time.NewTicker(sightingsPeriod)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx, time.Now().Add(sightingsTime))
		case <-ctx.Done():
			end := time.Now().Add(2 * time.Second)
			last, cancel := context.WithDeadline(context.WithoutCancel(ctx), end)
			defer cancel()
			s.flush(last, end)
			return nil
		}
	}
}

// flush writes what has changed, one endpoint after the other until the time is up.
func (s *Sightings) flush(ctx context.Context, until time.Time) {
	if err := s.writeMisses(ctx); err != nil {
		s.log.DebugContext(ctx, "writing requests to unknown endpoints", "error", err)
	}
	for i, id := range s.changed() {
		if i > 0 && time.Now().After(until) {
			return
		}
		s.mu.Lock()
		urgent := s.dirty[id]
		delete(s.dirty, id)
		s.mu.Unlock()
		if err := s.write(ctx, id); err != nil {
			s.log.DebugContext(ctx, "writing the endpoint's status", "endpoint", id, "error", err)
			s.mu.Lock()
			s.dirty[id] = s.dirty[id] || urgent // the stream is away; the next round tries again
			s.mu.Unlock()
			return
		}
	}
}

// changed are the endpoints of which something is to be written, those that were not written of yet first, and then as long as
// they have been waiting.
func (s *Sightings) changed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.dirty), func(a, b string) int { return s.since(a).Compare(s.since(b)) })
}

// since is since when an endpoint has been waiting, earlier by a head start where there was a refusal; mu is held.
func (s *Sightings) since(id string) time.Time {
	if s.dirty[id] {
		return s.tried[id].Add(-headStart)
	}
	return s.tried[id]
}

func (s *Sightings) write(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s.tried[id] = time.Now() // so that one that fails does not stand before all others
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
