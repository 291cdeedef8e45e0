// Package load_test measures how fast Sluice acknowledges and indexes on this machine, beside what the same
// Elasticsearch takes when it is fed the same documents directly. Machines differ and are noisy: read the ratios.
package load_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// The usual sizes of a run.
const (
	loadEvents    = 200_000 // of a round
	loadSamples   = 20_000  // different documents, of which the direct load makes its copies
	loadWarmUp    = 600_000 // documents, before which a JVM is a third to a half slower
	loadRounds    = 5
	loadBatch     = 100
	loadInFlight  = 8
	loadDirect    = 3 // bulk requests of the direct load at a time
	loadBodyBytes = 4 << 20
)

// events is how many events a run takes; LOAD_EVENTS changes it.
func events(b *testing.B, usual int) int {
	b.Helper()
	text := os.Getenv("LOAD_EVENTS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("LOAD_EVENTS=%q: want a number", text)
	}
	return n
}

// BenchmarkSearchable runs the direct load and the all-in-one in turns, each into a fresh index of one Elasticsearch, and
// compares them. Everything runs on the processors of this machine.
//
// LOAD_ROUNDS, LOAD_EVENTS and LOAD_WARMUP change how much; LOAD_ANYWAY=1 reports from a busy machine too, and
// LOAD_RESULTS names a file to which the table is appended, LOAD_PROFILE a folder, which must be there, for
// profiles of each round; they cost time of their own. Paths are best absolute: a relative one begins in test/load.
func BenchmarkSearchable(b *testing.B) {
	r := startRig(b)
	c := comparison{batch: loadBatch, inFlight: loadInFlight, targets: map[string]string{lineShare: "≥ 0.70", lineSluice: "≤ 25", lineMemory: "≤ 250"}}
	r.compare(b, &c, events(b, loadEvents))
	c.publish(b, r)
}

// contained is the container of BenchmarkContained, in MiB.
const contained = 256

// BenchmarkContained is BenchmarkSearchable with an all-in-one that has a container of 256 MiB: where events come faster than
// they are indexed it answers later, to keep within that. The benchmark fails when it does not.
func BenchmarkContained(b *testing.B) {
	r := startRig(b, within(contained))
	c := comparison{
		batch: loadBatch, inFlight: loadInFlight, where: fmt.Sprintf("in a container of %d MiB, ", contained),
		targets: map[string]string{lineShare: "≥ 0.70", lineSluice: "≤ 25", lineMemory: "≤ 250"},
	}
	r.compare(b, &c, events(b, loadEvents))
	for _, piped := range c.piped {
		if piped.memory>>20 >= contained {
			b.Errorf("%d MiB were resident", piped.memory>>20)
		}
	}
	c.publish(b, r)
}

// compare runs the rounds, after the warm-up.
func (r *rig) compare(b *testing.B, c *comparison, n int) {
	b.Helper()
	docs := r.samples(b, loadSamples)
	r.warmUp(b, docs)
	for round := range inRounds(b, number(b, "LOAD_ROUNDS", loadRounds)) {
		direct := r.direct(b, docs, n)
		c.yard = append(c.yard, yardstick())
		piped := r.pipeline(b, n, c.batch, c.inFlight)
		c.yard = append(c.yard, yardstick())
		tell(b, "round %d: %.0f a second directly, %.0f through Sluice", round+1, direct.rate(), piped.rate())
		c.direct, c.piped = append(c.direct, direct), append(c.piped, piped)
	}
}

// stretch is one measured stretch of a round.
type stretch struct {
	events int
	took   time.Duration // until the last event was searchable
	acked  time.Duration // until the last delivery was acknowledged
	p99    time.Duration // of a delivery's answer
	spent  spent
	bytes  float64 // of a document
	memory int     // bytes, the most that Sluice had
	shares shares  // of its processor time, where it was profiled
}

// rate is events a second.
func (s stretch) rate() float64 { return float64(s.events) / s.took.Seconds() }

// million scales a figure of the stretch to a million events.
func (s stretch) million(seconds float64) float64 { return seconds * 1e6 / float64(s.events) }
