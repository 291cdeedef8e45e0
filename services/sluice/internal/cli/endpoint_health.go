package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// wellbeing is how an endpoint does, in the words of --json.
type wellbeing struct {
	endpoint.Health
	UsualInterval float64 `json:"usual_interval_seconds,omitempty"` // about, at this hour of the week
	DaysLeft      float64 `json:"days_left,omitempty"`              // until Auth0 stops the log stream
}

func wellbeingOf(e *endpoint.Endpoint, s endpoint.Sight, now time.Time) wellbeing {
	c := wellbeing{Health: endpoint.Judge(e, s, now)}
	c.UsualInterval = c.Usual.Seconds()
	if !c.StopsAt.IsZero() {
		c.DaysLeft = max(c.StopsAt.Sub(now).Hours()/24, 0)
	}
	return c
}

// since is the state with its age, such as "failing for 3h".
func (c *wellbeing) since(now time.Time) string {
	if c.Since.IsZero() {
		return string(c.State)
	}
	return fmt.Sprintf("%s for %s", c.State, age(c.Since, now))
}

// usually is the usual time between deliveries for a table; a dash when it is not known.
func (c *wellbeing) usually() string {
	if c.Usual == 0 {
		return "-"
	}
	return "about " + inOneUnit(c.Usual)
}

// inOneUnit writes a duration in one unit.
func inOneUnit(d time.Duration) string { now := time.Now(); return age(now.Add(-d), now) }

// advice says what a person should do about an endpoint, nothing when there is nothing to do.
func (c *wellbeing) advice(now time.Time) (what, do string) {
	switch c.State {
	case endpoint.Failing:
		f := c.Failures[0]
		what = fmt.Sprintf("requests are refused since %s (%s, %s), and none was accepted", moment(c.Since), f.Reason, counted(f.Count, "time"))
		do = remedies[f.Reason]
		if do == "" {
			do = "see the log of the receiver"
		}
		return what, do + "; " + c.deadline(now)
	case endpoint.Silent:
		what = fmt.Sprintf("nothing has come since %s; usual at this hour is a delivery every %s", moment(c.Since), inOneUnit(c.Usual))
		if c.Usual == 0 {
			what = fmt.Sprintf("nothing has come since %s, for longer than ever", moment(c.Since))
		}
		return what, "see in Auth0 whether the log stream is active and what its Health view says, and that its Payload URL still leads here; " + c.deadline(now)
	case endpoint.Active, endpoint.Unused, endpoint.Revoked:
	}
	return "", ""
}

// remedies say what to do about the receiver's answers, where something can be done.
var remedies = map[string]string{ //nolint:gochecknoglobals // a table
	"unauthorized":         "put the endpoint's token into the log stream's form, or make a new one with `sluice endpoint rotate`",
	"too_large":            "raise RECEIVER_MAX_BODY, and ENRICHER_MAX_BODY with it",
	"stream_full":          "see below what waits for what; raise STREAM_DELIVERIES_MAX_BYTES and run `sluice setup` if there is disk for it",
	"stream_away":          "see that NATS runs and can write: `sluice doctor`",
	"bad_compression":      "look for a proxy that changes bodies and leaves their headers",
	"unsupported_encoding": "look for a proxy that compresses bodies",
	"truncated":            "look for a proxy or a time limit that cuts requests off",
	"busy":                 "raise RECEIVER_MAX_INFLIGHT, or run more receivers",
}

// deadline says until when Auth0 waits.
func (c *wellbeing) deadline(now time.Time) string {
	if now.After(c.StopsAt) {
		return fmt.Sprintf("Auth0 may have stopped the log stream on %s, after seven days: resume it, or make a new one with Starting Cursor %s", moment(c.StopsAt), dash(startingCursor(c.Cursor)))
	}
	return fmt.Sprintf("Auth0 stops the log stream after seven days of failures in a row, not before %s", moment(c.StopsAt))
}

// startingCursor writes a Starting Cursor; empty when there is none.
func startingCursor(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// writeWellbeing prints what endpoint show tells beyond the last delivery.
func writeWellbeing(w io.Writer, c *wellbeing, now time.Time) {
	fmt.Fprintf(w, "State\t%s\nUsual interval\t%s\n", c.since(now), c.usually())
	if c.Cursor.IsZero() || c.State == endpoint.Revoked {
		return
	}
	fmt.Fprintf(w, "Starting Cursor\t%s, should the log stream have to be made anew: what comes twice is stored once\n", startingCursor(c.Cursor))
	what, do := c.advice(now)
	if what == "" {
		return
	}
	fmt.Fprintf(w, "Auth0 stops it\t%s\n\n", remaining(c.StopsAt, now))
	paragraph(w, "What is wrong: "+what+".")
	paragraph(w, "What to do: "+do+".")
	fmt.Fprint(w, "\nAUTH0 PLAN\tKEEPS EVENTS\tCOMPLETE UNTIL\n")
	for _, p := range endpoint.Plans() {
		end := c.Since.Add(p.Retention)
		until := moment(end)
		if now.After(end) {
			until += ", events are being lost"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", p.Name, counted(int(p.Retention.Hours()/24), "day"), until)
	}
}

// remaining writes a moment and how far away it is.
func remaining(at, now time.Time) string {
	if now.After(at) {
		return moment(at) + ", it may have stopped"
	}
	return fmt.Sprintf("%s at the earliest, in %s", moment(at), age(now, at))
}
