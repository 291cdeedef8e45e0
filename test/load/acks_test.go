package load_test

import (
	"fmt"
	"testing"
)

// manner is how deliveries are sent.
type manner struct {
	batch, inFlight int
	events          int // of a round
	plain           int // of them, as messages of their own published to bare JetStream
}

// hundreds and ones are the two manners whose acknowledgements have targets.
func hundreds() manner { return manner{batch: 100, inFlight: 8, events: 300_000, plain: 300_000} }
func ones() manner     { return manner{batch: 1, inFlight: 32, events: 60_000, plain: 20_000} }

// Lines that are looked up by name.
const (
	lineAcked    = "acknowledged events a second"
	lineOfSame   = "acknowledged, of bare JetStream with the same messages"
	lineOfPlain  = "acknowledged, of bare JetStream with a message for each delivery"
	linePlain    = "events a second, bare JetStream, a message for each delivery"
	lineAckedCPU = "CPU-s a million: receiver with NATS"
)

// BenchmarkAcks measures events acknowledged, on disk, with nothing behind the receiver: deliveries of 100 events in
// JSON lines, 8 at a time, against what bare JetStream takes.
//
// The receiver and its embedded NATS server run in one process, wired as in the all-in-one (no socket between them, sync
// always); the load comes over HTTP from this one. Bare JetStream is the same server with the same streams in another
// process, and eight goroutines that publish through the same kind of connection. They publish the very messages,
// headers and payloads, that the receiver's stream holds after the round, read back from it; and also each delivery as one
// message, as it is. The target is for both: a receiver packs and groups what it stores, so with the very same messages
// as many of them are under way, but more deliveries, packed by nobody. Both have the processors of this machine, but only the receiver shares them with the
// load generator. Rounds alternate.
//
// LOAD_ROUNDS and LOAD_EVENTS change how much, LOAD_ANYWAY and LOAD_RESULTS are as in BenchmarkSearchable.
func BenchmarkAcks(b *testing.B) {
	measureAcks(b, hundreds(), map[string]string{lineOfSame: "≥ 0.70", lineOfPlain: "≥ 0.70"})
}

// BenchmarkAcksSingle is BenchmarkAcks with deliveries of one event, 32 at a time: here committing together pays, so
// what counts is the comparison with one message, and one sync, for each delivery.
func BenchmarkAcksSingle(b *testing.B) {
	measureAcks(b, ones(), map[string]string{lineOfPlain: "≥ 3", lineAcked: "(goal 20000)", lineOfSame: ""})
}

func measureAcks(b *testing.B, m manner, targets map[string]string) {
	b.Helper()
	m.events = events(b, m.events)
	m.plain = min(m.plain, m.events)
	r := startAckRig(b, m)
	r.round(b, &sheet{}, m, nil) // compiles nothing, but fills caches and files
	s, rounds := &sheet{}, number(b, "LOAD_ROUNDS", loadRounds)
	for range inRounds(b, rounds) {
		r.round(b, s, m, targets)
	}
	about := fmt.Sprintf("acknowledgements without workers, %d rounds of %d events, %d in a delivery, %d deliveries at a time", rounds, m.events, m.batch, m.inFlight)
	s.publish(b, r.machine, about, metric{"of-same", lineOfSame}, metric{"of-plain", lineOfPlain}, metric{"acked/s", lineAcked}, metric{"cpu-s/M", lineAckedCPU})
}

// round measures the receiver, then bare JetStream with what the receiver stored, then with a message for each delivery.
func (r *ackRig) round(b *testing.B, s *sheet, m manner, targets map[string]string) {
	b.Helper()
	acked := r.acked(b, s, m)
	messages, size := r.readBack(b)
	same, plain := r.published(b, s, "same", m, m.events), r.published(b, s, "plain", m, m.plain)
	add := func(name string, value float64) { s.add(name, targets[name], value) }
	add(lineOfSame, acked.rate()/same.rate())
	add(lineOfPlain, acked.rate()/plain.rate())
	add(lineAcked, acked.rate())
	add("events a second, bare JetStream, the same messages", same.rate())
	add(linePlain, plain.rate())
	add(lineAckedCPU, acked.million(acked.spent.sluice))
	add("CPU-s a million: bare JetStream, the same messages", same.million(same.spent.sluice))
	add("CPU-s a million: bare JetStream, a message for each delivery", plain.million(plain.spent.sluice))
	add("CPU-s a million: the load generator", acked.million(acked.spent.generator))
	add("p99 of an acknowledgement, ms", millis(acked.p99))
	add("p99 of bare JetStream, the same messages, ms", millis(same.p99))
	add("events in a message", float64(m.events)/float64(messages))
	add("stored bytes of an event", float64(size)/float64(m.events))
}
