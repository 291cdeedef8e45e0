package stream_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// Somebody publishes all the time while the intake is closed: what was acknowledged is counted, and nothing is
// acknowledged after it was counted.
func TestWhatWasAcknowledgedBeforeTheIntakeClosedIsCounted(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	var acknowledged atomic.Uint64 // the last sequence
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			if receipt, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("a")}); err == nil {
				acknowledged.Store(receipt.Sequence)
			}
		}
	}()
	for end := time.Now().Add(time.Minute); acknowledged.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing is acknowledged")
		}
	}
	open, err := conn.CloseIntake(ctx)
	if err != nil {
		t.Fatal(err)
	}
	all, err := conn.Inventory(ctx)
	if err != nil {
		t.Fatal(err)
	}
	state, err := conn.State(ctx, stream.Deliveries)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-ended
	if last := acknowledged.Load(); all.Unfinished == 0 || last > state.Last {
		t.Errorf("%d messages are unfinished; %d is the last in the stream, and %d was acknowledged", all.Unfinished, state.Last, last)
	}
	one := stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("a")}
	if receipt, err := conn.Publish(t.Context(), one); err == nil {
		t.Errorf("acknowledged after the end: %+v", receipt)
	}
	if err := open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if receipt, err := conn.Publish(t.Context(), one); err != nil || receipt.Sequence != state.Last+1 {
		t.Errorf("open again: %+v %v", receipt, err)
	}
}

func TestSetupOpensAnIntakeThatWasLeftClosed(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	if _, err := conn.CloseIntake(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Setup(t.Context(), streamtest.Topology()); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("a")}); err != nil {
		t.Error(err)
	}
}

func TestWhoFollowsTheRegistryIsSeen(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	bucket, err := conn.Bucket(t.Context(), stream.BucketEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	busy := func() bool {
		t.Helper()
		all, err := conn.Inventory(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all.Busy) > 0
	}
	if _, err := bucket.All(t.Context(), ">"); err != nil || busy() {
		t.Fatalf("nobody follows: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = bucket.Watch(ctx, ">", func(stream.Entry) {}, func() { close(ready) })
	}()
	<-ready
	for end := time.Now().Add(time.Minute); !busy(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("who follows is not seen")
		}
	}
	cancel()
	<-ended
	for end := time.Now().Add(time.Minute); busy(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("who has gone is still seen")
		}
	}
}
