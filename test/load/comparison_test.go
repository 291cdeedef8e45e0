package load_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// comparison holds the rounds of direct load and pipeline.
type comparison struct{ direct, piped []stretch }

// trouble lists what disturbed the rounds.
func (c comparison) trouble() (all []string) {
	for i := range c.direct {
		for what, s := range map[string]stretch{"direct load": c.direct[i], "pipeline": c.piped[i]} {
			if why := s.spent.trouble(s.took); why != "" {
				all = append(all, fmt.Sprintf("round %d, %s: %s", i+1, what, why))
			}
		}
	}
	return all
}

// figure is a line of the table: a value of each round.
type figure struct {
	name   string
	target string
	of     func(direct, piped stretch) float64
}

func figures() []figure {
	return []figure{
		{"searchable, of the direct load", "≥ 0.70", func(d, p stretch) float64 { return p.rate() / d.rate() }},
		{"searchable events a second", "", func(_, p stretch) float64 { return p.rate() }},
		{"documents a second, loaded directly", "", func(d, _ stretch) float64 { return d.rate() }},
		{"CPU-s a million: Sluice, with NATS", "≤ 25", func(_, p stretch) float64 { return p.million(p.spent.sluice) }},
		{"CPU-s a million: Elasticsearch behind Sluice", "", func(_, p stretch) float64 { return p.million(p.spent.elastic) }},
		{"CPU-s a million: Elasticsearch, loaded directly", "", func(d, _ stretch) float64 { return d.million(d.spent.elastic) }},
		{"CPU-s a million: the load generator", "", func(_, p stretch) float64 { return p.million(p.spent.generator) }},
		{"memory of Sluice, MiB", "≤ 250", func(_, p stretch) float64 { return float64(p.memory) / (1 << 20) }},
		{"p99 of an acknowledgement, ms", "", func(_, p stretch) float64 { return float64(p.p99.Microseconds()) / 1000 }},
		{"acknowledged events a second meanwhile", "", func(_, p stretch) float64 { return float64(p.events) / p.acked.Seconds() }},
		{"bytes of a document's _source", "", func(d, _ stretch) float64 { return d.bytes }},
		{"processors used by others, %", "", func(_, p stretch) float64 {
			return 100 * p.spent.others() / p.took.Seconds() / float64(runtime.NumCPU())
		}},
	}
}

// values are a figure's values, smallest first.
func (c comparison) values(f figure) []float64 {
	all := make([]float64, len(c.direct))
	for i := range all {
		all[i] = f.of(c.direct[i], c.piped[i])
	}
	slices.Sort(all)
	return all
}

func median(sorted []float64) float64 {
	return (sorted[len(sorted)/2] + sorted[(len(sorted)-1)/2]) / 2
}

// markdown is the table with a heading that says when, what and where.
func (c comparison) markdown(heading string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n### %s\n\n| | min | median | max | target |\n|---|--:|--:|--:|--:|\n", heading)
	for _, f := range figures() {
		v := c.values(f)
		fmt.Fprintf(&out, "| %s | %.4g | **%.4g** | %.4g | %s |\n", f.name, v[0], median(v), v[len(v)-1], f.target)
	}
	return out.String()
}

// publish reports the medians and prints the table; from a busy machine it reports nothing.
func (c comparison) publish(b *testing.B, r *rig) {
	b.Helper()
	if trouble := c.trouble(); len(trouble) > 0 && os.Getenv("LOAD_ANYWAY") == "" {
		b.Fatalf("the machine was busy, so these figures would mislead; LOAD_ANYWAY=1 prints them all the same\n%s", strings.Join(trouble, "\n"))
	}
	text := c.markdown(fmt.Sprintf("%s, %s: %d rounds of %d events, %d in a delivery, %d deliveries at a time",
		time.Now().UTC().Format(time.DateOnly), commit(b), len(c.direct), c.direct[0].events, loadBatch, loadInFlight)) +
		"\n" + r.machine.facts() + "\n"
	b.Run("figures", func(b *testing.B) {
		for b.Loop() { // nothing: it was measured above, because both take turns
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(median(c.values(figures()[0])), "of-ceiling")
		b.ReportMetric(median(c.values(figures()[1])), "searchable/s")
		b.ReportMetric(median(c.values(figures()[3])), "sluice-cpu-s/M")
	})
	fmt.Fprintln(os.Stdout, text) // a benchmark's own log is cut after ten lines
	if path := os.Getenv("LOAD_RESULTS"); path != "" {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := file.WriteString(text); err != nil {
			b.Error(err)
		}
		if err := file.Close(); err != nil {
			b.Error(err)
		}
	}
}

// commit names the source that was measured.
func commit(b *testing.B) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "git", "describe", "--always", "--dirty")
	cmd.Dir = harness.Root(b)
	out, err := cmd.Output()
	if err != nil {
		return "an unknown commit"
	}
	return "commit " + strings.TrimSpace(string(out))
}
