package capacity_test

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/test/capacity"
	"github.com/sluicelog/sluice/test/harness"
)

var update = flag.Bool("update", false, "rewrite the computed parts of deployments/CAPACITY.md")

func load(t *testing.T) capacity.Inputs {
	t.Helper()
	in, err := capacity.Load()
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// rewritten is the page with its computed parts as the inputs have them.
func rewritten(t *testing.T, page string) string {
	t.Helper()
	for name, text := range load(t).Sections() {
		begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
		before, rest, found := strings.Cut(page, begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Fatalf("the page has no markers for %s", name)
		}
		page = before + begin + text + end + after
	}
	return page
}

func TestThePageIsWhatTheInputsSay(t *testing.T) {
	path := filepath.Join(harness.Root(t), "deployments", "CAPACITY.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := rewritten(t, string(raw))
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("deployments/CAPACITY.md is not what the inputs say; run: go test ./test/capacity -update")
	}
}

func TestWhatCostsMoreNeedsMore(t *testing.T) {
	t.Parallel()
	in := load(t)
	for _, name := range []string{"receiver", "enricher", "indexer", "elasticsearch", "nats_deliveries", "document", "request", "batch", "sync", "index", "event"} {
		dear := in.With(name, 10*value(t, in, name)).Sections()["needs"]
		if dear == in.Sections()["needs"] {
			t.Errorf("ten times as much of %s changes nothing", name)
		}
	}
	if in.With("stream", value(t, in, "stream")/10).Partitions(1e6) <= in.Partitions(1e6) {
		t.Error("a tenth of what a stream stores takes no more streams")
	}
}

func value(t *testing.T, in capacity.Inputs, name string) float64 {
	t.Helper()
	for _, i := range in.All {
		if i.Name == name {
			return i.Value
		}
	}
	t.Fatalf("there is no input %s", name)
	return 0
}

func TestAMillionEventsASecondTakeAHundredTimesTheProcessorsOfTenThousand(t *testing.T) {
	t.Parallel()
	checked := 0
	for _, n := range load(t).Needs() {
		if !strings.HasSuffix(n.What, ": processors") && !strings.HasSuffix(n.What, "processors, all copies") {
			continue
		}
		checked++
		if ratio := number(t, n.Of(1e6)) / number(t, n.Of(1e4)); ratio < 90 || ratio > 110 {
			t.Errorf("%s: %s and %s", n.What, n.Of(1e4), n.Of(1e6))
		}
	}
	if checked < 5 {
		t.Errorf("only %d lines looked at", checked)
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(strings.ReplaceAll(text, ",", ""), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
