package stream_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func TestOneJanitorActsAndAnotherTakesOverWhenItIsGone(t *testing.T) {
	y := newYard(t)
	c := y.work(stream.Deliveries, stream.Enricher)
	one, two := y.conn.NewJanitor(stream.Deliveries, 0), y.conn.NewJanitor(stream.Deliveries, 0)
	y.sweep(one, 0)
	y.sweep(two, 0)
	y.publish(stream.SubjectDeliveries, 5)
	y.await("all are done", func() bool { return c.times(5) == 1 })
	c.stop()
	for range 10 { // as long as the first one lives the second one does nothing
		y.sweep(two, 5*time.Second)
		if y.first(stream.Deliveries) != 1 || metric(t, two, "janitor_acting") != 0 {
			t.Fatal("two janitors act")
		}
		if y.sweep(one, 0); y.first(stream.Deliveries) == 6 {
			break
		}
	}
	if y.first(stream.Deliveries) != 6 || metric(t, one, "janitor_acting") != 1 {
		t.Fatal("the first janitor does not act")
	}
	y.sweep(two, time.Second)
	y.sweep(two, 14*time.Second)
	if metric(t, two, "janitor_acting") != 0 {
		t.Fatal("the lease ended too early")
	}
	y.sweep(two, 2*time.Second) // the first one was killed
	y.sweep(one, 0)             // and was only slow
	if metric(t, two, "janitor_acting") != 1 || metric(t, one, "janitor_acting") != 0 {
		t.Fatal("the second janitor did not take over")
	}
}

func TestAJanitorThatStopsLeavesAtOnce(t *testing.T) {
	y := newYard(t)
	one, two := y.conn.NewJanitor(stream.Deliveries, 0), y.conn.NewJanitor(stream.Deliveries, 0)
	y.sweep(one, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := one.Run(ctx); err != nil {
		t.Fatal(err)
	}
	y.sweep(two, 0)
	if metric(t, two, "janitor_acting") != 1 {
		t.Fatal("the lease was not given back")
	}
}

func TestNothingIsPurgedWhileARequiredConsumerIsMissing(t *testing.T) {
	y := newYard(t, "a")
	e, a := y.work(stream.Deliveries, stream.Enricher), y.work(stream.Documents, stream.Indexer("a"))
	y.publish(stream.SubjectDeliveries, 5)
	y.publish(stream.SubjectDocuments("a"), 5)
	y.await("all are done", func() bool { return e.times(5) == 1 && a.times(5) == 1 })
	e.stop()
	a.stop()
	js := y.raw()
	for name, consumer := range map[string]string{stream.Deliveries: stream.Enricher, stream.Documents: stream.Indexer("a")} {
		s, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteConsumer(t.Context(), consumer); err != nil {
			t.Fatal(err)
		}
		// Under another name it does the same work, and nobody would count it.
		if _, err := s.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "my-" + consumer, AckPolicy: jetstream.AckExplicitPolicy, FilterSubject: "sluice.>"}); err != nil {
			t.Fatal(err)
		}
		j := y.conn.NewJanitor(name, 0)
		for range 13 {
			y.now = y.now.Add(5 * time.Second)
			if err := j.Sweep(t.Context(), y.now); !errors.Is(err, stream.ErrBlocked) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if y.first(name) != 1 || metric(t, j, "janitor_blocked") != 1 {
			t.Errorf("%s begins at %d", name, y.first(name))
		}
		if n := y.log.count("level=ERROR", "stream="+name, consumer, "sluice setup"); n != 2 {
			t.Errorf("%s: %d lines in a minute", name, n)
		}
		if name == stream.Deliveries {
			_, err = y.conn.Setup(t.Context(), streamtest.Topology())
		} else {
			_, err = y.conn.SetupNamespace(t.Context(), "a")
		}
		if err != nil {
			t.Fatal(err)
		}
		y.sweep(j, time.Second)
		if y.first(name) != 1 || metric(t, j, "janitor_blocked") != 0 {
			t.Errorf("%s begins at %d", name, y.first(name))
		}
		again := y.work(name, consumer)
		y.awaitFirst(j, name, 6)
		again.stop()
	}
}

func TestWhatWasFinishedBeforeCountingBeganIsHistory(t *testing.T) {
	y := newYard(t, "a", "b")
	for range 5 {
		y.publish(stream.SubjectDocuments("a"), 1)
		y.publish(stream.SubjectDocuments("b"), 1)
	}
	y.acknowledge(stream.Documents, stream.Indexer("a"), 1)
	y.acknowledge(stream.Documents, stream.Indexer("b"), 5)
	a, b := y.work(stream.Documents, stream.Indexer("a")), y.work(stream.Documents, stream.Indexer("b"))
	j := y.conn.NewJanitor(stream.Documents, 0)
	j.Attach(a.Inbox)
	j.Attach(b.Inbox)
	y.awaitFirst(j, stream.Documents, 11)
	if len(b.seen) != 0 || len(a.seen) != 4 || metric(t, j, "second_looks_total") != 0 {
		t.Fatalf("%v, %v", a.seen, b.seen)
	}
}

