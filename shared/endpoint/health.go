package endpoint

import "time"

// State is how an endpoint does, in one word.
type State string

// The states, the gravest first.
const (
	Revoked State = "revoked" // it accepts nothing any more, on purpose
	Failing State = "failing" // requests come, and none was accepted since
	Silent  State = "silent"  // nothing comes, although by now something always did
	Unused  State = "unused"  // nothing was ever accepted
	Active  State = "active"
)

// Facts of Auth0's that decide what can still be done.
const (
	// AutoStop is how long deliveries may fail in a row before Auth0 stops the log stream for good.
	AutoStop = 7 * 24 * time.Hour
	// CursorMargin is how far before the last delivery a new log stream should begin: events are some time on their way.
	CursorMargin = time.Hour
)

// Health is what can be said of an endpoint at a moment.
type Health struct {
	State        State         `json:"state"`
	Since        time.Time     `json:"since,omitzero"` // of failing and silent
	LastDelivery time.Time     `json:"last_delivery,omitzero"`
	Usual        time.Duration `json:"-"` // about the time between deliveries at this hour; 0: not known yet
	Failures     []Failure     `json:"failures,omitempty"`
	// StopsAt is when Auth0 stops the log stream if nothing changes: seven days after the first failure. While an endpoint
	// is silent it is the earliest moment: whether Auth0 tries and fails cannot be seen from here.
	StopsAt time.Time `json:"stops_at,omitzero"`
	// Cursor is the Starting Cursor for a log stream that is made anew: what is sent twice is stored once.
	Cursor time.Time `json:"starting_cursor,omitzero"`
}

// Judge says how an endpoint does.
func Judge(e *Endpoint, s Sight, now time.Time) Health {
	h := Health{State: Active, LastDelivery: s.Status.LastDelivery, Failures: s.Status.Failures(), Usual: s.Usual.Interval(now)}
	if !h.LastDelivery.IsZero() {
		h.Cursor = h.LastDelivery.Add(-CursorMargin).UTC().Truncate(time.Minute)
	}
	switch {
	case e.Revoked:
		h.State, h.Failures = Revoked, nil
	case len(h.Failures) > 0:
		h.State, h.Since = Failing, h.Failures[0].Since
		h.StopsAt = h.Since.Add(AutoStop)
	case h.LastDelivery.IsZero():
		h.State = Unused
	case s.Usual.Silent(h.LastDelivery, now):
		h.State, h.Since = Silent, h.LastDelivery
		h.StopsAt = h.Since.Add(AutoStop)
	}
	return h
}

// Plan is one of Auth0's subscriptions with how long it keeps the events that a log stream could not deliver.
type Plan struct {
	Name      string
	Retention time.Duration
}

// Plans lists them, the shortest retention first. An event that is older when the log stream works again is gone.
func Plans() []Plan {
	const day = 24 * time.Hour
	return []Plan{{"Starter", day}, {"Essentials", 5 * day}, {"Professional", 10 * day}, {"Enterprise", 30 * day}}
}
