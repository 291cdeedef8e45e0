package simulator_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

func TestEachShapeCarriesTheSameEvents(t *testing.T) {
	all := events(newTenant(8), 5)
	var list []element
	if err := json.Unmarshal(simulator.Body(simulator.Array, all), &list); err != nil || len(list) != 5 {
		t.Errorf("array: %d events, %v", len(list), err)
	}
	var wrapped struct{ Logs []element }
	if err := json.Unmarshal(simulator.Body(simulator.Object, all), &wrapped); err != nil || len(wrapped.Logs) != 5 {
		t.Errorf("object: %d events, %v", len(wrapped.Logs), err)
	}
	lines := bytes.Split(bytes.TrimSuffix(simulator.Body(simulator.Lines, all), []byte("\n")), []byte("\n"))
	if len(lines) != 5 {
		t.Fatalf("lines: %d", len(lines))
	}
	for i, line := range lines {
		if !bytes.Equal(line, all[i].JSON) || list[i].LogID != all[i].LogID || wrapped.Logs[i].LogID != all[i].LogID {
			t.Errorf("event %d differs between the shapes", i)
		}
	}
	if got := simulator.Body(simulator.Single, all[:1]); !bytes.Equal(got, all[0].JSON) {
		t.Errorf("single: %s", got)
	}
}

func TestParseShapeKnowsEveryShapeAndNoOther(t *testing.T) {
	for _, shape := range simulator.Shapes() {
		if got, err := simulator.ParseShape(string(shape)); err != nil || got != shape {
			t.Errorf("shape %q: %q, %v", shape, got, err)
		}
	}
	if _, err := simulator.ParseShape("xml"); err == nil {
		t.Error("xml was taken for a shape")
	}
}

func TestReplaySendsTheSameLogIDsFromTheCursorOn(t *testing.T) {
	all := events(newTenant(9), 1_000)
	cursor := all[400].Time
	source := simulator.Replay(all, cursor)
	known := map[string]bool{}
	for _, e := range all {
		known[e.LogID] = !e.Time.Before(cursor)
	}
	last, count := "", 0
	for e, more := source(); more; e, more = source() {
		if !known[e.LogID] || e.LogID <= last {
			t.Fatalf("replayed %s after %s", e.LogID, last)
		}
		last, count = e.LogID, count+1
	}
	if count < 600 || count > 601 {
		t.Fatalf("%d events, want the 600 from the cursor on", count)
	}
}

func TestLatencyIsTheNearestRankWithinOnePartIn128(t *testing.T) {
	var durations []time.Duration
	for i := 10_000; i > 0; i-- {
		durations = append(durations, time.Duration(i)*37*time.Microsecond)
	}
	got := simulator.LatencyOf(durations)
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"p50", got.P50, 5_000 * 37 * time.Microsecond},
		{"p95", got.P95, 9_500 * 37 * time.Microsecond},
		{"p99", got.P99, 9_900 * 37 * time.Microsecond},
	} {
		if c.got < c.want || c.got > c.want+c.want/128 {
			t.Errorf("%s is %s, want %s", c.name, c.got, c.want)
		}
	}
	if want := 10_000 * 37 * time.Microsecond; got.Max != want {
		t.Errorf("max is %s, want %s", got.Max, want)
	}
	if one := simulator.LatencyOf([]time.Duration{123}); one.P50 != 123 || one.P99 != 123 {
		t.Errorf("one duration of 123 ns: %+v", one)
	}
}
