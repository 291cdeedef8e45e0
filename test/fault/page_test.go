package fault_test

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestPage writes the results of the last build that -results (files, separated by commas) hold as a page for people.
func TestPage(t *testing.T) {
	if options.page == "" {
		t.Skip("name a file with -page, or run `make fault-page`")
	}
	var rows []row
	for path := range strings.SplitSeq(options.results, ",") {
		one, err := openLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, one.rows...)
	}
	if len(rows) == 0 {
		t.Fatalf("%s holds no row: run `make fault` first", options.results)
	}
	last := slices.MaxFunc(rows, func(a, b row) int { return strings.Compare(a.When, b.When) })
	earlier := failures(rows, last.Build)
	rows = latest(rows, last.Build)
	earlier -= failures(rows, last.Build)
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Or(order(a.Fault)-order(b.Fault), cmp.Compare(a.Seed, b.Seed)) })
	f, err := os.Create(options.page)
	if err != nil {
		t.Fatal(err)
	}
	writePage(f, rows, earlier)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// order is where a fault stands in the list of all.
func order(name string) int {
	return slices.IndexFunc(slices.Concat(faults(), clusterFaults()), func(f *fault) bool { return f.name == name })
}

// failures counts the rows of a build that failed.
func failures(rows []row, build string) int {
	n := 0
	for _, r := range rows {
		if r.Build == build && r.err != nil {
			n++
		}
	}
	return n
}

// writePage writes what was seen, and first the sums: how many rows failed, what must be zero, and how many runs failed
// earlier that were done again since.
func writePage(w io.Writer, rows []row, earlier int) {
	var all row
	failed, kinds, first, last := 0, map[string]bool{}, rows[0].When, rows[0].When
	for _, r := range rows {
		kinds[r.Fault] = true
		first, last = min(first, r.When), max(last, r.When)
		all.acked, all.missing, all.doubled, all.CatchUp = all.acked+r.acked, all.missing+r.missing, all.doubled+r.doubled, max(all.CatchUp, r.CatchUp)
		if r.err != nil {
			failed++
		}
	}
	fmt.Fprintf(w, `# What happened when things broke

Written by `+"`make fault-page`"+` from what `+"`make fault` and `make fault-cluster`"+` found between %s and %s
with the programs %s on %d processors. Each row is one run: a load with a ledger, one fault at a random moment that the
seed decides, and a check of every event when all is quiet. *Unsure* are events whose answer was cut: their sender comes
again, and they may or may not be stored. *Dead* are the load's broken events: how many lie among the dead letters, and how
many must.

**%d faults, %d runs, %d failed; %d events acknowledged, %d missing, %d doubled; the longest catching up took %s.**
Runs of these programs that failed and were done again: %d.

| fault | seed | at | acknowledged | searchable | missing | doubled | dead | refused | unsure | caught up after | result | evidence |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|---|
`, first, last, rows[0].Build, runtime.NumCPU(), len(kinds), len(rows), failed, all.acked, all.missing, all.doubled, age(all.CatchUp), earlier)
	for _, r := range rows {
		result := "ok"
		if r.err != nil {
			result = r.err.Error()
		}
		fmt.Fprintf(w, "| %s | %d | %s | %d | %d | %d | %d | %d/%d | %d | %d | %s | %s | %s |\n", r.Fault, r.Seed, r.Moment, r.acked, r.searchable, r.missing,
			r.doubled, r.dead, r.deadWanted, r.refused, r.unsure, age(r.CatchUp), cell(result), cell(r.Evidence))
	}
}

// cell fits a text into a table.
func cell(s string) string {
	if len(s) > 240 {
		s = strings.ToValidUTF8(s[:240], "") + "…"
	}
	return strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(s)
}
