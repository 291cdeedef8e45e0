package period_test

import (
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/period"
)

func TestAnEventLiesInTheSpanOfItsPeriod(t *testing.T) {
	rng := dice(t)
	for range 5000 {
		at := time.Unix(rng.Int64N(4_000_000_000), rng.Int64N(1e9)).UTC()
		for _, unit := range units {
			name := period.Calendar{{Unit: unit}}.Name(at)
			start, end, ok := period.Span(name)
			if !ok || at.Before(start) || !at.Before(end) || end.Sub(start) > 31*24*time.Hour {
				t.Fatalf("%v in %s: %v to %v, %v", at, name, start, end, ok)
			}
			for _, moment := range []time.Time{start, end.Add(-1)} {
				if (period.Calendar{{Unit: unit}}).Name(moment) != name {
					t.Fatalf("%v is not in %s", moment, name)
				}
			}
		}
	}
}

func TestOnlyNamesOfPeriodsHaveASpan(t *testing.T) {
	for _, name := range []string{
		period.Undated, "", "2026", "2026.13", "2026.02.30", "2026.2.3", "2026.02.03.4", "2026.02.03.24", "2026.02.03.04.05", "2026.w1", "2026.w00",
		"2026.w54", "2025.w53", "2026.w01x", "2026.w01.01", "-026.w01", "0000.01.01", "2026.02.03-restored", " 2026.02.03", "2026.02.03,5", "2026.1",
	} {
		if start, end, ok := period.Span(name); ok {
			t.Errorf("%q is %v to %v", name, start, end)
		}
		if _, due := period.Due(name, time.Hour); due || period.Expired(name, time.Hour, time.Now()) {
			t.Errorf("%q is due some time", name)
		}
	}
}

// The promise of retention: as long as one event of an index is inside it, the index is neither due nor expired, with
// clocks that are wrong by up to a day.
func TestAnIndexIsNeverDueWhileAnEventInItIsInsideTheRetention(t *testing.T) {
	rng := dice(t)
	due, expired := 0, 0
	for range 20_000 {
		event := time.Unix(rng.Int64N(4_000_000_000), 0).UTC()
		name := period.Calendar{{Unit: units[rng.IntN(4)]}}.Name(event)
		retention := within(rng, time.Hour, 400*24*time.Hour)
		now := event.Add(retention).Add(within(rng, -40*24*time.Hour, 40*24*time.Hour))
		wrong := within(rng, -period.Margin, period.Margin)
		inside := event.After(now.Add(-retention))
		at, ok := period.Due(name, retention)
		if !ok {
			t.Fatalf("%s is never due", name)
		}
		if !now.Add(wrong).Before(at) {
			due++
			if inside {
				t.Fatalf("at %v, read %v from the real time, %s is due although its event of %v is inside %v", now, wrong, name, event, retention)
			}
		}
		if period.Expired(name, retention, now) {
			expired++
			if inside {
				t.Fatalf("at %v %s is expired although its event of %v is inside %v", now, name, event, retention)
			}
		}
	}
	if due == 0 || expired == 0 {
		t.Fatalf("%d due and %d expired: this test cannot fail", due, expired)
	}
	if _, ok := period.Due("2001.01.01", 0); ok || period.Expired("2001.01.01", 0, time.Now()) {
		t.Error("without a retention something is due")
	}
}
