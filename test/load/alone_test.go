package load_test

import (
	"fmt"
	"testing"

	"github.com/sluicelog/sluice/shared/period"
)

// How the all-in-one is loaded where nothing else works beside it.
const (
	aloneRounds = 5
	aloneEvents = 300_000
)

// BenchmarkAlone measures what an event costs Sluice itself, all of it in one process with NATS, where no Elasticsearch has the
// other half of the processors: behind a fake sink, which answers bulk requests and stores nothing. What it takes beyond that
// beside Elasticsearch (BenchmarkSearchable) is the price of sharing processors and their caches. The first round is not
// counted.
//
// LOAD_ROUNDS and LOAD_EVENTS change how much; LOAD_PROFILE names a folder for profiles of each round.
func BenchmarkAlone(b *testing.B) {
	measureAlone(b, manner{batch: loadBatch, inFlight: loadInFlight, events: aloneEvents})
}

// BenchmarkAloneSingles is BenchmarkAlone with deliveries of one event, 32 at a time.
func BenchmarkAloneSingles(b *testing.B) { measureAlone(b, ones()) }

func measureAlone(b *testing.B, m manner) {
	b.Helper()
	fake := startSink(b)
	r := startRigOn(b, fake.url, 0)
	s, n, rounds := &sheet{}, events(b, m.events), number(b, "LOAD_ROUNDS", aloneRounds)
	arrived := func(namespace string) (int, error) { return fake.in(period.Alias(namespace)), nil }
	round := func(s *sheet) stretch {
		wait := func() shares { return shares{} }
		done := r.sent(b, s, "fake sink", r.deliveries(n, m.batch), arrived, func(url, token string, bodies [][]byte) error {
			wait = r.profile(b)
			_, err := postAll(url, token, bodies, m.inFlight)
			return err
		})
		done.shares = wait()
		return done
	}
	round(&sheet{})
	for range inRounds(b, rounds) {
		done := round(s)
		s.add("fake sink: events a second, until indexed", "", done.rate())
		s.add("fake sink: acknowledged events a second meanwhile", "", float64(n)/done.acked.Seconds())
		s.add(lineItself, "", done.million(done.spent.sluice))
		s.account(done.shares, done.million(done.spent.sluice))
		s.add("fake sink: CPU-s a million: the sink and the load generator", "", done.million(done.spent.generator))
		s.add("fake sink: memory of Sluice, MiB", "", float64(done.memory)/(1<<20))
	}
	s.publish(b, r.machine, fmt.Sprintf("Sluice by itself, behind a fake sink, %d rounds of %d events, %d in a delivery, %d deliveries at a time", rounds, n, m.batch, m.inFlight), metric{"sluice-cpu-s/M", lineItself})
}

// lineItself is looked up by name.
const lineItself = "fake sink: CPU-s a million: Sluice, with NATS"
