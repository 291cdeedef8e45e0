package load_test

import (
	"fmt"
	"testing"
	"time"
)

// How often and for how long a paced load runs.
const (
	answerRounds  = 3
	answerSeconds = 8
)

// BenchmarkAnswers measures how long an answer takes at half of the rate that is sustained, in units of one fsync: the
// median time of appending as much as a message of the receiver's stream holds to a file on the same disk, and of syncing
// it, while nothing else runs. The receiver is that of BenchmarkAcks. Each round finds the sustained rate as
// BenchmarkAcks does, and then sends half of it at a fixed schedule. A latency runs from the moment at which a delivery was
// to be sent, so what the load generator is late by counts, too; how much that is has a line of its own. Lines of
// their own have also bare JetStream at the same rate of messages of these sizes, and the disk, with nothing but fsyncs of
// these sizes at this rate: where those are slow at times, no receiver can help it.
//
// LOAD_ROUNDS, LOAD_EVENTS (for the sustained rate) and LOAD_SECONDS (of the paced load) change how much.
func BenchmarkAnswers(b *testing.B) {
	b.Run("hundreds", func(b *testing.B) { measureAnswers(b, hundreds()) })
	b.Run("ones", func(b *testing.B) { measureAnswers(b, ones()) })
}

func measureAnswers(b *testing.B, m manner) {
	b.Helper()
	m.events = events(b, m.events/2)
	m.plain = min(m.plain, m.events)
	r, s := startAckRig(b, m), &sheet{}
	r.acked(b, &sheet{}, m) // fills caches and files
	rounds, seconds := number(b, "LOAD_ROUNDS", answerRounds), number(b, "LOAD_SECONDS", answerSeconds)
	for range inRounds(b, rounds) {
		r.answers(b, s, m, seconds)
	}
	about := fmt.Sprintf("answers at half of the sustained rate, %d rounds of %d s, %d in a delivery; the sustained rate with %d deliveries at a time", rounds, seconds, m.batch, m.inFlight)
	s.publish(b, r.machine, about, metric{"p99-fsyncs", lineAnswerP99}, metric{"acked/s", lineSustained})
}

// Lines that are looked up by name.
const (
	lineAnswerP99 = "p99 of an answer, in fsyncs"
	lineSustained = "sustained events a second"
)

// answers is one round.
func (r *ackRig) answers(b *testing.B, s *sheet, m manner, seconds int) {
	b.Helper()
	sustained := r.acked(b, s, m)
	rate := sustained.rate() / 2 / float64(m.batch)
	n := int(rate * float64(seconds))
	seen := r.paced(b, s, rate, n)
	messages, size := r.readBack(b)
	fsync := fsyncTime(b, r.dir, size/messages)
	units := func(d time.Duration) float64 { return d.Seconds() / fsync.Seconds() }
	messageRate := rate * float64(messages) / float64(n)
	disk, bare := fsyncPaced(b, r.dir, size/messages, messageRate, messages), r.paceBare(b, s, messageRate, messages)
	s.add(lineAnswerP99, "≤ 4", units(part(seen.latencies, 0.99)))
	s.add("p50 of an answer, in fsyncs", "", units(part(seen.latencies, 0.5)))
	s.add("p99 of bare JetStream at the same rate of messages, in fsyncs", "", units(bare.P99))
	s.add("p50 of bare JetStream at the same rate of messages, in fsyncs", "", units(bare.P50))
	s.add("p99 of an fsync at the same rate of messages and by itself, in fsyncs", "", units(part(disk.latencies, 0.99)))
	s.add("an fsync, ms", "", fsync.Seconds()*1000)
	s.add("p99 of an answer, ms", "", millis(part(seen.latencies, 0.99)))
	s.add("p99 of what the load generator was late by, ms", "", millis(part(seen.late, 0.99)))
	s.add("deliveries a second", "", rate)
	s.add(lineSustained, "", sustained.rate())
	s.add("deliveries in a message", "", float64(n)/float64(messages))
}

// paced sends n deliveries to a receiver whose stream is empty.
func (r *ackRig) paced(b *testing.B, s *sheet, rate float64, n int) paced {
	b.Helper()
	if err := purge(b.Context(), r.js, r.dir); err != nil {
		b.Fatal(err)
	}
	start, begin := r.machine.now(b, r.receiver.pid, 0), time.Now()
	seen, err := postPaced(b.Context(), r.URL, r.Token, r.bodies, rate, n)
	if err != nil {
		b.Fatal(err)
	}
	s.watch("receiver at half", r.machine.now(b, r.receiver.pid, 0).minus(start), time.Since(begin))
	return seen
}
