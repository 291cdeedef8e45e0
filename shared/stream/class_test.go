package stream_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// place is one stream with a subject and a consumer of its plain class.
type place struct{ stream, subject, consumer string }

func places() []place {
	return []place{
		{stream.Deliveries, stream.SubjectDeliveries, stream.Enricher},
		{stream.Documents, stream.SubjectDocuments("spare"), stream.Indexer("spare")},
	}
}

// mixed publishes n messages of each class in turn, the bulk one first: odd sequences are bulk.
func (y *yard) mixed(p place, n int) {
	y.t.Helper()
	for range n {
		y.publish(stream.BulkSubject(p.subject), 1)
		y.publish(p.subject, 1)
	}
}

// given is how often a crew was given the messages of a class, odd or even ones, up to last.
func (c *crew) given(odd, last uint64) (times int) {
	for seq := uint64(1); seq <= last; seq++ {
		if seq%2 == odd {
			times += c.times(seq)
		}
	}
	return times
}

// The consumer of the plain class has passed everything, and verdicts are there for all of its messages.
func TestABulkMessageWithoutAVerdictIsNeverPurged(t *testing.T) {
	for _, p := range places() {
		t.Run(p.stream, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			plain := y.work(p.stream, p.consumer)
			y.mixed(p, 5)
			y.awaitPlain(p)
			j := y.conn.NewJanitor(p.stream, 0)
			j.Attach(plain.Inbox)
			for range 5 {
				y.sweep(j, 31*time.Second)
			}
			if y.first(p.stream) != 1 || plain.given(1, 10) != 0 || plain.given(0, 10) != 5 || metric(t, j, "lost_messages_total") != 0 {
				t.Fatalf("begins at %d; the plain workers got %v", y.first(p.stream), plain.seen)
			}
			bulk := y.work(p.stream, stream.BulkConsumer(p.consumer))
			j.Attach(bulk.Inbox)
			y.awaitFirst(j, p.stream, 11)
			if bulk.given(1, 10) != 5 || bulk.given(0, 10) != 0 || metric(t, j, "second_looks_total") != 0 {
				t.Errorf("the bulk workers got %v", bulk.seen)
			}
		})
	}
}

// awaitPlain waits until the plain ones of mixed(p, 5) are written down, and those alone.
func (y *yard) awaitPlain(p place) {
	y.t.Helper()
	y.await("the plain ones are written down", func() bool {
		all := y.counted(p.stream)
		return slices.Equal(slices.Collect(all.Gaps(0, 10)), []uint64{1, 3, 5, 7, 9})
	})
}

// And the other way round, with acknowledgements that nobody counted.
func TestAGapInAClassGetsASecondLookByItsOwnWorkers(t *testing.T) {
	for _, p := range places() {
		t.Run(p.stream, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			y.work(p.stream, p.consumer).stop() // counting has begun
			y.mixed(p, 5)
			y.acknowledge(p.stream, stream.BulkConsumer(p.consumer), 5)
			plain, bulk := y.work(p.stream, p.consumer), y.work(p.stream, stream.BulkConsumer(p.consumer))
			j := y.conn.NewJanitor(p.stream, 0)
			j.Attach(plain.Inbox)
			y.awaitPlain(p)
			for range 3 {
				y.sweep(j, 31*time.Second)
			}
			if y.first(p.stream) != 1 || y.log.count("nobody here works for its consumer", stream.BulkConsumer(p.consumer)) == 0 {
				t.Fatal("a gap without a worker passed")
			}
			j.Attach(bulk.Inbox)
			y.sweep(j, 31*time.Second)
			y.awaitFirst(j, p.stream, 11)
			if bulk.given(1, 10) != 5 || plain.given(1, 10) != 0 || plain.given(0, 10) != 5 || metric(t, j, "lost_messages_total") != 0 {
				t.Errorf("plain workers got %v, bulk workers %v", plain.seen, bulk.seen)
			}
		})
	}
}

func (y *yard) setup() {
	y.t.Helper()
	_, err := y.conn.Setup(y.t.Context(), streamtest.Topology())
	if err == nil {
		_, err = y.conn.SetupNamespace(y.t.Context(), "spare")
	}
	if err != nil {
		y.t.Fatal(err)
	}
}