func TestCountingSurvivesTheLossOfItsBucketAndANewStream(t *testing.T) {
	y := newYard(t)
	c := y.work(stream.Deliveries, stream.Enricher)
	y.publish(stream.SubjectDeliveries, 5)
	y.await("all are done", func() bool { return c.times(5) == 1 })
	js := y.raw()
	if err := js.DeleteKeyValue(t.Context(), stream.BucketVerdicts); err != nil {
		t.Fatal(err)
	}
	j := y.conn.NewJanitor(stream.Deliveries, 0)
	j.Attach(c.Inbox)
	if err := j.Sweep(t.Context(), y.now); !errors.Is(err, stream.ErrNotFound) {
		t.Fatalf("without its bucket: %v", err)
	}
	if _, err := y.conn.Inbox(t.Context(), stream.Deliveries, stream.Enricher, 0); !errors.Is(err, stream.ErrNotFound) {
		t.Fatalf("without the bucket an inbox opens: %v", err)
	}
	if _, err := y.conn.Setup(t.Context(), streamtest.Topology()); err != nil {
		t.Fatal(err)
	}
	y.awaitFirst(j, stream.Deliveries, 6)
	if err := js.DeleteStream(t.Context(), stream.Deliveries); err != nil {
		t.Fatal(err)
	}
	if _, err := y.conn.Setup(t.Context(), streamtest.Topology()); err != nil {
		t.Fatal(err)
	}
	y.publish(stream.SubjectDeliveries, 3) // sequences that had verdicts in the old stream
	y.await("the new ones are done", func() bool { return c.times(3) == 2 })
	y.sweep(j, 0)
	y.sweep(j, 31*time.Second)
	y.awaitFirst(j, stream.Deliveries, 4)
	if losses, err := y.conn.Losses(t.Context()); err != nil || len(losses) != 0 {
		t.Fatalf("%+v, %v", losses, err)
	}
}

func TestPagesThatSayNothingNewAreRemoved(t *testing.T) {
	y := newYard(t)
	for range 3 { // three instances, one after the other
		c := y.work(stream.Deliveries, stream.Enricher)
		y.publish(stream.SubjectDeliveries, 2)
		y.await("they are done", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.seen) == 2 })
		c.stop()
	}
	j := y.conn.NewJanitor(stream.Deliveries, time.Hour)
	y.sweep(j, 0)
	keys := func() int {
		b, err := y.conn.Bucket(t.Context(), stream.BucketVerdicts)
		if err != nil {
			t.Fatal(err)
		}
		all, err := b.All(t.Context(), ">")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	if n := keys(); n != 5 { // with account and lease
		t.Fatalf("%d keys", n)
	}
	y.sweep(j, 61*time.Second)
	if n := keys(); n != 2 {
		t.Fatalf("%d keys are left", n)
	}
}

func TestTheBudgetIsRoomAndTime(t *testing.T) {
	y := newYard(t)
	c := y.work(stream.Deliveries, stream.Enricher)
	y.publish(stream.SubjectDeliveries, 10)
	y.await("all are done", func() bool { return c.times(10) == 1 })
	c.stop()
	j := y.conn.NewJanitor(stream.Deliveries, time.Hour)
	y.sweep(j, 0)
	y.sweep(j, 6*time.Minute)
	if got := metric(t, j, "full_in_seconds"); !math.IsInf(got, 1) {
		t.Errorf("full in %v s, though nothing grows", got)
	}
	y.publish(stream.SubjectDeliveries, 30)
	y.sweep(j, 6*time.Minute)
	b, err := y.conn.Budget(t.Context(), stream.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	if want := b.Bytes * 3 / 4; b.Unfinished != want || b.MaxBytes != 1<<30 {
		t.Errorf("%+v, want %d unfinished", b, want)
	}
	growth := metric(t, j, "growth_bytes_per_second")
	if want := float64(b.Unfinished) / 360; math.Abs(growth-want) > want/100 {
		t.Errorf("grows by %v, want %v", growth, want)
	}
	if got, want := metric(t, j, "full_in_seconds"), (float64(1<<30)-float64(b.Unfinished))/growth; math.Abs(got-want) > want/1e7 {
		t.Errorf("full in %v, want %v", got, want)
	}
	if left, grows := b.FullIn(); !grows || b.Growth != growth || left <= 0 {
		t.Errorf("%+v is full in %v, %v", b, left, grows)
	}
}
