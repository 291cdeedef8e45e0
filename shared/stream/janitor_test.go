package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/sequence"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// lines keeps what was logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// count is how many lines hold all words.
func (l *lines) count(words ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.text.String()) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			n++
		}
	}
	return n
}

// yard is a server, a connection whose log is kept, and a clock that the test moves.
type yard struct {
	t    *testing.T
	srv  *streamtest.Server
	conn *stream.Conn
	log  *lines
	now  time.Time
}

func newYard(t *testing.T, namespaces ...string) *yard {
	t.Helper()
	y := &yard{t: t, srv: streamtest.Start(t), now: time.Now()}
	y.srv.Open(t, append(namespaces, "spare")...).Close()
	y.connect()
	return y
}

func (y *yard) connect() {
	y.t.Helper()
	y.log = &lines{}
	conn, err := stream.Open(y.t.Context(), "test", y.srv.Config(), slog.New(slog.NewTextHandler(y.log, nil)))
	if err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(conn.Close)
	y.conn = conn
}

// restart stops the server, calls meanwhile, and starts another one on the same data.
func (y *yard) restart(meanwhile func()) {
	y.t.Helper()
	y.conn.Close()
	if err := y.srv.Stop(context.Background()); err != nil {
		y.t.Fatal(err)
	}
	meanwhile()
	y.srv = streamtest.StartIn(y.t, y.srv.Dir)
	y.connect()
}

// raw is a client that knows nothing of verdicts: it stands for an instance that died before it wrote them down.
func (y *yard) raw() jetstream.JetStream {
	y.t.Helper()
	nc, err := nats.Connect(y.srv.URL())
	if err != nil {
		y.t.Fatal(err)
	}
	y.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		y.t.Fatal(err)
	}
	return js
}

// acknowledge finishes the next n messages of a consumer, and nobody counts it.
func (y *yard) acknowledge(name, consumer string, n int) {
	y.t.Helper()
	cons, err := y.raw().Consumer(y.t.Context(), name, consumer)
	if err != nil {
		y.t.Fatal(err)
	}
	batch, err := cons.Fetch(n)
	if err != nil {
		y.t.Fatal(err)
	}
	for m := range batch.Messages() {
		if err := m.DoubleAck(y.t.Context()); err != nil {
			y.t.Fatal(err)
		}
		n--
	}
	if n != 0 {
		y.t.Fatalf("%d messages did not come", n)
	}
}

func (y *yard) publish(subject string, n int) {
	y.t.Helper()
	for range n {
		if _, err := y.conn.Publish(y.t.Context(), stream.Outgoing{Subject: subject, Data: []byte("a message that is somewhat longer than its head, number " + nats.NewInbox())}); err != nil {
			y.t.Fatal(err)
		}
	}
}

// crew handles the messages of a consumer and remembers how often each came.
type crew struct {
	mu   sync.Mutex
	seen map[uint64]int
	*stream.Inbox
	stop func()
}

func (c *crew) times(seq uint64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[seq]
}

// work runs an instance of a consumer until the test ends or it is stopped.
func (y *yard) work(name, consumer string) *crew {
	y.t.Helper()
	in, err := y.conn.Inbox(y.t.Context(), name, consumer, 0)
	if err != nil {
		y.t.Fatal(err)
	}
	c := &crew{seen: map[uint64]int{}, Inbox: in}
	pool := stream.NewPool(in, 2, stream.Want{Bytes: 1 << 20, Count: 3}, func(_ context.Context, batch []*stream.Message) {
		for _, m := range batch {
			c.mu.Lock()
			c.seen[m.Sequence]++
			c.mu.Unlock()
			m.Done()
		}
	})
	done := make(chan struct{})
	go func() { defer close(done); _ = pool.Run(context.Background()) }()
	c.stop = sync.OnceFunc(func() { _ = pool.Stop(context.Background()); <-done })
	y.t.Cleanup(c.stop)
	return c
}

