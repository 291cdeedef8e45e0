package stream_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// hand is one instance of a service whose workers do anything with a message but forget it.
type hand struct {
	conn *stream.Conn
	fuse *fuse
	stop func()
}

// hands are instances that come and go, and what they finished. Once it is calm they finish whatever they are given: with
// three messages in ten given back or handled too late, how long the rest takes would be a matter of luck.
type hands struct {
	*yard
	calm  atomic.Bool
	mu    sync.Mutex
	dice  *rand.Rand
	done  map[uint64]int
	tries map[uint64]int
}

func (h *hands) chance(n int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dice.IntN(n)
}

// handle finishes a message, gives it back, or takes so long that the server gives it to another one as well.
func (h *hands) handle(ctx context.Context, batch []*stream.Message) {
	for _, m := range batch {
		h.mu.Lock()
		h.tries[m.Sequence]++
		h.mu.Unlock()
		switch n := h.chance(20); {
		case h.calm.Load():
		case n < 4:
			m.Retry(time.Duration(h.chance(200)) * time.Millisecond)
			continue
		case n < 6: // longer than the server waits for a sign of life
			select {
			case <-ctx.Done():
				m.Retry(0)
				continue
			case <-time.After(1500 * time.Millisecond):
			}
		}
		h.mu.Lock()
		h.done[m.Sequence]++
		h.mu.Unlock()
		m.Done()
	}
}

// start runs an instance on a connection of its own, which can be cut for good.
func (h *hands) start() *hand {
	h.t.Helper()
	conn, f := h.doomed()
	in, err := conn.Inbox(h.t.Context(), stream.Deliveries, stream.Enricher, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	pool := stream.NewPool(in, 2, stream.Want{Bytes: 1 << 20, Count: 5}, h.handle)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = pool.Run(context.Background()) }()
	one := &hand{conn: conn, fuse: f}
	one.stop = sync.OnceFunc(func() { _ = pool.Stop(context.Background()); <-ended; conn.Close() })
	h.t.Cleanup(one.stop)
	return one
}

