package period_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/period"
)

var units = []period.Unit{period.Hour, period.Day, period.Week, period.Month}

// dice are the chances of a test, by a seed that it prints.
func dice(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

func within(rng *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(rng.Int64N(int64(most-least)))
}

// history is a calendar with its past: who was told what, and when.
type history []struct {
	at       time.Time
	calendar period.Calendar
}

// known is what an enricher acts on that is told of changes late.
func (h history) known(at time.Time, late time.Duration) period.Calendar {
	calendar := h[0].calendar
	for _, version := range h {
		if !version.at.Add(late).After(at) {
			calendar = version.calendar
		}
	}
	return calendar
}

// An event may be stored at any moment from a day before its own time on, by enrichers whose clocks are wrong and that
// hear late of a rule. Whatever the calendar went through, all of them must name the same index.
func TestAnEventNeverChangesItsIndexWhateverTheCalendarGoesThrough(t *testing.T) {
	const wrong, late = 30 * time.Minute, 12 * time.Hour
	rng := dice(t)
	for range 300 {
		begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(within(rng, 0, 365*24*time.Hour))
		h := history{{begin, period.Calendar{{Unit: units[rng.IntN(4)]}}}}
		at := begin
		for range 6 {
			at = at.Add(within(rng, 0, 20*24*time.Hour))
			own := at.Add(within(rng, -wrong, wrong)) // the clock of whoever changes it
			rule := period.Rule{Unit: units[rng.IntN(4)], From: own.Add(within(rng, -48*time.Hour, 200*24*time.Hour))}
			if changed, err := h[len(h)-1].calendar.With(rule, own); err == nil {
				h = append(h, struct {
					at       time.Time
					calendar period.Calendar
				}{at, changed})
				if err := changed.Check(); err != nil {
					t.Fatalf("%v: %v", changed, err)
				}
			} else if rule.From.After(own.Add(period.Notice)) && !strings.Contains(err.Error(), "begin after") {
				t.Fatalf("%v from %v at %v: %v", rule.Unit, rule.From, own, err)
			}
		}
		for range 300 {
			event := begin.Add(within(rng, -60*24*time.Hour, 400*24*time.Hour))
			first := event.Add(-period.Horizon - wrong) // the earliest moment at which somebody takes it
			if first.Before(begin) {
				first = begin
			}
			want := ""
			for range 8 {
				now := first.Add(within(rng, 0, 120*24*time.Hour) * time.Duration(rng.IntN(2)))
				name := h.known(now, within(rng, 0, late)).Name(event)
				if want == "" {
					want = name
				}
				if name != want {
					t.Fatalf("the event of %v went to %s and, at %v, to %s: %+v", event, want, now, name, h)
				}
			}
		}
	}
}

func TestARuleThatEventsMayHaveMetStaysAsItIs(t *testing.T) {
	now := time.Date(2026, 11, 25, 16, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return time.Date(2026, 11, 25+n, 0, 0, 0, 0, time.UTC) }
	old := period.Calendar{{Unit: period.Day}, {From: day(-30), Unit: period.Week}}
	for name, c := range map[string]struct {
		from time.Time
		unit period.Unit
	}{
		"in the past":        {day(-1), period.Month},
		"now":                {now, period.Month},
		"tomorrow":           {now.Add(25 * time.Hour), period.Month},
		"of no known length": {day(10), "year"},
	} {
		if changed, err := old.With(period.Rule{From: c.from, Unit: c.unit}, now); err == nil {
			t.Errorf("a rule %s: %v", name, changed)
		}
	}
	changed, err := old.With(period.Rule{From: period.Earliest(now), Unit: period.Month}, now)
	if err != nil || len(changed) != 3 || !changed.Last().From.Equal(day(3)) {
		t.Fatalf("%v, %v", changed, err)
	}
	again, err := changed.With(period.Rule{From: day(9), Unit: period.Hour}, now)
	if err != nil || len(again) != 3 || again.Last().Unit != period.Hour {
		t.Fatalf("a rule that is still to come is replaced: %v, %v", again, err)
	}
	back, err := changed.With(period.Rule{From: day(9), Unit: period.Week}, now)
	if err != nil || len(back) != 2 {
		t.Fatalf("a rule that is still to come is taken back: %v, %v", back, err)
	}
	later, err := changed.With(period.Rule{From: day(9), Unit: period.Hour}, now.Add(24*time.Hour))
	if err != nil || len(later) != 4 || later[2] != changed[2] {
		t.Fatalf("a rule that events may have met: %v, %v", later, err)
	}
	if err := (period.Calendar{{Unit: period.Day}, {From: day(2), Unit: period.Week}, {From: day(1), Unit: period.Day}}).Check(); err == nil {
		t.Error("rules out of order are taken")
	}
}

// Weeks and months that begin under one rule and end under another keep their own names, so nothing meets by chance.
func TestPeriodsThatStraddleAChangeHoldOnlyTheirOwnSide(t *testing.T) {
	rng := dice(t)
	for range 500 {
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(within(rng, 0, 400*24*time.Hour))
		before, after := units[rng.IntN(4)], units[rng.IntN(4)]
		if before == after {
			continue
		}
		c := period.Calendar{{Unit: before}, {From: from, Unit: after}}
		for range 50 {
			at := from.Add(within(rng, -40*24*time.Hour, 40*24*time.Hour))
			name, unit := c.Name(at), before
			if !at.Before(from) {
				unit = after
			}
			start, end, ok := period.Span(name)
			if !ok || at.Before(start) || !at.Before(end) || name != (period.Calendar{{Unit: unit}}).Name(at) {
				t.Fatalf("%v with %v lies in %s, which is %v to %v", at, c, name, start, end)
			}
		}
		if c.Name(from) == c.Name(from.Add(-1)) {
			t.Fatalf("both sides of %v share %s", from, c.Name(from))
		}
	}
}
