package stream_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// mortal is an instance of a service with a connection of its own.
type mortal struct {
	*stream.Inbox
	conn *stream.Conn
	dead chan struct{} // closed when it has died
}

// mortal works on a consumer as handle says. It dies, as by kill -9, in the middle of message number last; 0 lets it live.
func (y *yard) mortal(name, consumer string, last int, handle func(*stream.Conn, *stream.Message)) *mortal {
	y.t.Helper()
	conn, err := stream.Open(y.t.Context(), "mortal", y.srv.Config(), slog.New(slog.DiscardHandler))
	if err != nil {
		y.t.Fatal(err)
	}
	in, err := conn.Inbox(y.t.Context(), name, consumer, 1<<20)
	if err != nil {
		y.t.Fatal(err)
	}
	m := &mortal{Inbox: in, conn: conn, dead: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	y.t.Cleanup(func() { cancel(); <-ended; conn.Close() })
	go func() { defer close(ended); _ = in.Run(ctx) }() // never fails
	go func() {
		for n := 1; ; n++ {
			batch, err := in.Next(ctx, stream.Want{Count: 1, Bytes: 1})
			if err != nil {
				return
			}
			handle(conn, batch[0])
			if n == last {
				conn.Close()
				batch[0].Retry(0) // reaches nobody any more
				cancel()
				close(m.dead)
				return
			}
			batch[0].Done()
		}
	}()
	return m
}

// impatient lets a consumer hand a message out again after a second, also one that somebody still works on.
func (y *yard) impatient(name, consumer string) {
	y.t.Helper()
	c, err := y.raw().Consumer(y.t.Context(), name, consumer)
	if err != nil {
		y.t.Fatal(err)
	}
	cfg := c.CachedInfo().Config
	cfg.AckWait = time.Second
	if _, err := y.raw().UpdateConsumer(y.t.Context(), name, cfg); err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) ledger() stream.Ledger {
	y.t.Helper()
	l, err := y.conn.Ledger(y.t.Context())
	if err != nil {
		y.t.Fatal(err)
	}
	return l
}

// TestTheLedgerIsExactWhoeverDiesWhen has enrichers and indexers die in the middle of their work, again and again, and
// janitors that forget everything after each round. Deliveries are enriched and stored several times on the way.
func TestTheLedgerIsExactWhoeverDiesWhen(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	y := newYard(t, "shop")
	state, err := y.conn.State(t.Context(), stream.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	y.impatient(stream.Deliveries, stream.Enricher)
	y.impatient(stream.Documents, stream.Indexer("shop"))
	const messages = 60
	y.publish(stream.SubjectDeliveries, messages)
	enrich := func(conn *stream.Conn, m *stream.Message) {
		for number := range 2 {
			part := stream.NewPart(state.Created, m.Sequence, number).String()
			_, _ = conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDocuments("shop"), Header: stream.Header{"Part": part}, Data: []byte("documents")}) // a dead one's fails
		}
		m.Count(stream.Part{}, []stream.Count{{"a", stream.BecameDocument, 6}, {"a", stream.BecameDead, 1}, {"b", stream.BecameExpired, 2}})
	}
	index := func(_ *stream.Conn, m *stream.Message) {
		m.Count(stream.ParsePart(m.Header["Part"]), []stream.Count{{"a", stream.BecameIndexed, 2}, {"a", stream.BecameDuplicate, 1}})
	}
	for range 3 {
		life := 3 + dice.IntN(12)
		e := y.mortal(stream.Deliveries, stream.Enricher, life, enrich)
		i := y.mortal(stream.Documents, stream.Indexer("shop"), 3+dice.IntN(life), index) // it gets two messages for each of the other's
		<-e.dead
		<-i.dead
	}
	e := y.mortal(stream.Deliveries, stream.Enricher, 0, enrich)
	i := y.mortal(stream.Documents, stream.Indexer("shop"), 0, index)
	deliveries, documents := y.janitor(stream.Deliveries, e.Inbox), y.janitor(stream.Documents, i.Inbox)
	rounds := 0
	y.await("both streams are accounted for", func() bool {
		if rounds++; rounds%25 == 0 { // janitors die, too
			deliveries, documents = y.janitor(stream.Deliveries, e.Inbox), y.janitor(stream.Documents, i.Inbox)
		}
		y.sweep(deliveries, 4*time.Second)
		y.sweep(documents, 0)
		l := y.ledger()
		return l.Drained() && l.Deliveries.Last >= messages
	})
	l := y.ledger()
	want := map[string]stream.LedgerEntry{
		"a": {Endpoint: "a", Received: 7 * messages, Documents: 6 * messages, Dead: messages, Indexed: 4 * messages, Duplicate: 2 * messages},
		"b": {Endpoint: "b", Received: 2 * messages, Expired: 2 * messages},
	}
	for _, got := range l.Entries {
		stored := got.Repeated
		got.Repeated = 0
		if got != want[got.Endpoint] {
			t.Errorf("%+v, want %+v", got, want[got.Endpoint])
		}
		t.Logf("endpoint %s: %d documents were stored twice", got.Endpoint, stored)
	}
	if len(l.Entries) != 2 || l.Uncounted != 0 {
		t.Errorf("%+v", l)
	}
	var audit stream.Audit
	audit.Compare(l)
	if diff := audit.Compare(y.ledger()); diff["a"] != 0 || diff["b"] != 0 || diff == nil {
		t.Errorf("a difference: %v", diff)
	}
}

