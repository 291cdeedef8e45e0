package simulator

import (
	"slices"
	"strings"
	"time"
)

// FromSlice returns a source of the events in their order.
func FromSlice(events []Event) func() (Event, bool) {
	return func() (Event, bool) {
		if len(events) == 0 {
			return Event{}, false
		}
		next := events[0]
		events = events[1:]
		return next, true
	}
}

// Take returns a source of a tenant's next n events; a negative n never ends.
func Take(t *Tenant, n int) func() (Event, bool) {
	return func() (Event, bool) {
		if n == 0 {
			return Event{}, false
		}
		if n > 0 {
			n--
		}
		return t.Next(), true
	}
}

// Replay returns a source of what a log stream sends again that is created
// with a starting cursor: the same events, with the same log_ids, in the order
// of their log_ids, from the cursor on.
func Replay(events []Event, cursor time.Time) func() (Event, bool) {
	again := slices.Clone(events)
	again = slices.DeleteFunc(again, func(e Event) bool { return e.Time.Before(cursor) })
	slices.SortStableFunc(again, func(a, b Event) int { return strings.Compare(a.LogID, b.LogID) })
	return FromSlice(again)
}
