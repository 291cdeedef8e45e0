package load_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/test/harness"
)

// How long, and at which rate, Elasticsearch is away.
const (
	awayRounds  = 2
	awaySeconds = 45
	awayRate    = 4_000 // events a second
)

// BenchmarkMemory measures the resident memory of the all-in-one: the most at full load, then while Elasticsearch is away
// and deliveries go on, in thirds of that time, and then while it catches up. Elasticsearch is away in that the way to it
// is shut: connections break, new ones are refused. What grows with the backlog would show as a last third above
// the first. In the end everything must be searchable. make outage takes it away for longer, from separate services.
//
// LOAD_ROUNDS, LOAD_EVENTS (at full load), LOAD_AWAY (seconds) and LOAD_RATE (events a second meanwhile) change how much.
func BenchmarkMemory(b *testing.B) {
	es := startScale(b)
	gate := harness.NewGate(b, es.url)
	r := startRigOn(b, gate.URL, es.pid)
	r.elastic = harness.Elastic(b, es.url)
	s, n, rounds := &sheet{}, events(b, loadEvents/2), number(b, "LOAD_ROUNDS", awayRounds)
	seconds, rate := number(b, "LOAD_AWAY", awaySeconds), number(b, "LOAD_RATE", awayRate)
	r.pipeline(b, n, loadBatch, loadInFlight) // compiles what matters
	for range inRounds(b, rounds) {
		full := r.pipeline(b, n, loadBatch, loadInFlight)
		s.watch("full load", full.spent, full.took)
		s.add(lineFull, "≤ 250", mebibytes(full.memory))
		s.add("events a second at full load", "", full.rate())
		r.outage(b, s, gate, rate, seconds)
	}
	about := fmt.Sprintf("memory, %d rounds of %d events at full load and %d s without Elasticsearch at %d a second", rounds, n, seconds, rate)
	s.publish(b, r.machine, about, metric{"full-MiB", lineFull}, metric{"last-of-first", lineFlat})
}

// Lines that are looked up by name.
const (
	lineFull = "the most at full load, MiB"
	lineFlat = "last third, of the first"
)

func mebibytes(n int) float64 { return float64(n) / (1 << 20) }

// outage shuts the way to Elasticsearch, sends for so many seconds, opens it, and waits until everything is searchable.
func (r *rig) outage(b *testing.B, s *sheet, gate *harness.Gate, rate, seconds int) {
	b.Helper()
	url, token, namespace := r.endpoint(b)
	bodies, before := r.deliveries(rate*seconds, loadBatch), r.indexed(b)
	n := len(bodies) * loadBatch
	gate.Close()
	memory, start, begin := r.machine.sampleMemory(b, r.up.PID), r.now(b), time.Now()
	seen, err := postPaced(b.Context(), url, token, bodies, float64(rate)/loadBatch, len(bodies))
	all := memory()
	gate.Open()
	if err != nil {
		b.Fatal(err)
	}
	s.watch("Elasticsearch away", r.now(b).minus(start), time.Since(begin))
	if held := r.indexed(b) - before; held > 0 {
		b.Fatalf("%d events were indexed while Elasticsearch was away", held)
	}
	peak, back := r.machine.watchMemory(b, r.up.PID), time.Now()
	harness.Await(b, 10*time.Minute, "what waited is indexed", func() bool { return r.indexed(b)-before >= n })
	took := time.Since(back)
	if err := r.elastic.Refresh(b.Context(), period.Alias(namespace)); err != nil {
		b.Fatal(err)
	}
	if found, err := r.elastic.Count(b.Context(), period.Alias(namespace), nil); err != nil || int(found) != n {
		b.Fatalf("%d events were acknowledged and %d are searchable: %v", n, found, err)
	}
	thirds := slices.Collect(slices.Chunk(all, max(1, (len(all)+2)/3)))
	first, last := middleOf(thirds[0]), middleOf(thirds[len(thirds)-1])
	s.add("Elasticsearch away, median of the first third, MiB", "", mebibytes(first))
	s.add("Elasticsearch away, median of the second third, MiB", "", mebibytes(middleOf(thirds[len(thirds)/2])))
	s.add("Elasticsearch away, median of the last third, MiB", "", mebibytes(last))
	s.add(lineFlat, "≤ 1.1", float64(last)/float64(first))
	s.add("the most while Elasticsearch was away, MiB", "≤ 250", mebibytes(slices.Max(all)))
	s.add("the most while catching up, MiB", "≤ 250", mebibytes(peak()))
	s.add("events a second while catching up", "", float64(n)/took.Seconds())
	s.add("p99 of an answer while Elasticsearch was away, ms", "", millis(part(seen.latencies, 0.99)))
	r.drop(b, namespace)
}

func middleOf(values []int) int {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
