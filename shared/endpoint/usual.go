package endpoint

import (
	"math"
	"time"
)

// Slot is the time in which an endpoint had a delivery or had none: how many there were makes no difference, so a burst
// counts as little as a single one.
const Slot = 5 * time.Minute

const (
	hoursOfWeek = 7 * 24
	// fade is how much of what an hour of the week looked like is left when it comes round again.
	fade = 0.7
	// enoughSlots is how many slots must have been seen before an hour, or the whole, says anything.
	enoughSlots = 12
	// strange is how much less an hour counts in which this endpoint was never watched: it may be its first night.
	strange = 0.05
	// certain bounds how sure anybody can be of a delivery in a slot.
	certain = 0.95
	// lookBack bounds how far back silence is added up, in slots: two weeks.
	lookBack = 2 * hoursOfWeek * int64(time.Hour/Slot)
)

// Usual is how the deliveries of an endpoint are spread over the week, hour by hour in UTC, with the past fading. The
// zero value has seen nothing. Its size is bounded.
type Usual struct {
	Seen    []float64 `json:"seen,omitempty"`   // slots that were watched, by hour of the week
	Active  []float64 `json:"active,omitempty"` // those in which a delivery was accepted
	Slot    time.Time `json:"slot,omitzero"`    // end of the last slot that was counted
	Watched time.Time `json:"watched,omitzero"` // end of the last slot that somebody looked at
}

// hourOfWeek counts from Sunday midnight, UTC.
func hourOfWeek(at time.Time) int { return int(at.UTC().Weekday())*24 + at.UTC().Hour() }

// Learn counts the slots up to that of the last delivery, and reports whether there is anything new to be stored. Slots
// without a delivery count only when the next delivery has come: else an outage would soon be what is usual. Those that
// nobody watched count as nothing.
func (u *Usual) Learn(last, now time.Time) (changed bool) {
	end := now.UTC().Truncate(Slot)
	if len(u.Seen) != hoursOfWeek || len(u.Active) != hoursOfWeek {
		*u = Usual{Seen: make([]float64, hoursOfWeek), Active: make([]float64, hoursOfWeek), Slot: end, Watched: end}
		return true
	}
	if changed = end.After(u.Watched); !changed {
		return false
	}
	if oldest := end.Add(-time.Duration(lookBack) * Slot); u.Slot.Before(oldest) {
		u.Slot = oldest
	}
	for at := u.Slot; at.Before(end) && !at.After(last); at = at.Add(Slot) {
		u.count(at, last, end)
	}
	u.Watched = end
	return true
}

// count counts one slot. Of the one that is just over nobody knows whether the last delivery before this one fell into it;
// it counts as active, which is wrong only for a delivery within seconds.
func (u *Usual) count(at, last, end time.Time) {
	h, over := hourOfWeek(at), at.Add(Slot)
	if at.Truncate(time.Hour).Equal(at) { // the hour comes round again
		u.Seen[h] *= fade
		u.Active[h] *= fade
	}
	switch {
	case !over.After(u.Watched):
		u.Seen[h]++
	case last.Before(over), over.Equal(end):
		u.Seen[h]++
		u.Active[h]++
	}
	u.Slot = over
}

// chance is how likely a delivery is in a slot of the hour of the week that at lies in; known is false where that is a
// guess from other hours.
func (u *Usual) chance(at time.Time) (p float64, known bool) {
	if len(u.Seen) != hoursOfWeek || len(u.Active) != hoursOfWeek {
		return 0, false
	}
	h := hourOfWeek(at)
	seen, active := u.Seen[h], u.Active[h]
	for day := range 7 { // an hour of one day is like that of others until it was seen itself
		if seen >= enoughSlots*fade {
			return min(active/seen, certain), true
		}
		if other := (h + 24*(day+1)) % hoursOfWeek; other != h {
			seen, active = seen+u.Seen[other], active+u.Active[other]
		}
	}
	seen, active = 0, 0
	for i := range u.Seen {
		seen, active = seen+u.Seen[i], active+u.Active[i]
	}
	if seen < enoughSlots {
		return 0, false
	}
	return min(active/seen, certain), false
}

// surprise is how unlikely a slot without a delivery is: minus the logarithm of its chance.
func (u *Usual) surprise(at time.Time) float64 {
	p, known := u.chance(at)
	if !known {
		p *= strange
	}
	return -math.Log1p(-p)
}

// Interval is about the time from one delivery to the next that is usual at a moment, going by slots: it is never less
// than a third of one; 0 when nothing is known.
func (u *Usual) Interval(at time.Time) time.Duration {
	p, _ := u.chance(at)
	if p <= 0 {
		return 0
	}
	return time.Duration(min(float64(Slot)/-math.Log1p(-p), float64(30*24*time.Hour))).Round(time.Second)
}

// unlikely is the sum of surprises at which silence is called one: it happens by chance less than once in 8,000 times.
const unlikely = 9

// Silent reports whether an endpoint whose last delivery was accepted at last has been quiet for longer than can be put
// down to chance. Slots that the last delivery or now lie in do not count.
func (u *Usual) Silent(last, now time.Time) bool {
	if last.IsZero() {
		return false
	}
	sum, n := 0.0, int64(0)
	for at := last.UTC().Truncate(Slot).Add(Slot); !at.Add(Slot).After(now); at = at.Add(Slot) {
		if sum += u.surprise(at); sum >= unlikely {
			return true
		}
		if n++; n > lookBack {
			break
		}
	}
	return false
}