// TestTheLedgerHoldsAsManyEndpointsAsAreToldApart has an account whose sums are compressed.
func TestTheLedgerHoldsAsManyEndpointsAsAreToldApart(t *testing.T) {
	y := newYard(t, "shop")
	const messages, each, events = 250, 20, uint64(1 << 58)
	y.publish(stream.SubjectDocuments("shop"), messages)
	in := y.mortal(stream.Documents, stream.Indexer("shop"), 0, func(_ *stream.Conn, m *stream.Message) {
		var counts []stream.Count
		for i := range uint64(each) {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, m.Sequence*each+i))
			for at, became := range []string{stream.BecameIndexed, stream.BecameReplayed} {
				counts = append(counts, stream.Count{hex.EncodeToString(sum[:])[1:], became, events + binary.BigEndian.Uint64(sum[6*at:])>>6})
			}
		}
		m.Count(stream.Part{}, counts)
	})
	y.await("all is finished", func() bool {
		at, err := y.conn.Progress(t.Context(), stream.Documents, stream.Indexer("shop"))
		return err == nil && at.Done == messages
	})
	j := y.janitor(stream.Documents, in.Inbox)
	var l stream.Ledger
	y.await("all is accounted for", func() bool {
		_ = j.Sweep(t.Context(), y.now) // a round has its time, and another one begins again
		l = y.ledger()
		return l.Drained()
	})
	if l.Uncounted != 0 || len(l.Entries) != messages*each {
		t.Fatalf("%d endpoints, %d messages without a count", len(l.Entries), l.Uncounted)
	}
	for _, e := range l.Entries {
		for _, n := range []uint64{e.Indexed, e.Documents} {
			if n < events || n >= 2*events {
				t.Fatalf("%+v", e)
			}
		}
	}
}

// janitor is one that knows a worker.
func (y *yard) janitor(name string, in *stream.Inbox) *stream.Janitor {
	j := y.conn.NewJanitor(name, 0)
	j.Attach(in)
	return j
}

func TestAnAuditNamesWhatCameToNoEnd(t *testing.T) {
	entry := func(made, indexed uint64) []stream.LedgerEntry {
		return []stream.LedgerEntry{{Endpoint: "a", Documents: made, Indexed: indexed, InFlight: int64(made) - int64(indexed)}}
	}
	var audit stream.Audit
	audit.Compare(stream.Ledger{Entries: entry(100, 60), Deliveries: stream.Reach{Covered: 9, Last: 10}, Documents: stream.Reach{Covered: 40, Last: 80}})
	if diff := audit.Compare(stream.Ledger{Entries: entry(120, 90), Deliveries: stream.Reach{Covered: 10, Last: 11}, Documents: stream.Reach{Covered: 79, Last: 99}}); diff["a"] != 0 {
		t.Errorf("what is on its way is missed: %v", diff)
	}
	if diff := audit.Compare(stream.Ledger{Entries: entry(130, 97), Deliveries: stream.Reach{Covered: 11, Last: 12}, Documents: stream.Reach{Covered: 85, Last: 99}}); diff["a"] != 3 {
		t.Errorf("at least 3 of the first 100 are missing, and it says %v", diff)
	}
	if diff := audit.Compare(stream.Ledger{Entries: entry(140, 135), Deliveries: stream.Reach{Covered: 12, Last: 12}, Documents: stream.Reach{Covered: 120, Last: 120}}); diff["a"] != 5 {
		t.Errorf("5 are missing with nothing on its way, and it says %v", diff)
	}
	if diff := audit.Compare(stream.Ledger{Entries: entry(140, 135), Uncounted: 1}); diff["a"] != 5 {
		t.Errorf("with a message that nobody counted it forgets what it knew and says %v", diff)
	}
	if diff := new(stream.Audit).Compare(stream.Ledger{Entries: entry(140, 135), Documents: stream.Reach{Last: 1}, Uncounted: 1}); diff != nil {
		t.Errorf("it cannot tell, and says %v", diff)
	}
}

