package stream_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// fuse is a way to the server that is cut for good when so many pieces were sent on it.
type fuse struct {
	to    stream.Dialer
	left  atomic.Int64
	blown atomic.Bool
	blow  func() // ends the connection, so that nobody waits for an answer
}

func (f *fuse) InProcessConn() (net.Conn, error) {
	if f.blown.Load() {
		return nil, io.ErrClosedPipe
	}
	c, err := f.to.InProcessConn()
	return &fusedConn{c, f}, err
}

type fusedConn struct {
	net.Conn
	fuse *fuse
}

func (c *fusedConn) Write(p []byte) (int, error) {
	if c.fuse.left.Add(-1) < 0 {
		if !c.fuse.blown.Swap(true) {
			go c.fuse.blow()
		}
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(p)
}

// doomed opens a connection for a janitor that can be killed.
func (y *yard) doomed() (*stream.Conn, *fuse) {
	y.t.Helper()
	f := &fuse{to: y.srv.Server}
	f.left.Store(1 << 40)
	cfg := y.srv.Config()
	cfg.InProcess = f
	conn, err := stream.Open(y.t.Context(), "doomed", cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		y.t.Fatal(err)
	}
	f.blow = conn.Close
	y.t.Cleanup(conn.Close)
	return conn, f
}

// settle sweeps until a stream holds nothing any more, and wants that nothing was lost.
func (y *yard) settle(name string, inboxes ...*stream.Inbox) {
	y.t.Helper()
	j := y.conn.NewJanitor(name, 0)
	for _, in := range inboxes {
		j.Attach(in)
	}
	y.await(name+" is empty", func() bool {
		y.sweep(j, 4*time.Second)
		state, err := y.conn.State(y.t.Context(), name)
		return err == nil && state.Messages == 0
	})
	if losses, err := y.conn.Losses(y.t.Context()); err != nil || len(losses) != 0 {
		y.t.Fatalf("%+v, %v", losses, err)
	}
}

func TestAJanitorThatDiesAtAnyStepLosesNothing(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	c := y.work(stream.Deliveries, stream.Enricher)
	died := 0
	for step := int64(1); ; step++ {
		y.publish(stream.SubjectDeliveries, 3)
		conn, fuse := y.doomed()
		j := conn.NewJanitor(stream.Deliveries, 0)
		j.Attach(c.Inbox)
		y.sweep(j, 0)
		y.now = y.now.Add(16 * time.Second) // the last one is dead
		fuse.left.Store(step)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := j.Sweep(ctx, y.now)
		cancel()
		first := y.first(stream.Deliveries)
		for seq := uint64(1); seq < first; seq++ {
			if c.times(seq) == 0 {
				t.Fatalf("dying at step %d: %d was purged and never handled", step, seq)
			}
		}
		conn.Close()
		if !fuse.blown.Load() && err == nil {
			break
		}
		if died++; died > 200 {
			t.Fatalf("a sweep takes more than 200 steps: %v", err)
		}
	}
	if died < 10 {
		t.Errorf("the janitor died only %d times", died)
	}
	t.Logf("died at %d steps", died)
	y.settle(stream.Deliveries, c.Inbox)
}

// chaos is what happens by chance to a stream.
type chaos struct {
	*yard
	dice     *rand.Rand
	stream   string
	names    []string          // of consumers
	subjects map[string]string // of each
	owner    map[uint64]string
	finished map[uint64]bool // by somebody who may have told nobody
	crews    map[string]*crew
	gone     []*crew
	janitors []*stream.Janitor
	clocks   []time.Time
	last     uint64
	story    []string
}

func (c *chaos) note(format string, args ...any) {
	c.story = append(c.story, fmt.Sprintf(format, args...))
}

func (c *chaos) step() {
	name := c.names[c.dice.IntN(len(c.names))]
	switch n := c.dice.IntN(12); {
	case n < 4:
		count := 1 + c.dice.IntN(4)
		c.publish(c.subjects[name], count)
		for range count {
			c.last++
			c.owner[c.last] = name
		}
		c.note("%d for %s, up to %d", count, name, c.last)
	case n < 5:
		c.startOrStop(name)
	case n < 6:
		c.dieUncounted(name)
	case n < 7:
		c.recreate(name)
	default:
		c.sweepOne()
	}
}

func (c *chaos) startOrStop(name string) {
	if was := c.crews[name]; was != nil {
		was.stop()
		c.gone = append(c.gone, was)
		delete(c.crews, name)
		c.note("no workers for %s", name)
		return
	}
	c.crews[name] = c.work(c.stream, name)
	c.note("workers for %s", name)
}

// dieUncounted finishes a message and tells only the server, as an instance does that is killed a moment later.
func (c *chaos) dieUncounted(name string) {
	cons, err := c.raw().Consumer(c.t.Context(), c.stream, name)
	if err != nil {
		c.t.Fatal(err)
	}
	batch, err := cons.FetchNoWait(1)
	if err != nil {
		c.t.Fatal(err)
	}
	for m := range batch.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			c.t.Fatal(err)
		}
		c.finished[meta.Sequence.Stream] = true
		if err := m.DoubleAck(c.t.Context()); err != nil {
			c.t.Fatal(err)
		}
		c.note("%d of %s finished by one that died", meta.Sequence.Stream, name)
	}
}

