package stream

import (
	"testing"
	"time"
)

// A batch that waits for what is on its way gets it, however many workers are idle: else it would wait until it is old.
func TestABatchThatWaitsIsNotLeftWaiting(t *testing.T) {
	in := &Inbox{held: map[*Message]struct{}{}, arrived: make(chan struct{})}
	add := func(pending uint64) {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.enqueue(&Message{pending: pending, inbox: in})
	}
	batches := make(chan int, 10)
	for range 4 {
		go func() {
			for {
				batch, err := in.Next(t.Context(), Want{Bytes: 1 << 20, Count: 100, Age: time.Hour})
				if err != nil {
					return
				}
				batches <- len(batch)
			}
		}()
	}
	for range 100 {
		add(1)
		for waiting := 0; waiting == 0; {
			in.mu.Lock()
			waiting = in.waiting
			in.mu.Unlock()
		}
		add(0)
		select {
		case n := <-batches:
			if n != 2 {
				t.Fatalf("a batch of %d", n)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it waits for a message that somebody else has")
		}
	}
	if in.waiting != 0 {
		t.Errorf("%d still wait", in.waiting)
	}
}

// While one batch waits, another one begins only when that one has all it may hold.
func TestAFullBatchLetsTheNextBegin(t *testing.T) {
	in := &Inbox{held: map[*Message]struct{}{}, arrived: make(chan struct{})}
	batches := make(chan int, 10)
	for range 2 {
		go func() {
			batch, _ := in.Next(t.Context(), Want{Bytes: 1 << 20, Count: 3, Age: time.Hour})
			batches <- len(batch)
		}()
	}
	for range 5 {
		in.mu.Lock()
		in.enqueue(&Message{pending: 9, inbox: in})
		in.mu.Unlock()
	}
	if n := <-batches; n != 3 {
		t.Errorf("a batch of %d", n)
	}
	in.mu.Lock()
	in.enqueue(&Message{pending: 0, inbox: in})
	in.mu.Unlock()
	if n := <-batches; n != 3 {
		t.Errorf("the next one is of %d", n)
	}
}
