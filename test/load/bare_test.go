package load_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// bareRepeats is how often the HTTP sink gets each large body in a round: it takes them too fast for the kernel's clocks.
const bareRepeats = 8

// BenchmarkBare measures nothing of Sluice: it says how fast this machine is beside the one that the targets were set on,
// whose figures stand in the last column. The HTTP sink reads bodies and answers 200, in a process of its own; bare
// JetStream is that of BenchmarkAcks.
//
// LOAD_ROUNDS and LOAD_EVENTS change how much.
func BenchmarkBare(b *testing.B) {
	m := hundreds()
	m.events = events(b, m.events)
	m.plain = m.events
	r, s := startAckRig(b, m), &sheet{}
	singles := deliveriesOf(2, m.events/3, 1)
	if err := writePlain(r.path("singles"), singles[:min(ones().plain, len(singles))]); err != nil {
		b.Fatal(err)
	}
	rounds := number(b, "LOAD_ROUNDS", loadRounds)
	r.bareRound(b, &sheet{}, m, singles) // fills caches and files
	for range inRounds(b, rounds) {
		r.bareRound(b, s, m, singles)
	}
	about := fmt.Sprintf("this machine without Sluice, %d rounds of %d events; the last column is the machine on which the targets were set", rounds, m.events)
	s.publish(b, r.machine, about, metric{"http/s", lineHTTP}, metric{"jetstream/s", lineStream})
}

// Lines that are looked up by name.
const (
	lineHTTP   = "events a second, HTTP sink, 100 in a body"
	lineStream = "events a second, JetStream, 100 in a message"
)

func (r *ackRig) bareRound(b *testing.B, s *sheet, m manner, singles [][]byte) {
	b.Helper()
	large := r.bareHTTP(b, s, slices.Repeat(r.bodies, bareRepeats), m.events*bareRepeats, hundreds().inFlight)
	small := r.bareHTTP(b, s, singles, len(singles), ones().inFlight)
	messages := r.published(b, s, "plain", m, m.events)
	one := r.published(b, s, "singles", ones(), min(ones().plain, len(singles)))
	s.add(lineHTTP, "1000000", large.rate())
	s.add("CPU-s a million: HTTP sink, 100 in a body", "0.6", large.million(large.spent.sluice))
	s.add("events a second, HTTP sink, one in a body", "64000", small.rate())
	s.add("CPU-s a million: HTTP sink, one in a body", "15", small.million(small.spent.sluice))
	s.add("CPU-s a million: the load generator, one in a body", "", small.million(small.spent.generator))
	s.add(lineStream, "185000", messages.rate())
	s.add("CPU-s a million: JetStream, 100 in a message", "5", messages.million(messages.spent.sluice))
	s.add("events a second, JetStream, one in a message, 32 at a time", "5600", one.rate())
	s.add("CPU-s a million: JetStream, one in a message", "110", one.million(one.spent.sluice))
	s.add("an fsync of 4 KiB, ms", "0.2", fsyncTime(b, r.dir, 4<<10).Seconds()*1000)
}

// bareHTTP sends all bodies to the HTTP sink.
func (r *ackRig) bareHTTP(b *testing.B, s *sheet, bodies [][]byte, n, inFlight int) stretch {
	b.Helper()
	if r.http == nil {
		r.http = cast(b, "http", &r.httpURL)
	}
	start, begin := r.machine.now(b, r.http.pid, 0), time.Now()
	if _, err := postAll(r.httpURL, "nobody asks", bodies, inFlight); err != nil {
		b.Fatal(err)
	}
	done := stretch{events: n, took: time.Since(begin)}
	done.spent = r.machine.now(b, r.http.pid, 0).minus(start)
	s.watch("HTTP sink", done.spent, done.took)
	return done
}
