package intake

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/stream"
)

// slow is a stream whose commits end when the test says so.
type slow struct{ begun, end chan int }

func (s slow) Publish(_ context.Context, out stream.Outgoing) (stream.Receipt, error) {
	all, err := delivery.Decode(out.Header, out.Data)
	s.begun <- len(all)
	<-s.end
	return stream.Receipt{}, err
}

func (slow) MaxPayload() int { return 8 << 20 }

// What comes during a commit goes together after it, unless it is so much that a second commit is worth its while.
func TestWhatComesDuringACommitSharesTheNext(t *testing.T) {
	s := slow{make(chan int, 100), make(chan int, 100)}
	c := NewCommitter(s, time.Minute, NewMetrics(prometheus.NewRegistry()))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }() // never fails
	answered := make(chan error, 100)
	send := func(count, size int) {
		for range count {
			p := &pending{delivery: delivery.Delivery{ID: "D", Namespace: "n", Body: make([]byte, size)}, size: size, done: answered}
			c.queues[0] <- p // taken at once, or in time
		}
	}
	send(1, 100)
	if first := <-s.begun; first != 1 {
		t.Fatalf("the first commit has %d deliveries", first)
	}
	send(20, 100) // each is taken by the time that the next one can be handed over
	select {
	case n := <-s.begun:
		t.Fatalf("a second commit began for %d small deliveries", n)
	default:
	}
	s.end <- 0
	if second := <-s.begun; second != 20 {
		t.Errorf("the second commit has %d deliveries", second)
	}
	send(1, muchBytes)
	if third := <-s.begun; third != 1 {
		t.Errorf("the third commit has %d deliveries", third)
	}
	s.end <- 0
	s.end <- 0
	for range 22 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	stop()
	<-ended
}

// At a stop nobody is left without an answer.
func TestAStopAnswersWhoWaits(t *testing.T) {
	s := slow{make(chan int, 100), make(chan int, 100)}
	c := NewCommitter(s, time.Minute, NewMetrics(prometheus.NewRegistry()))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }() // never fails
	answered := make(chan error, 2)
	send := func() {
		c.queues[0] <- &pending{delivery: delivery.Delivery{ID: "D", Namespace: "n"}, size: 1, done: answered}
	}
	send()
	<-s.begun
	send()
	stop()
	s.end <- 0
	<-ended
	if first, second := <-answered, <-answered; first != nil || second == nil {
		t.Errorf("answered %v and %v", first, second)
	}
}

// Whoever gives up leaves no body behind, however long the stream takes.
func TestWhoGivesUpLeavesNothingInTheQueue(t *testing.T) {
	s := slow{make(chan int, 100), make(chan int, 100)}
	c := NewCommitter(s, 50*time.Millisecond, NewMetrics(prometheus.NewRegistry()))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = c.Run(ctx) }() // never fails
	store := func(id string) error {
		return c.share(delivery.Delivery{ID: id, Namespace: "n", Body: make([]byte, 1000)}, extent{plain: 1000})
	}
	if err := store("in the commit"); err == nil {
		t.Error("a commit that did not end was answered")
	}
	<-s.begun
	if err := store("behind it"); err == nil {
		t.Error("a commit that did not begin was answered")
	}
	left := &pending{delivery: delivery.Delivery{ID: "D", Namespace: "n"}, size: 1, done: make(chan error, 1)}
	c.queues[0] <- left
	s.end <- 0
	if together := <-s.begun; together != 1 {
		t.Errorf("%d deliveries are committed, of which one has a sender who waits", together)
	}
	s.end <- 0
	if err := <-left.done; err != nil {
		t.Error(err)
	}
	stop()
	<-ended
}
