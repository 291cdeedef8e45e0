package period

import (
	"errors"
	"fmt"
	"time"
)

// Calendar is the list of rules of a namespace, oldest first; the first one holds for all earlier events too.
type Calendar []Rule

// Daily is the calendar of a namespace that was never told otherwise.
func Daily() Calendar { return Calendar{{Unit: Day}} }

// Horizon is how far the time of an event may lie ahead of the clock. What lies further ahead is set aside.
const Horizon = 24 * time.Hour

// Notice is how long before its first event a rule must be known. An event from the next day (Horizon) may have been
// stored a moment ago, under the rules of that moment; stored again under another rule it would be there twice. The second
// day is for clocks that are wrong by minutes, for enrichers that hear of the rule late, and for one that was frozen or cut
// off with events in its hands.
const Notice = Horizon + 24*time.Hour

// Why a rule is refused.
var (
	errTooSoon = errors.New("it would move events that may be stored already, and each of them would be there twice when it comes again")
	errOrder   = errors.New("a rule must begin after the one before it")
)

// Unit returns what one index holds at time t.
func (c Calendar) Unit(t time.Time) Unit {
	unit := Day
	for i, rule := range c {
		if i == 0 || !t.Before(rule.From) {
			unit = rule.Unit
		}
	}
	return unit
}

// Name returns the period of an event of time t; a zero time is undated.
func (c Calendar) Name(t time.Time) string {
	if t.IsZero() {
		return Undated
	}
	return c.Unit(t).name(t.UTC())
}

// Last is the rule that holds in the end.
func (c Calendar) Last() Rule {
	if len(c) == 0 {
		return Daily()[0]
	}
	return c[len(c)-1]
}

// Check refuses a calendar that no command writes: an unknown unit, or rules out of order.
func (c Calendar) Check() error {
	for i, rule := range c {
		if _, err := ParseUnit(string(rule.Unit)); err != nil {
			return err
		}
		if i > 0 && !rule.From.After(c[i-1].From) {
			return fmt.Errorf("period %s from %s: %w", rule.Unit, rule.From.Format(time.RFC3339), errOrder)
		}
	}
	return nil
}

// Earliest is when a rule that is written at now may begin, unless somebody wants it later: a midnight, so that no day
// has indices of two kinds.
func Earliest(now time.Time) time.Time {
	first := now.UTC().Add(Notice)
	midnight := first.Truncate(24 * time.Hour)
	if midnight.Before(first) {
		midnight = midnight.AddDate(0, 0, 1)
	}
	return midnight
}

// With returns the calendar with one more rule. A rule that no event can have met yet is replaced; every other one stays
// as it is for ever, because events are stored under it.
func (c Calendar) With(r Rule, now time.Time) (Calendar, error) {
	if _, err := ParseUnit(string(r.Unit)); err != nil {
		return nil, err
	}
	r.From = r.From.UTC()
	if first := now.Add(Notice); r.From.Before(first) {
		return nil, fmt.Errorf("period %s from %s: %w; the earliest time is now %s", r.Unit, r.From.Format(time.RFC3339), errTooSoon, Earliest(now).Format(time.RFC3339))
	}
	kept := c.Settled(now)
	if len(kept) == 0 {
		kept = Daily()
	}
	if r.Unit == kept.Last().Unit {
		return kept, nil // what was to come is taken back
	}
	if !r.From.After(kept.Last().From) {
		return nil, fmt.Errorf("period %s from %s: %w, and there is one from %s", r.Unit, r.From.Format(time.RFC3339), errOrder, kept.Last().From.Format(time.RFC3339))
	}
	return append(kept, r), nil
}

// Settled are the rules that events may have met by now, and that nobody may change any more.
func (c Calendar) Settled(now time.Time) Calendar {
	var kept Calendar
	for i, rule := range c {
		if i == 0 || rule.From.Before(now.Add(Notice)) {
			kept = append(kept, rule)
		}
	}
	return kept
}
