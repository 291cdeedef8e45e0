package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// slate is a board that remembers what was written, and fails where it is told to.
type slate struct {
	ids  []string
	took time.Duration
	away bool
}

func (*slate) Own(context.Context, string, string) (endpoint.Status, error) {
	return endpoint.Status{}, nil
}

func (b *slate) Write(_ context.Context, id, _ string, _ endpoint.Status) error {
	if b.away {
		return errors.New("away")
	}
	<-time.After(b.took) // a write that takes time is what this is about
	b.ids = append(b.ids, id)
	return nil
}

func (*slate) OwnMisses(context.Context, string) (endpoint.Misses, error) { return nil, nil }

func (*slate) WriteMisses(context.Context, string, endpoint.Misses) error { return nil }

// With more to write than there is time for, refusals and who was not written of yet come first, then who has waited longest;
// everybody comes to it.
func TestTheMostUrgentIsWrittenFirstAndTheRestLater(t *testing.T) {
	b := &slate{took: 2 * time.Millisecond}
	s := NewSightings(b, "receiver", slog.New(slog.DiscardHandler))
	busy := func() {
		for i := range 50 {
			s.accepted(fmt.Sprintf("busy%02d", i), "token", "delivery", time.Now())
		}
	}
	round := func() []string {
		b.ids = nil
		s.flush(t.Context(), time.Now().Add(20*time.Millisecond))
		return b.ids
	}
	busy()
	told := map[string]bool{}
	for rounds := 1; len(told) < 50; rounds++ {
		ids := round()
		if len(ids) == 0 || len(ids) == 50 {
			t.Fatalf("round %d wrote of %d endpoints", rounds, len(ids))
		}
		for _, id := range ids {
			if told[id] && len(told) < 50 {
				t.Errorf("%s was written of twice before all others were", id)
			}
			told[id] = true
		}
		busy()
	}
	s.accepted("new", "token", "delivery", time.Now())
	s.refused("busy49", endpoint.Refusal{Time: time.Now()})
	s.accepted("busy49", "token", "delivery", time.Now()) // a refusal stays urgent
	ids := round()
	for len(ids) < 2 { // a machine may stand still for longer than a round
		ids = append(ids, round()...)
	}
	if slices.Sort(ids[:2]); !slices.Equal(ids[:2], []string{"busy49", "new"}) {
		t.Errorf("written first: %v", ids)
	}
}

// Endpoints that are refused again and again do not keep the others from being written of.
func TestRefusalsWithoutEndStandBeforeNobodyForEver(t *testing.T) {
	b := &slate{took: time.Millisecond}
	s := NewSightings(b, "receiver", slog.New(slog.DiscardHandler))
	s.accepted("quiet", "token", "delivery", time.Now())
	for i := range 50 {
		s.refused(fmt.Sprintf("refused%02d", i), endpoint.Refusal{Time: time.Now()})
	}
	for id := range s.dirty { // as if all were written of a while ago, the quiet one before the others
		s.tried[id] = time.Now()
	}
	s.tried["quiet"] = time.Now().Add(-2 * headStart)
	s.flush(t.Context(), time.Now())
	if !slices.Equal(b.ids, []string{"quiet"}) {
		t.Errorf("written first: %v", b.ids)
	}
}

// What could not be written is written later.
func TestWhatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	b := &slate{away: true}
	s := NewSightings(b, "receiver", slog.New(slog.DiscardHandler))
	s.refused("a", endpoint.Refusal{Time: time.Now()})
	s.flush(t.Context(), time.Now().Add(time.Minute))
	b.away = false
	s.flush(t.Context(), time.Now().Add(time.Minute))
	if !slices.Equal(b.ids, []string{"a"}) {
		t.Errorf("written of %v", b.ids)
	}
	if s.flush(t.Context(), time.Now().Add(time.Minute)); len(b.ids) != 1 {
		t.Error("what had not changed was written again")
	}
}
