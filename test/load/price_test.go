package load_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The bounds of a run: enough documents for steady figures, few enough for go test's own ten minutes.
const (
	priceDocuments = 20_000
	priceWarmUp    = 300_000
	priceRounds    = 3
	priceMinutes   = 5 // of rounds; documents and warm-up come before
	priceInFlight  = 2
	priceBody      = 3 << 20
)

// BenchmarkPrice says what a document costs Elasticsearch, by variants of the document and of its index. Variants take
// turns, so that what disturbs the machine disturbs all of them; read the processor time, not the documents a second.
//
// PRICE_VARIANTS, a regular expression, chooses among the variants by name; without it the few most telling ones run.
// PRICE_DOCUMENTS names a file to keep the documents in for the next run. LOAD_EVENTS changes how many there are, and
// PRICE_ROUNDS and PRICE_MINUTES how often and how long variants have their turns.
func BenchmarkPrice(b *testing.B) {
	chosen := chosenVariants(b)
	docs := storedDocuments(b, events(b, priceDocuments))
	s := startScale(b)
	chosen = slices.DeleteFunc(chosen, func(v variant) bool { return !s.takes(b, v) })
	s.warmUp(b, docs)
	chosen, weights := s.rounds(b, chosen, docs)
	for i, v := range chosen {
		b.Run(strings.ReplaceAll(v.name, " ", "_"), func(b *testing.B) {
			for b.Loop() { // nothing: it was measured above, because variants take turns
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(middle(weights[i], weight.cpuPerMillion), "es-cpu-s/M")
			b.ReportMetric(middle(weights[i], weight.sourceBytes), "source-B/doc")
			b.ReportMetric(middle(weights[i], weight.mergedBytes), "index-B/doc")
			b.ReportMetric(middle(weights[i], weight.rate), "docs/s")
		})
	}
	b.Run("table", func(b *testing.B) {
		for b.Loop() { // nothing: only a benchmark without sub-benchmarks shows what it logs
		}
		b.ReportMetric(0, "ns/op")
		b.Log("\n" + table(chosen, weights))
	})
}

// rounds gives each variant its turns until there were enough or the time is over; the variants that had none are left out.
func (s *scale) rounds(b *testing.B, chosen []variant, docs *documents) ([]variant, [][]weight) {
	b.Helper()
	weights := make([][]weight, len(chosen))
	end := time.Now().Add(time.Duration(number(b, "PRICE_MINUTES", priceMinutes)) * time.Minute)
	for round := range inRounds(b, number(b, "PRICE_ROUNDS", priceRounds)) {
		for i, v := range chosen {
			if time.Now().After(end) {
				b.Logf("the time was over in round %d, at %s", round+1, v.name)
				done := slices.IndexFunc(weights, func(w []weight) bool { return len(w) == 0 })
				if done < 0 {
					done = len(chosen)
				}
				return chosen[:done], weights[:done]
			}
			w := s.weigh(b, v, docs)
			weights[i] = append(weights[i], w)
			tell(b, "round %d: %-34s %6.1f CPU-s per million", round+1, v.name, w.cpuPerMillion())
		}
	}
	return chosen, weights
}

// chosenVariants are those that PRICE_VARIANTS asks for, the unchanged one first: the others are compared with it.
func chosenVariants(b *testing.B) []variant {
	b.Helper()
	all := variants()
	text, asked := os.LookupEnv("PRICE_VARIANTS")
	match, err := regexp.Compile(text)
	if err != nil {
		b.Fatalf("PRICE_VARIANTS=%q: %v", text, err)
	}
	return slices.Concat(all[:1], slices.DeleteFunc(all[1:], func(v variant) bool {
		if asked {
			return !match.MatchString(v.name)
		}
		return !v.usual
	}))
}

// weight is what one load of a variant took.
type weight struct {
	documents              int
	took                   time.Duration
	cpu, merge             time.Duration // of Elasticsearch: until searchable and quiet; to merge to one segment after that
	compiling              time.Duration // of the JVM, beside cpu
	source, stored, merged int64         // bytes: of all documents; of the index after the flush; after the merge
}

func (w weight) rate() float64            { return float64(w.documents) / w.took.Seconds() }
func (w weight) cpuPerMillion() float64   { return w.cpu.Seconds() * 1e6 / float64(w.documents) }
func (w weight) mergePerMillion() float64 { return w.merge.Seconds() * 1e6 / float64(w.documents) }
func (w weight) compilingPerMillion() float64 {
	return w.compiling.Seconds() * 1e6 / float64(w.documents)
}
func (w weight) sourceBytes() float64 { return float64(w.source) / float64(w.documents) }
func (w weight) storedBytes() float64 { return float64(w.stored) / float64(w.documents) }
func (w weight) mergedBytes() float64 { return float64(w.merged) / float64(w.documents) }

// sorted are a figure of all rounds, smallest first.
func sorted(all []weight, figure func(weight) float64) []float64 {
	values := make([]float64, len(all))
	for i, w := range all {
		values[i] = figure(w)
	}
	slices.Sort(values)
	return values
}

// middle is a figure's median.
func middle(all []weight, figure func(weight) float64) float64 {
	values := sorted(all, figure)
	return (values[len(values)/2] + values[(len(values)-1)/2]) / 2
}

// table lists medians, with the difference to the first variant, and the spread of the processor time.
func table(chosen []variant, weights [][]weight) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%-34s %8s %7s %13s %8s %8s %9s %8s %9s %8s\n",
		"variant", "cpu-s/M", "diff", "min..max", "merge/M", "jit/M", "source B", "index B", "merged B", "docs/s")
	base := middle(weights[0], weight.cpuPerMillion)
	for i, v := range chosen {
		w := weights[i]
		cpu, all := middle(w, weight.cpuPerMillion), sorted(w, weight.cpuPerMillion)
		fmt.Fprintf(&out, "%-34s %8.1f %+7.1f %6.1f..%5.1f %8.1f %8.1f %9.0f %8.0f %9.0f %8.0f\n", v.name, cpu, cpu-base,
			all[0], all[len(all)-1], middle(w, weight.mergePerMillion), middle(w, weight.compilingPerMillion), middle(w, weight.sourceBytes),
			middle(w, weight.storedBytes), middle(w, weight.mergedBytes), middle(w, weight.rate))
	}
	return out.String()
}
