package auth0_test

import (
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0"
)

// The room for the members of a usual event is kept, that of a giant one is not: it would stay for ever, and be cleared for
// each small event after it.
func TestForgetKeepsTheRoomOfUsualEventsOnly(t *testing.T) {
	usual := []byte(`{"log_id":"1","data":{"type":"s","details":{"a":1,"b":2}}}`)
	giant := []byte(`{"log_id":"1","more":0` + strings.Repeat(`,"":0`, 10_000) + `,"data":{"type":"s"` + strings.Repeat(`,"":0`, 10_000) + `,"details":{"a":1` + strings.Repeat(`,"":0`, 10_000) + `}}}`)
	for name, c := range map[string]struct {
		raw  []byte
		kept bool
	}{"usual": {usual, true}, "giant": {giant, false}} {
		var e auth0.Event
		if err := auth0.Parse(c.raw, &e); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e.Forget()
		if e.Raw != nil || e.LogID != "" || len(e.Fields) > 0 || e.Details.Value != nil {
			t.Errorf("%s: something is left of it", name)
		}
		for what, room := range map[string]int{"data": cap(e.Fields), "details": cap(e.Details.Members)} {
			if c.kept != (room > 0) {
				t.Errorf("%s: room for %d members of %s is kept", name, room, what)
			}
		}
		if room := cap(e.Outer); !c.kept && room > 0 {
			t.Errorf("%s: room for %d members beside data is kept", name, room)
		}
		for _, f := range e.Fields[:cap(e.Fields)] {
			if f.Key != nil || f.Value != nil {
				t.Errorf("%s: a member still holds the body in memory", name)
			}
		}
	}
}
