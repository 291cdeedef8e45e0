package cli

import (
	"bytes"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

func TestATaskIsNamedForEverythingThatOnlyAPersonCanMend(t *testing.T) {
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	fine := func() *overview {
		return &overview{At: now, Streams: []streamLine{{Name: "DOCUMENTS", MaxBytes: 1 << 30, Swept: now, Waits: []consumer{{Name: "indexer-default", Open: 1, Oldest: now.Add(-time.Minute)}}}}}
	}
	hour, day := time.Hour.Seconds(), 24*time.Hour.Seconds()
	for name, c := range map[string]struct {
		spoil func(*overview)
		want  string // part of the task; empty: there is none
	}{
		"nothing":                        {func(*overview) {}, ""},
		"a stream that fills in a day":   {func(o *overview) { o.Streams[0].FullIn = &day }, ""},
		"a stream that fills in an hour": {func(o *overview) { o.Streams[0].FullIn = &hour }, "full in 1h"},
		"a blocked stream":               {func(o *overview) { o.Streams[0].Blocked = "no consumer" }, "no consumer"},
		"no janitor":                     {func(o *overview) { o.Streams[0].Swept = now.Add(-5 * time.Minute) }, "nobody makes room"},
		"a message that waits for long":  {func(o *overview) { o.Streams[0].Waits[0].Oldest = now.Add(-2 * time.Hour) }, "has waited for 2h"},
		"dead letters":                   {func(o *overview) { o.DeadLetters = letterHeap{Letters: 3, Oldest: now} }, "3 events"},
		"many dead letters":              {func(o *overview) { o.DeadLetters = letterHeap{Letters: 3, Oldest: now, Bytes: 90, MaxBytes: 100} }, "holds its stream up"},
		"a new loss": {func(o *overview) {
			o.Losses = []lossLine{{Stream: "DELIVERIES", Messages: 2, First: now, Noticed: now}}
		}, "Starting Cursor"},
		"a loss of last month": {func(o *overview) {
			o.Losses = []lossLine{{Stream: "DELIVERIES", Messages: 2, Noticed: now.Add(-31 * 24 * time.Hour)}}
		}, ""},
	} {
		o := fine()
		c.spoil(o)
		o.decide(now)
		var out bytes.Buffer
		tw := tabwriter.NewWriter(&out, 0, 4, 2, ' ', 0)
		o.write(tw)
		_ = tw.Flush() // to memory
		text := strings.Join(strings.Fields(out.String()), " ")
		if c.want == "" != (len(o.Todo) == 0) || !strings.Contains(text, c.want) {
			t.Errorf("%s: want %q in %+v\n%s", name, c.want, o.Todo, out.String())
		}
		if len(o.Todo) == 0 != strings.Contains(text, "There is nothing to do.") {
			t.Errorf("%s:\n%s", name, out.String())
		}
	}
}