// flow is a stream of deliveries with a message of documents for each, both accounted for up to some place.
type flow struct {
	dice            *rand.Rand
	messages        []flowing
	inUpTo, outUpTo int
}

// flowing is one delivery and its message of documents.
type flowing struct {
	made, ended       uint64
	inBlank, outBlank bool // nobody counted it
}

// step lets messages come and both accounts move on, documents not beyond what was stored.
func (f *flow) step(come int, each func() flowing) {
	for range come {
		f.messages = append(f.messages, each())
	}
	f.inUpTo += f.dice.IntN(len(f.messages) - f.inUpTo + 1)
	f.outUpTo += f.dice.IntN(len(f.messages) - f.outUpTo + 1)
}

func (f *flow) ledger() stream.Ledger {
	e, l := stream.LedgerEntry{Endpoint: "a"}, stream.Ledger{}
	for i, m := range f.messages {
		switch {
		case i < f.inUpTo && m.inBlank:
			l.Uncounted++
		case i < f.inUpTo:
			e.Documents += m.made
		}
		switch {
		case i < f.outUpTo && m.outBlank:
			l.Uncounted++
		case i < f.outUpTo:
			e.Indexed += m.ended
		}
	}
	e.InFlight = int64(e.Documents) - int64(e.Indexed)
	last := uint64(len(f.messages))
	l.Entries = []stream.LedgerEntry{e}
	l.Deliveries, l.Documents = stream.Reach{Covered: uint64(f.inUpTo), Last: last}, stream.Reach{Covered: uint64(f.outUpTo), Last: last}
	return l
}

// TestAMessageThatNobodyCountedBlindsNoAuditForEver compares ledgers of a busy stream, in which messages of either kind
// went without a count: it never finds more than is missing, and afterwards it finds what goes missing then.
func TestAMessageThatNobodyCountedBlindsNoAuditForEver(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		f, audit := &flow{dice: dice}, stream.Audit{}
		whole := func() flowing { return flowing{made: 10, ended: 10} }
		blank := func() flowing {
			m := whole()
			m.inBlank, m.outBlank = dice.IntN(3) == 0, dice.IntN(3) == 0
			return m
		}
		for i := range 30 {
			each := whole
			if i%10 == 3 {
				each = blank
			}
			f.step(1+dice.IntN(5), each)
			if diff := audit.Compare(f.ledger()); diff["a"] != 0 {
				t.Fatalf("nothing is missing, and it says %v", diff)
			}
		}
		f.inUpTo, f.outUpTo = len(f.messages), len(f.messages)
		for range 2 { // idle for a moment
			audit.Compare(f.ledger())
		}
		f.step(1, func() flowing { return flowing{made: 10, ended: 3} })
		f.inUpTo, f.outUpTo = len(f.messages), len(f.messages)
		if audit.Compare(f.ledger()); audit.Compare(f.ledger())["a"] != 7 {
			t.Fatalf("7 are missing, and it says %v", audit.Compare(f.ledger()))
		}
		more := 0
		for ; audit.Compare(f.ledger())["a"] < 500; more++ { // and never idle again
			f.step(1+dice.IntN(5), func() flowing { return flowing{made: 10, ended: 5} })
			if more == 1000 {
				t.Fatalf("half of a busy stream is missing, and it says %v", audit.Compare(f.ledger()))
			}
		}
	}
}
