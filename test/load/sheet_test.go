package load_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// sheet gathers figures by rounds and prints them as one section of the table that grows.
type sheet struct {
	rows    []*row
	trouble []string             // what disturbed the rounds
	yard    []float64            // nanoseconds of the yardstick after each stretch
	tops    []map[string]float64 // of a round with a profile: the part that each function takes by itself
}

// row is a line of the table: a value of each round.
type row struct {
	name, target string
	values       []float64
}

// add gives a line one more value; the first one makes the line.
func (s *sheet) add(name, target string, value float64) {
	at := slices.IndexFunc(s.rows, func(r *row) bool { return r.name == name })
	if at < 0 {
		at = len(s.rows)
		s.rows = append(s.rows, &row{name: name, target: target})
	}
	s.rows[at].values = append(s.rows[at].values, value)
}

// watch notes what disturbed a stretch of time, and how fast the processor is after it.
func (s *sheet) watch(what string, used spent, took time.Duration) {
	s.yard = append(s.yard, yardstick())
	s.judge(what, used, took)
}

// judge notes what disturbed a stretch of time that is over since long.
func (s *sheet) judge(what string, used spent, took time.Duration) {
	if why := used.trouble(took); why != "" {
		s.trouble = append(s.trouble, fmt.Sprintf("%s: %s", what, why))
	}
}

// middle is the median of a line; 0 when there is no such line.
func (s *sheet) middle(name string) float64 {
	for _, r := range s.rows {
		if r.name == name {
			return median(slices.Sorted(slices.Values(r.values)))
		}
	}
	return 0
}

func median(sorted []float64) float64 {
	return (sorted[len(sorted)/2] + sorted[(len(sorted)-1)/2]) / 2
}

// markdown is the table with a heading.
func (s *sheet) markdown(heading string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n### %s\n\n| | min | median | max | target |\n|---|--:|--:|--:|--:|\n", heading)
	for _, r := range s.rows {
		v := slices.Sorted(slices.Values(r.values))
		fmt.Fprintf(&out, "| %s | %s | **%s** | %s | %s |\n", r.name, short(v[0]), short(median(v)), short(v[len(v)-1]), r.target)
	}
	return out.String()
}

// speed says how fast the processor was. What other guests of the host leave to this machine changes from minute to minute, and
// no counter here shows it; seconds of runs at different speeds are not alike.
func (s *sheet) speed() string {
	if len(s.yard) == 0 {
		return ""
	}
	v := slices.Sorted(slices.Values(s.yard))
	return fmt.Sprintf("; the yardstick took %.0f ns (%.0f to %.0f)", median(v), v[0], v[len(v)-1])
}

// short prints four digits, and never a power of ten.
func short(v float64) string {
	if v >= 1000 || v <= -1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.4g", v)
}

// Sentences behind a section that is no measure of a target.
const (
	busyNote     = "The machine was busy: "
	profilesNote = "Profiles were written meanwhile, which took processor time."
)

// metric is a line that go test reports, too.
type metric struct{ unit, line string }

// publish reports the medians of the metrics, prints the table and appends it to the file that LOAD_RESULTS names. From a
// busy machine it reports nothing unless LOAD_ANYWAY is set; then the table says so.
func (s *sheet) publish(b *testing.B, m machine, about string, metrics ...metric) {
	b.Helper()
	if len(s.trouble) > 0 && os.Getenv("LOAD_ANYWAY") == "" {
		b.Fatalf("the machine was busy, so these figures would mislead; LOAD_ANYWAY=1 prints them all the same\n%s", strings.Join(s.trouble, "\n"))
	}
	heading := fmt.Sprintf("%s, %s: %s", time.Now().UTC().Format(time.DateOnly), source(), about)
	text := s.markdown(heading) + "\n" + m.facts() + s.speed() + "\n" + s.topTen()
	if places(b) == "" {
		text += "\nDocuments name no place: there is no database; `make geoip` gets one.\n"
	}
	if profiled() != "" {
		text += "\n" + profilesNote + "\n"
	}
	if len(s.trouble) > 0 {
		text += "\n" + busyNote + strings.Join(s.trouble, "; ") + ".\n"
	}
	b.Run("figures", func(b *testing.B) {
		for b.Loop() { // nothing: it was measured above, because what is compared takes turns
		}
		b.ReportMetric(0, "ns/op")
		for _, one := range metrics {
			b.ReportMetric(s.middle(one.line), one.unit)
		}
	})
	fmt.Fprintln(os.Stdout, text) // a benchmark's own log is cut after ten lines
	if err := keep(text); err != nil {
		b.Error(err)
	}
}

// keep appends a section to the file that LOAD_RESULTS names.
func keep(text string) error {
	path := os.Getenv("LOAD_RESULTS")
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
