package load_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/test/harness"
)

// ackRig is a receiver without workers and bare JetStream, each in a process of its own.
type ackRig struct {
	machine  machine
	dir      string // of the messages
	bodies   [][]byte
	receiver *actor
	receiving
	js     jetstream.JetStream // the receiver's
	bare   *actor
	serial int

	http    *actor // nil until it is needed
	httpURL string
}

func startAckRig(b *testing.B, m manner) *ackRig {
	b.Helper()
	r := &ackRig{machine: openMachine(b), dir: harness.Dir(b), bodies: deliveriesOf(1, m.events, m.batch)}
	r.receiver = cast(b, "receiver", &r.receiving)
	nc, err := nats.Connect(r.NATS)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(nc.Close)
	if r.js, err = jetstream.New(nc); err != nil {
		b.Fatal(err)
	}
	r.bare = cast(b, "jetstream", &struct{}{})
	if err := writePlain(r.path("plain"), r.bodies[:m.plain/m.batch]); err != nil {
		b.Fatal(err)
	}
	return r
}

// path is a file of messages.
func (r *ackRig) path(name string) string { return filepath.Join(r.dir, name) }

// writePlain writes each body as one message.
func writePlain(path string, bodies [][]byte) error {
	list := make([]message, len(bodies))
	for i := range list {
		list[i].Header = nats.Header{jetstream.MsgIDHeader: {fmt.Sprintf("%026d", i)}}
	}
	return writeStored(path, list, func(n int) []byte { return bodies[n] })
}

// acked sends all deliveries to a receiver whose stream is empty.
func (r *ackRig) acked(b *testing.B, s *sheet, m manner) stretch {
	b.Helper()
	if err := purge(b.Context(), r.js, r.dir); err != nil {
		b.Fatal(err)
	}
	start, begin := r.machine.now(b, r.receiver.pid, 0), time.Now()
	latencies, err := postAll(r.URL, r.Token, r.bodies, m.inFlight)
	if err != nil {
		b.Fatal(err)
	}
	done := stretch{events: m.events, took: time.Since(begin), p99: part(latencies, 0.99)}
	done.spent = r.machine.now(b, r.receiver.pid, 0).minus(start)
	s.watch("receiver", done.spent, done.took)
	return done
}

// readBack writes what the receiver stored into the file "same", and returns how many messages and bytes that is.
func (r *ackRig) readBack(b *testing.B) (messages, size int) {
	b.Helper()
	held, err := r.js.Stream(b.Context(), stream.Deliveries)
	if err != nil {
		b.Fatal(err)
	}
	state := held.CachedInfo().State
	var list []message
	var payloads [][]byte
	for at := state.FirstSeq; at <= state.LastSeq; at++ {
		m, err := held.GetMsg(b.Context(), at)
		if err != nil {
			b.Fatal(err)
		}
		list, payloads = append(list, message{Header: m.Header}), append(payloads, m.Data)
	}
	if len(list) == 0 {
		b.Fatal("the receiver has stored nothing")
	}
	if err := writeStored(r.path("same"), list, func(n int) []byte { return payloads[n] }); err != nil {
		b.Fatal(err)
	}
	return len(list), int(state.Bytes)
}

// published publishes the messages of a file, which hold n events, to bare JetStream.
func (r *ackRig) published(b *testing.B, s *sheet, file string, m manner, n int) stretch {
	b.Helper()
	done, used := r.perform(b, s, score{File: r.path(file), InFlight: m.inFlight})
	return stretch{events: n, took: done.Took, p99: done.P99, spent: used}
}

// paceBare publishes what the receiver stored, so many messages a second.
func (r *ackRig) paceBare(b *testing.B, s *sheet, rate float64, messages int) played {
	b.Helper()
	done, _ := r.perform(b, s, score{File: r.path("same"), Rate: rate, Count: messages})
	return done
}

// perform lets bare JetStream publish.
func (r *ackRig) perform(b *testing.B, s *sheet, what score) (played, spent) {
	b.Helper()
	r.serial++
	what.Serial = r.serial
	var done played
	start, begin := r.machine.now(b, r.bare.pid, 0), time.Now()
	r.bare.ask(b, what, &done)
	used := r.machine.now(b, r.bare.pid, 0).minus(start)
	s.watch("bare JetStream", used, time.Since(begin))
	used.sluice = done.CPU // without what it took to read the file
	return done, used
}
