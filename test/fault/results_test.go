package fault_test

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// row is the result of one run.
type row struct {
	When     string // it ended, RFC 3339
	Build    string
	Fault    string
	Seed     uint64
	Moment   time.Duration // from the load's begin to the fault
	CatchUp  time.Duration // from the fault's end until all is indexed that was acknowledged by then
	Took     time.Duration
	Evidence string
	verdict
	err error
}

// columns are the head of a file of results.
func columns() []string {
	return strings.Fields("time build fault seed moment sent acknowledged searchable missing doubled dead dead_wanted refused unsure catch_up_s took_s result evidence")
}

func (r *row) cells() []string {
	result := "ok"
	if r.err != nil {
		result = flat(r.err.Error())
	}
	cells := []string{time.Now().UTC().Format(time.RFC3339), r.Build, r.Fault, strconv.FormatUint(r.Seed, 10), r.Moment.String()}
	for _, n := range []int{r.sent, r.acked, r.searchable, r.missing, r.doubled, r.dead, r.deadWanted, r.refused, r.unsure} {
		cells = append(cells, strconv.Itoa(n))
	}
	return append(cells, fmt.Sprintf("%.1f", r.CatchUp.Seconds()), fmt.Sprintf("%.1f", r.Took.Seconds()), result, flat(r.Evidence))
}

// flat makes any text one cell.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

// ledger is the file of results; an empty path keeps nothing.
type ledger struct {
	path string
	rows []row
}

func openLedger(path string) (*ledger, error) {
	l := &ledger{path: path}
	if path == "" {
		return l, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		return l, l.append(columns())
	}
	if err != nil {
		return nil, err
	}
	reader := csv.NewReader(strings.NewReader(string(raw)))
	reader.Comma, reader.LazyQuotes, reader.FieldsPerRecord = '\t', true, -1
	for {
		cells, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return l, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		if r, ok := parseRow(cells); ok {
			l.rows = append(l.rows, r)
		}
	}
}

// parseRow reads what resuming and the table need; ok is false for the head and for a row that was cut off.
func parseRow(cells []string) (r row, ok bool) {
	if len(cells) != len(columns()) || cells[0] == columns()[0] {
		return r, false
	}
	number := func(i int) int { n, _ := strconv.Atoi(cells[i]); return n }
	seconds := func(i int) time.Duration { d, _ := time.ParseDuration(cells[i] + "s"); return d }
	r.When = cells[0]
	r.Build, r.Fault, r.CatchUp, r.Took, r.Evidence = cells[1], cells[2], seconds(14), seconds(15), cells[17]
	r.Seed, _ = strconv.ParseUint(cells[3], 10, 64)
	r.Moment, _ = time.ParseDuration(cells[4])
	r.verdict = verdict{
		sent: number(5), acked: number(6), searchable: number(7), missing: number(8), doubled: number(9),
		dead: number(10), deadWanted: number(11), refused: number(12), unsure: number(13),
	}
	if cells[16] != "ok" {
		r.err = errors.New(cells[16])
	}
	return r, true
}

// done reports whether a good row of this build is there.
func (l *ledger) done(build, fault string, seed uint64) bool {
	return slices.ContainsFunc(l.rows, func(r row) bool {
		return r.Build == build && r.Fault == fault && r.Seed == seed && r.err == nil
	})
}

func (l *ledger) add(r row) error {
	l.rows = append(l.rows, r)
	return l.append(r.cells())
}

func (l *ledger) append(cells []string) error {
	if l.path == "" {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(cells, "\t") + "\n")
	return errors.Join(err, f.Close())
}

// sum is the line of a fault in the table: all its runs of one build together.
type sum struct {
	row
	runs, failed int
}

// table writes one line for each fault: sums, and the longest time to catch up.
func (l *ledger) table(out io.Writer, build string) {
	sums := map[string]*sum{}
	var order []*sum
	for _, r := range latest(l.rows, build) {
		s := sums[r.Fault]
		if s == nil {
			s = &sum{row: row{Fault: r.Fault}}
			sums[r.Fault], order = s, append(order, s)
		}
		s.runs++
		if r.err != nil {
			s.failed++
		}
		s.acked, s.searchable, s.missing, s.doubled = s.acked+r.acked, s.searchable+r.searchable, s.missing+r.missing, s.doubled+r.doubled
		s.dead, s.deadWanted, s.refused, s.unsure = s.dead+r.dead, s.deadWanted+r.deadWanted, s.refused+r.refused, s.unsure+r.unsure
		s.CatchUp, s.Evidence = max(s.CatchUp, r.CatchUp), r.Evidence
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tRUNS\tFAILED\tACKNOWLEDGED\tSEARCHABLE\tMISSING\tDOUBLED\tDEAD/WANTED\tREFUSED\tUNSURE\tLONGEST CATCH-UP\tEVIDENCE OF THE LAST RUN")
	for _, s := range order {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d/%d\t%d\t%d\t%s\t%.110s\n", s.Fault, s.runs, s.failed, s.acked, s.searchable, s.missing, s.doubled, s.dead, s.deadWanted, s.refused, s.unsure, age(s.CatchUp), s.Evidence)
	}
	_ = w.Flush() // it is for people
}

// latest are the rows of a build, of each fault and seed the last one.
func latest(rows []row, build string) []row {
	last := map[string]int{}
	var all []row
	for _, r := range rows {
		if r.Build != build {
			continue
		}
		key := fmt.Sprint(r.Fault, " ", r.Seed)
		if at, ok := last[key]; ok {
			all[at] = r
			continue
		}
		last[key] = len(all)
		all = append(all, r)
	}
	return all
}

// line is the row for people.
func (r *row) line() string {
	result := "ok"
	if r.err != nil {
		result = "FAILED: " + r.err.Error()
	}
	return fmt.Sprintf("%-28s seed %-4d at %-6s acknowledged %d searchable %d missing %d doubled %d dead %d/%d refused %d unsure %d catch-up %s took %s  %s  [%s]",
		r.Fault, r.Seed, cmp.Or(r.Moment, 0), r.acked, r.searchable, r.missing, r.doubled, r.dead, r.deadWanted, r.refused, r.unsure, age(r.CatchUp), age(r.Took), result, r.Evidence)
}
