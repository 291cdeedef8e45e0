package load_test

import (
	"fmt"
	"testing"

	"github.com/sluicelog/sluice/shared/period"
)

// A burst.
const (
	burstRounds = 3
	burstEvents = 500_000
)

// container is what holds the all-in-one when a burst comes.
type container struct {
	name   string
	memory int // MiB; 0: as much as there is
}

func containers() []container {
	return []container{{name: "no limit"}, {"512 MiB", 512}, {"256 MiB", 256}}
}

func (c container) env() []string {
	if c.memory == 0 {
		return nil
	}
	return []string{within(c.memory)}
}

// BenchmarkBurst measures the memory of the all-in-one when events come as fast as it takes them and all processors are its:
// JetStream keeps in memory what it wrote in the last ten seconds, so the all-in-one slows down what it stores where its
// container is small. It stands behind a fake sink, which answers bulk requests and stores nothing. The benchmark fails when more
// is resident than the container has.
//
// LOAD_ROUNDS and LOAD_EVENTS change how much.
func BenchmarkBurst(b *testing.B) {
	s, n, rounds := &sheet{}, events(b, burstEvents), number(b, "LOAD_ROUNDS", burstRounds)
	m := openMachine(b)
	for _, c := range containers() {
		fake := startSink(b)
		r := startRigOn(b, fake.url, 0, c.env()...)
		arrived := func(namespace string) (int, error) { return fake.in(period.Alias(namespace)), nil }
		for range inRounds(b, rounds, c.name) {
			r.burst(b, s, c, r.deliveries(n, loadBatch), arrived)
		}
		r.up.Stop()
	}
	about := fmt.Sprintf("bursts against a container's memory, %d rounds of %d events, %d in a delivery, %d deliveries at a time", rounds, n, loadBatch, loadInFlight)
	s.publish(b, m, about, metric{"MiB", "fake sink, 256 MiB: " + lineBurst})
}

// lineBurst is looked up by name.
const lineBurst = "resident memory, MiB"

// burst is one round.
func (r *rig) burst(b *testing.B, s *sheet, c container, bodies [][]byte, arrived func(namespace string) (int, error)) {
	b.Helper()
	const waits = `sluice_stream_cache_wait_seconds_total`
	waited := r.metric(b, waits)
	var p99, longest float64
	done := r.sent(b, s, "a burst", bodies, arrived, func(url, token string, bodies [][]byte) error {
		latencies, err := postAll(url, token, bodies, loadInFlight)
		p99, longest = millis(part(latencies, 0.99)), millis(part(latencies, 1))
		return err
	})
	target := ""
	if c.memory > 0 {
		target = fmt.Sprintf("≤ %d", c.memory)
		if done.memory>>20 >= c.memory {
			b.Errorf("%s: %d MiB were resident", c.name, done.memory>>20)
		}
	}
	add := func(name, target string, value float64) { s.add("fake sink, "+c.name+": "+name, target, value) }
	add(lineBurst, target, float64(done.memory)/(1<<20))
	add("acknowledged events a second", "", float64(done.events)/done.acked.Seconds())
	add("events a second, until indexed", "", done.rate())
	add("p99 of an answer, ms", "", p99)
	add("the longest answer, ms", "", longest)
	add("seconds that messages waited, all together", "", r.metric(b, waits)-waited)
}