// recreate removes a consumer by hand and lets setup make it again.
func (c *chaos) recreate(name string) {
	if err := c.raw().DeleteConsumer(c.t.Context(), c.stream, name); err != nil {
		c.t.Fatal(err)
	}
	if c.dice.IntN(2) == 0 {
		c.sweepOne()
	}
	if _, err := c.conn.Setup(c.t.Context(), streamtest.Topology()); err != nil {
		c.t.Fatal(err)
	}
	for _, namespace := range []string{"a", "b"} {
		if _, err := c.conn.SetupNamespace(c.t.Context(), namespace); err != nil {
			c.t.Fatal(err)
		}
	}
	c.note("consumer of %s made anew", name)
}

func (c *chaos) sweepOne() {
	i := c.dice.IntN(len(c.janitors))
	c.clocks[i] = c.clocks[i].Add(time.Duration(1+c.dice.IntN(40)) * time.Second)
	err := c.janitors[i].Sweep(c.t.Context(), c.clocks[i])
	first := c.first(c.stream)
	c.note("janitor %d, begins at %d now, %v", i, first, err)
	for seq := uint64(1); seq < first; seq++ {
		if !c.done(seq) {
			c.t.Fatalf("%d of %s was purged and nobody had finished it:\n%s", seq, c.owner[seq], strings.Join(c.story, "\n"))
		}
	}
}

func (c *chaos) done(seq uint64) bool {
	if c.finished[seq] {
		return true
	}
	for _, w := range c.gone {
		if w.times(seq) > 0 {
			return true
		}
	}
	for _, w := range c.crews {
		if w.times(seq) > 0 {
			return true
		}
	}
	return false
}

// The consumers of a stream are those of several namespaces, and of both classes.
func TestWhateverHappensNothingUnfinishedIsPurged(t *testing.T) {
	for name, subjects := range map[string]map[string]string{
		stream.Documents: {
			"indexer-a": "sluice.documents.a", "bulk-indexer-a": "sluice.documents.a.bulk",
			"indexer-b": "sluice.documents.b", "bulk-indexer-b": "sluice.documents.b.bulk",
		},
		stream.Deliveries: {"enricher": "sluice.deliveries", "bulk-enricher": "sluice.deliveries.bulk"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64N(1 << 32)
			t.Logf("seed %d", seed)
			c := &chaos{
				yard: newYard(t, "a", "b"), dice: rand.New(rand.NewPCG(seed, 1)), stream: name, names: slices.Sorted(maps.Keys(subjects)), subjects: subjects,
				owner: map[uint64]string{}, finished: map[uint64]bool{}, crews: map[string]*crew{},
			}
			c.run()
		})
	}
}

// run lets things happen, and then waits until all is finished and purged.
func (c *chaos) run() {
	c.t.Helper()
	for i := range 2 { // their clocks are minutes apart
		c.janitors = append(c.janitors, c.conn.NewJanitor(c.stream, 0))
		c.clocks = append(c.clocks, time.Now().Add(time.Duration(i)*7*time.Minute))
	}
	for range 120 {
		c.step()
	}
	c.now = c.clocks[0].Add(time.Hour)
	var inboxes []*stream.Inbox
	for _, name := range c.names {
		if c.crews[name] == nil {
			c.startOrStop(name)
		}
		inboxes = append(inboxes, c.crews[name].Inbox)
	}
	c.settle(c.stream, inboxes...)
	for seq := uint64(1); seq <= c.last; seq++ {
		if !c.done(seq) {
			c.t.Errorf("nobody finished %d of %s", seq, c.owner[seq])
		}
	}
}

func TestPagesOfInstancesThatDiedAreJoined(t *testing.T) {
	t.Parallel()
	y := newYard(t, "a", "b")
	y.publish(stream.SubjectDocuments("b"), 1) // nobody works for b: nothing is accounted for
	for range 10 {
		c := y.work(stream.Documents, stream.Indexer("a"))
		y.publish(stream.SubjectDocuments("a"), 1)
		y.await("it is done", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.seen) == 1 })
		c.stop()
	}
	j := y.conn.NewJanitor(stream.Documents, time.Hour)
	pages := func() int {
		b, err := y.conn.Bucket(t.Context(), stream.BucketVerdicts)
		if err != nil {
			t.Fatal(err)
		}
		all, err := b.All(t.Context(), stream.Documents+".*.*.*.0")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	y.sweep(j, 0)
	before := pages()
	y.sweep(j, 61*time.Second)
	if after := pages(); before < 10 || after != 1 {
		t.Fatalf("%d pages became %d", before, after)
	}
	if all := y.counted(stream.Documents); all.Prefix(1) != 11 {
		t.Fatalf("counted up to %d", all.Prefix(1))
	}
	b := y.work(stream.Documents, stream.Indexer("b"))
	y.settle(stream.Documents, b.Inbox)
}