// Nothing had been counted when the new consumer came: what others have not finished is not its to finish.
func TestANewBulkConsumerDoesNotCountOldMessagesAsItsOwn(t *testing.T) {
	for _, p := range places() {
		t.Run(p.stream, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			y.srv.WithoutBulk(y.t)
			y.publish(p.subject, 10)
			y.acknowledge(p.stream, p.consumer, 5)
			y.setup()
			y.setup() // can be repeated
			bulk := y.work(p.stream, stream.BulkConsumer(p.consumer))
			j := y.conn.NewJanitor(p.stream, 0)
			j.Attach(bulk.Inbox)
			for range 3 {
				y.sweep(j, 31*time.Second)
			}
			if y.first(p.stream) != 6 || len(bulk.seen) != 0 {
				t.Fatalf("begins at %d; the bulk workers got %v", y.first(p.stream), bulk.seen)
			}
			plain := y.work(p.stream, p.consumer)
			y.awaitFirst(j, p.stream, 11)
			y.publish(stream.BulkSubject(p.subject), 1)
			y.awaitFirst(j, p.stream, 12)
			if len(plain.seen) != 5 || bulk.times(11) != 1 || metric(t, j, "lost_messages_total") != 0 {
				t.Errorf("plain workers got %v, bulk workers %v", plain.seen, bulk.seen)
			}
		})
	}
}

// Services of this build run before `sluice setup` does: bulk goes to the plain class, and room is made as before.
func TestAnInstallationWithoutABulkClassWorksOn(t *testing.T) {
	for _, p := range places() {
		t.Run(p.stream, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			y.srv.WithoutBulk(y.t)
			for _, id := range []string{"", "", "some", "some"} { // the last one is there already
				if _, err := y.conn.Publish(t.Context(), stream.Outgoing{Subject: p.subject, ID: id, Data: []byte("x"), Bulk: true}); err != nil {
					t.Fatal(err)
				}
			}
			c := y.work(p.stream, p.consumer)
			j := y.conn.NewJanitor(p.stream, 0)
			y.awaitFirst(j, p.stream, 4)
			if len(c.seen) != 3 || y.log.count("the bulk class takes nothing") != 1 {
				t.Errorf("%v, %d lines", c.seen, y.log.count("the bulk class takes nothing"))
			}
			all, err := y.conn.Overall(t.Context(), p.stream, p.consumer)
			if err != nil || all.Done != 3 || all.Waiting+uint64(all.InFlight) != 0 {
				t.Errorf("%+v %v", all, err)
			}
		})
	}
}

func TestNothingIsPurgedWhileABulkConsumerIsMissing(t *testing.T) {
	for _, p := range places() {
		t.Run(p.stream, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			y.mixed(p, 5)
			y.srv.WithoutBulk(y.t) // as an earlier build's setup may do: messages of the bulk class stay behind
			c := y.work(p.stream, p.consumer)
			j := y.conn.NewJanitor(p.stream, 0)
			y.await("the plain ones came", func() bool { return c.given(0, 10) == 5 })
			for range 3 {
				y.now = y.now.Add(31 * time.Second)
				if err := j.Sweep(t.Context(), y.now); !errors.Is(err, stream.ErrBlocked) {
					t.Fatal(err)
				}
			}
			all, err := y.conn.Overall(t.Context(), p.stream, p.consumer)
			if err != nil || all.Waiting == 0 || all.Done != 0 || y.first(p.stream) != 1 {
				t.Fatalf("%+v %v, begins at %d", all, err, y.first(p.stream))
			}
			y.setup()
			bulk := y.work(p.stream, stream.BulkConsumer(p.consumer))
			y.awaitFirst(j, p.stream, 11)
			if bulk.given(1, 10) != 5 {
				t.Errorf("the bulk workers got %v", bulk.seen)
			}
		})
	}
}