// shorten makes the consumer as small and impatient as a test needs it: redelivery after a second, few messages at once.
func (h *hands) shorten() {
	h.t.Helper()
	_, err := h.raw().UpdateConsumer(h.t.Context(), stream.Deliveries, jetstream.ConsumerConfig{
		Durable: stream.Enricher, FilterSubject: stream.SubjectDeliveries, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: time.Second, MaxDeliver: -1, MaxAckPending: 40,
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestEveryMessageEndsInOneVerdict lets instances come, stop, lose their connection with whatever acknowledgements were on
// it, and the consumer itself be removed and made again. Whatever happens, every message is finished, none is left over.
func TestEveryMessageEndsInOneVerdict(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64N(1 << 32)
	t.Logf("seed %d", seed)
	h := &hands{yard: newYard(t), dice: rand.New(rand.NewPCG(seed, 2)), done: map[uint64]int{}, tries: map[uint64]int{}}
	h.shorten()
	running := []*hand{h.start(), h.start()}
	total := uint64(0)
	for range 40 {
		switch n := h.chance(10); {
		case n < 4:
			count := 1 + h.chance(20)
			h.publish(stream.SubjectDeliveries, count)
			total += uint64(count)
		case n < 6:
			i := h.chance(len(running))
			running[i].stop()
			running[i] = h.start()
		case n < 9:
			i := h.chance(len(running))
			running[i].fuse.left.Store(int64(h.chance(6))) // it dies after some more words
			go running[i].stop()
			running[i] = h.start()
		default:
			if err := h.raw().DeleteConsumer(t.Context(), stream.Deliveries, stream.Enricher); err != nil {
				t.Fatal(err)
			}
			if _, err := h.conn.Setup(t.Context(), streamtest.Topology()); err != nil {
				t.Fatal(err)
			}
			h.shorten()
		}
	}
	h.calm.Store(true)
	h.await("every message has its verdict", func() bool {
		p, err := h.conn.Progress(t.Context(), stream.Deliveries, stream.Enricher)
		return err == nil && p.Waiting == 0 && p.InFlight == 0 && p.Done == total
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	again := 0
	for seq := uint64(1); seq <= total; seq++ {
		if h.done[seq] == 0 {
			t.Errorf("message %d was acknowledged by nobody, tried %d times", seq, h.tries[seq])
		}
		again += h.tries[seq] - 1
	}
	if again == 0 {
		t.Error("nothing ever came again: the test does nothing")
	}
	t.Logf("%d messages, %d of them handed out again", total, again)
}

// TestANamespaceThatIsStuckStarvesNoOther holds all that the server hands out for one namespace.
func TestANamespaceThatIsStuckStarvesNoOther(t *testing.T) {
	t.Parallel()
	y := newYard(t, "stuck", "well")
	js := y.raw()
	for _, ns := range []string{"stuck", "well"} {
		cons, err := js.Consumer(t.Context(), stream.Documents, stream.Indexer(ns))
		if err != nil {
			t.Fatal(err)
		}
		cfg := cons.CachedInfo().Config
		if cfg.MaxAckPending != 8192 || cfg.MaxDeliver != -1 {
			t.Fatalf("%s: %d messages may wait for their verdict, %d deliveries", ns, cfg.MaxAckPending, cfg.MaxDeliver)
		}
		cfg.MaxAckPending = 20 // as much as 8,192, for a test
		if _, err := js.UpdateConsumer(t.Context(), stream.Documents, cfg); err != nil {
			t.Fatal(err)
		}
	}
	in, err := y.conn.Inbox(t.Context(), stream.Documents, stream.Indexer("stuck"), 0)
	if err != nil {
		t.Fatal(err)
	}
	pool := stream.NewPool(in, 2, stream.Want{Bytes: 1 << 20, Count: 50}, func(ctx context.Context, batch []*stream.Message) {
		<-ctx.Done()
		for _, m := range batch {
			m.Retry(0)
		}
	})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = pool.Run(context.Background()) }()
	t.Cleanup(func() { _ = pool.Stop(context.Background()); <-ended })
	y.publish(stream.SubjectDocuments("stuck"), 60)
	y.await("the server hands out no more", func() bool {
		p, err := y.conn.Progress(t.Context(), stream.Documents, stream.Indexer("stuck"))
		return err == nil && p.InFlight == 20 && p.Limit == 20 && p.Waiting == 40
	})
	well := y.work(stream.Documents, stream.Indexer("well"))
	y.publish(stream.SubjectDocuments("well"), 100)
	y.await("the other namespace is through", func() bool {
		p, err := y.conn.Progress(t.Context(), stream.Documents, stream.Indexer("well"))
		return err == nil && p.Waiting == 0 && p.InFlight == 0 && len(well.all()) == 100
	})
}

// all is a copy of what was seen.
func (c *crew) all() []uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var seqs []uint64
	for seq := range c.seen {
		seqs = append(seqs, seq)
	}
	return seqs
}

// TestAPurgeUnderItsFeetLeavesAnInboxWorking takes messages away that an inbox holds and that it waits for.
func TestAPurgeUnderItsFeetLeavesAnInboxWorking(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	h := &hands{yard: y, dice: rand.New(rand.NewPCG(1, 2)), done: map[uint64]int{}, tries: map[uint64]int{}}
	release := make(chan struct{})
	in, err := y.conn.Inbox(t.Context(), stream.Deliveries, stream.Enricher, 0)
	if err != nil {
		t.Fatal(err)
	}
	pool := stream.NewPool(in, 1, stream.Want{Bytes: 1 << 20, Count: 1}, func(_ context.Context, batch []*stream.Message) {
		<-release
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, m := range batch {
			h.done[m.Sequence]++
			m.Done()
		}
	})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = pool.Run(context.Background()) }()
	t.Cleanup(func() { _ = pool.Stop(context.Background()); <-ended })
	y.publish(stream.SubjectDeliveries, 10)
	y.await("all are held", func() bool {
		p, err := y.conn.Progress(t.Context(), stream.Deliveries, stream.Enricher)
		return err == nil && p.InFlight == 10
	})
	s, err := y.raw().Stream(t.Context(), stream.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(release)
	y.publish(stream.SubjectDeliveries, 5)
	y.await("the new ones are done", func() bool {
		p, err := y.conn.Progress(t.Context(), stream.Deliveries, stream.Enricher)
		return err == nil && p.Waiting == 0 && p.InFlight == 0 && p.Done == 15
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	for seq := uint64(1); seq <= 15; seq++ {
		if h.done[seq] != 1 {
			t.Errorf("message %d was handled %d times", seq, h.done[seq])
		}
	}
}