func (y *yard) await(what string, condition func() bool) {
	y.t.Helper()
	for end := time.Now().Add(30 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			y.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (y *yard) first(name string) uint64 {
	y.t.Helper()
	state, err := y.conn.State(y.t.Context(), name)
	if err != nil {
		y.t.Fatal(err)
	}
	return state.First
}

// sweep moves the clock and does a round.
func (y *yard) sweep(j *stream.Janitor, later time.Duration) {
	y.t.Helper()
	y.now = y.now.Add(later)
	if err := j.Sweep(y.t.Context(), y.now); err != nil {
		y.t.Fatal(err)
	}
}

// awaitFirst sweeps at the present time until the stream begins at a sequence.
func (y *yard) awaitFirst(j *stream.Janitor, name string, want uint64) {
	y.t.Helper()
	y.await(fmt.Sprintf("%s begins at %d", name, want), func() bool { y.sweep(j, 0); return y.first(name) == want })
}

// counted is what all instances have written down.
func (y *yard) counted(name string) sequence.Set {
	y.t.Helper()
	bucket, err := y.conn.Bucket(y.t.Context(), stream.BucketVerdicts)
	if err != nil {
		y.t.Fatal(err)
	}
	entries, err := bucket.All(y.t.Context(), name+".*.*.*.0")
	if err != nil {
		y.t.Fatal(err)
	}
	var all sequence.Set
	for _, e := range entries {
		if _, err := all.Decode(0, e.Value); err != nil {
			y.t.Fatal(err)
		}
	}
	return all
}

func metric(t *testing.T, j *stream.Janitor, name string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(j.Collector())
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if m := f.GetMetric()[0]; f.GetName() == "sluice_stream_"+name {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestTheVerdictsOfAllInstancesAddUp(t *testing.T) {
	y := newYard(t, "a", "b")
	crews := map[string][]*crew{}
	for _, ns := range []string{"a", "b"} {
		for range 2 {
			crews[ns] = append(crews[ns], y.work(stream.Documents, stream.Indexer(ns)))
		}
	}
	for i := range 100 {
		y.publish(stream.SubjectDocuments([]string{"a", "b"}[i%2]), 1)
	}
	j := y.conn.NewJanitor(stream.Documents, 0)
	y.awaitFirst(j, stream.Documents, 101)
	for ns, pair := range crews {
		if len(pair[0].seen) == 0 || len(pair[1].seen) == 0 {
			t.Logf("one instance of %s did everything", ns)
		}
	}
	if n := metric(t, j, "second_looks_total"); n != 0 {
		t.Errorf("%v second looks", n)
	}
}

func TestWhatNobodyCountedIsLookedAtAgainAndThenPurged(t *testing.T) {
	y := newYard(t)
	c := y.work(stream.Deliveries, stream.Enricher)
	c.stop() // counting has begun
	y.publish(stream.SubjectDeliveries, 10)
	y.acknowledge(stream.Deliveries, stream.Enricher, 10)
	c = y.work(stream.Deliveries, stream.Enricher)
	y.publish(stream.SubjectDeliveries, 10)
	y.await("the new ones are written down", func() bool {
		all := y.counted(stream.Deliveries)
		return all.Prefix(10) == 20
	})
	j := y.conn.NewJanitor(stream.Deliveries, 0)
	j.Attach(c.Inbox)
	y.sweep(j, 0)
	y.sweep(j, 29*time.Second)
	if got := y.first(stream.Deliveries); got != 1 || c.times(1) != 0 {
		t.Fatalf("the stream begins at %d, the first message came %d times", got, c.times(1))
	}
	y.sweep(j, 2*time.Second)
	y.awaitFirst(j, stream.Deliveries, 21)
	for seq := uint64(1); seq <= 20; seq++ {
		if c.times(seq) != 1 {
			t.Errorf("message %d was handled %d times", seq, c.times(seq))
		}
	}
	if n := metric(t, j, "second_looks_total"); n != 10 {
		t.Errorf("%v second looks", n)
	}
}

func TestASecondLookWaitsForAWorkerAndSparesWhatIsStillWaiting(t *testing.T) {
	y := newYard(t, "a", "b")
	y.work(stream.Documents, stream.Indexer("a")).stop()
	for range 5 {
		y.publish(stream.SubjectDocuments("a"), 1)
		y.publish(stream.SubjectDocuments("b"), 1)
	}
	y.acknowledge(stream.Documents, stream.Indexer("b"), 5)
	j := y.conn.NewJanitor(stream.Documents, 0)
	for range 3 {
		y.sweep(j, 31*time.Second)
	}
	if y.first(stream.Documents) != 1 || y.log.count("nobody here works for its consumer") == 0 {
		t.Fatal("a gap without a worker passed")
	}
	b := y.work(stream.Documents, stream.Indexer("b"))
	j.Attach(b.Inbox)
	y.sweep(j, 31*time.Second)
	y.await("all of b came again", func() bool { return b.times(2)+b.times(4)+b.times(6)+b.times(8)+b.times(10) == 5 })
	if len(b.seen) != 5 || y.first(stream.Documents) != 1 {
		t.Fatalf("%v, begins at %d", b.seen, y.first(stream.Documents))
	}
	a := y.work(stream.Documents, stream.Indexer("a"))
	y.awaitFirst(j, stream.Documents, 11)
	if len(a.seen) != 5 || metric(t, j, "lost_messages_total") != 0 {
		t.Fatalf("%v", a.seen)
	}
}

// damage changes one byte in the body of the nth message in the files of a stream.
func (y *yard) damage(name string, n int) {
	y.t.Helper()
	files, err := filepath.Glob(filepath.Join(y.srv.Dir, "jetstream", "*", "streams", name, "msgs", "*.blk"))
	if err != nil || len(files) != 1 {
		y.t.Fatalf("%v, %v", files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		y.t.Fatal(err)
	}
	at := 0
	for range n {
		at += bytes.Index(raw[at:], []byte("a message that")) + 5
	}
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err != nil {
		y.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{raw[at] ^ 0x40}, int64(at)); err != nil {
		y.t.Fatal(err)
	}
}

func TestAMessageThatTheDiskLostIsNamedAndHoldsUpNoOther(t *testing.T) {
	for _, when := range []string{"stopped", "running"} {
		t.Run(when, func(t *testing.T) {
			y := newYard(t)
			y.publish(stream.SubjectDeliveries, 20)
			if when == "stopped" {
				y.restart(func() { y.damage(stream.Deliveries, 7) })
			} else {
				y.damage(stream.Deliveries, 7)
				y.await("the server has forgotten what it held in memory", func() bool {
					time.Sleep(11 * time.Second) // every look makes it remember for ten more
					_, err := y.conn.Get(t.Context(), stream.Deliveries, 7)
					return errors.Is(err, stream.ErrNotFound)
				})
			}
			c := y.work(stream.Deliveries, stream.Enricher)
			j := y.conn.NewJanitor(stream.Deliveries, 0)
			j.Attach(c.Inbox)
			y.awaitFirst(j, stream.Deliveries, 7)
			y.sweep(j, 31*time.Second)
			y.sweep(j, 31*time.Second)
			y.awaitFirst(j, stream.Deliveries, 21)
			losses, err := y.conn.Losses(t.Context())
			if err != nil || len(losses) != 1 {
				t.Fatalf("%+v, %v", losses, err)
			}
			l := losses[0]
			if l.Stream != stream.Deliveries || l.From != 7 || l.To != 7 || l.Count() != 1 || l.After.IsZero() || !l.After.Before(l.Before) || l.Noticed.IsZero() {
				t.Errorf("%+v", l)
			}
			if n := y.log.count("level=ERROR", "messages are lost", "from_sequence=7 to_sequence=7"); n != 1 {
				t.Errorf("the alarm was raised %d times", n)
			}
			for seq := uint64(1); seq <= 20; seq++ {
				if want := 1; seq != 7 && c.times(seq) != want {
					t.Errorf("message %d came %d times", seq, c.times(seq))
				}
			}
			later := y.conn.NewJanitor(stream.Deliveries, 0)
			y.sweep(later, time.Second)
			y.sweep(later, 20*time.Second)
			if metric(t, later, "lost_messages_total") != 1 || metric(t, j, "second_looks_total") != 0 {
				t.Error("the next janitor does not know of it")
			}
		})
	}
}

func TestWhatWasCutOffTheEndIsALoss(t *testing.T) {
	y := newYard(t)
	y.publish(stream.SubjectDeliveries, 10)
	y.sweep(y.conn.NewJanitor(stream.Deliveries, 0), 0)
	y.restart(func() {
		folder := filepath.Join(y.srv.Dir, "jetstream", "$G", "streams", stream.Deliveries, "msgs")
		info, err := os.Stat(filepath.Join(folder, "1.blk"))
		if err == nil {
			err = errors.Join(os.Truncate(filepath.Join(folder, "1.blk"), info.Size()*3/4), os.Remove(filepath.Join(folder, "index.db")))
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	state, err := y.conn.State(t.Context(), stream.Deliveries)
	if err != nil || state.Last >= 10 || state.Last < 5 {
		t.Fatalf("%+v, %v", state, err)
	}
	j := y.conn.NewJanitor(stream.Deliveries, 0)
	y.sweep(j, 20*time.Second)
	y.sweep(j, 20*time.Second)
	y.sweep(j, 31*time.Second)
	losses, err := y.conn.Losses(t.Context())
	if err != nil || len(losses) != 1 || losses[0].From != state.Last+1 || losses[0].To != 10 || losses[0].After.IsZero() {
		t.Fatalf("%+v, %v", losses, err)
	}
	before := y.work(stream.Deliveries, stream.Enricher)
	j.Attach(before.Inbox)
	y.await("what is left is accounted for", func() bool { y.sweep(j, 0); return y.ledger().Deliveries.Covered == state.Last })
	before.stop()
	y.publish(stream.SubjectDeliveries, 5)
	y.sweep(j, time.Second)
	if l := y.ledger(); l.Deliveries.Covered != state.Last {
		t.Errorf("accounted for is all up to %d, and nobody has worked on the new ones behind %d", l.Deliveries.Covered, state.Last)
	}
	c := y.mortal(stream.Deliveries, stream.Enricher, 0, func(_ *stream.Conn, m *stream.Message) {
		m.Count(stream.Part{}, []stream.Count{{"a", stream.BecameExpired, 2}})
	})
	j.Attach(c.Inbox)
	y.awaitFirst(j, stream.Deliveries, state.Last+6)
	if l := y.ledger(); l.Uncounted != state.Last || len(l.Entries) != 1 || l.Entries[0].Expired != 2*5 {
		t.Errorf("of 5 new messages with 2 events each it says %+v", l)
	}
	later := y.conn.NewJanitor(stream.Deliveries, 0)
	y.sweep(later, time.Minute)
	y.sweep(later, time.Minute)
	if n := metric(t, later, "lost_messages_total"); n != float64(10-state.Last) {
		t.Errorf("%v messages are lost", n)
	}
}

func TestWhatSomebodyElsePurgedIsALoss(t *testing.T) {
	y := newYard(t)
	c := y.work(stream.Deliveries, stream.Enricher)
	y.publish(stream.SubjectDeliveries, 3)
	y.await("three are done", func() bool { return c.times(3) == 1 })
	c.stop()
	y.publish(stream.SubjectDeliveries, 7)
	s, err := y.raw().Stream(t.Context(), stream.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSequence(9)); err != nil {
		t.Fatal(err)
	}
	j := y.conn.NewJanitor(stream.Deliveries, 0)
	y.sweep(j, 0)
	y.sweep(j, 31*time.Second)
	losses, err := y.conn.Losses(t.Context())
	if err != nil || len(losses) != 1 || losses[0].From != 4 || losses[0].To != 8 || losses[0].Before.IsZero() {
		t.Fatalf("%+v, %v", losses, err)
	}
	c = y.work(stream.Deliveries, stream.Enricher)
	y.awaitFirst(j, stream.Deliveries, 11)
}