func TestAnIntakeIsClosedAndOpenedForBothClasses(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	taken := func() (n int) {
		for _, subject := range []string{stream.SubjectDeliveries, stream.BulkSubject(stream.SubjectDeliveries)} {
			if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: subject, Data: []byte("x")}); err == nil {
				n++
			}
		}
		return n
	}
	if taken() != 2 {
		t.Fatal("it does not begin open")
	}
	open, err := conn.CloseIntake(t.Context())
	if err != nil || taken() != 0 {
		t.Fatal("not closed:", err)
	}
	if all, err := conn.Inventory(t.Context()); err != nil || all.Unfinished != 2 {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := conn.CloseIntake(t.Context()); err != nil { // a second removal, after one that was cut off
		t.Fatal(err)
	}
	if err := open(t.Context()); err != nil || taken() != 2 {
		t.Error("not open:", err)
	}
}

func TestTheProgressOfBothClassesIsThatOfTheSlowerOne(t *testing.T) {
	for _, p := range places() {
		t.Run(p.stream, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			is := func(what string, done, waiting uint64) {
				t.Helper()
				if all, err := y.conn.Overall(t.Context(), p.stream, p.consumer); err != nil || all.Done != done || all.Waiting+uint64(all.InFlight) != waiting {
					t.Errorf("%s: %+v %v", what, all, err)
				}
			}
			is("nothing ever came", 0, 0)
			y.mixed(p, 5)
			y.acknowledge(p.stream, p.consumer, 5)
			is("all of the plain class is done", 0, 5)
			y.acknowledge(p.stream, stream.BulkConsumer(p.consumer), 2)
			is("and some of the bulk class", 3, 3)
			if at, err := y.conn.OldestOverall(t.Context(), p.stream, p.consumer); err != nil || at.IsZero() {
				t.Errorf("%v %v", at, err)
			}
			y.acknowledge(p.stream, stream.BulkConsumer(p.consumer), 3)
			is("everything is done", 10, 0)
			if at, err := y.conn.OldestOverall(t.Context(), p.stream, p.consumer); err != nil || !at.IsZero() {
				t.Errorf("%v %v", at, err)
			}
		})
	}
}

func TestAPairTakesThePlainClassFirstAndTheBulkOneNotLast(t *testing.T) {
	const each = 32
	y := newYard(t)
	p := places()[0]
	y.mixed(p, each)
	var opened []*stream.Inbox
	pair, err := y.conn.Pair(t.Context(), p.stream, p.consumer, 0, func(in *stream.Inbox) { opened = append(opened, in) })
	if err != nil || len(opened) != 2 {
		t.Fatal(len(opened), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pair.Run(ctx) }()
	y.await("all are here", func() bool { return stream.Queued(opened[0]) == each && stream.Queued(opened[1]) == each })
	taken := [2]int{}
	for i := 1; i <= 2*each; i++ {
		batch, err := pair.Next(t.Context(), stream.Want{Bytes: 1, Count: 1})
		if err != nil || len(batch) != 1 {
			t.Fatal(len(batch), err)
		}
		m := batch[0]
		if m.Bulk() {
			taken[1]++
		} else {
			taken[0]++
		}
		m.Done()
		if i <= each && taken[1] != i/4 {
			t.Fatalf("%d of the first %d were bulk", taken[1], i)
		}
	}
	if taken != [2]int{each, each} {
		t.Errorf("%v", taken)
	}
	cancel()
	if _, err := pair.Next(t.Context(), stream.Want{Bytes: 1, Count: 1}); !errors.Is(err, stream.ErrClosed) {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// The consumer of the bulk class is made while the pair runs already.
func TestAPairTakesUpTheBulkClassWhenItComes(t *testing.T) {
	y := newYard(t)
	y.srv.WithoutBulk(y.t)
	p := places()[0]
	pair, err := y.conn.Pair(t.Context(), p.stream, p.consumer, 0, func(*stream.Inbox) {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pair.Run(ctx) }()
	y.setup()
	y.publish(stream.BulkSubject(p.subject), 1)
	batch, err := pair.Next(t.Context(), stream.Want{Bytes: 1, Count: 1})
	if err != nil || len(batch) != 1 || !batch[0].Bulk() || pair.Oldest().IsZero() || pair.Failure() != nil {
		t.Fatal(len(batch), err)
	}
	batch[0].Done()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
