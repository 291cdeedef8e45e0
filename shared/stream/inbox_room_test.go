package stream_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// More messages than one request brings all come, and requests that bring nothing cost nothing to speak of: the library
// makes room for a million messages where only bytes are asked for, 32 MB at every request.
func TestRequestsForMessagesAreBoundedAndMakeLittleGarbage(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	const count = 1100
	for range count {
		if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	in, err := conn.Inbox(t.Context(), stream.Deliveries, stream.Enricher, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); _ = in.Run(ctx) }() // never fails
	for left := count; left > 0; {
		batch, err := in.Next(ctx, stream.Want{Count: left, Bytes: 1})
		if err != nil {
			t.Fatalf("%d messages are missing: %v", left, err)
		}
		for _, m := range batch {
			m.Done()
		}
		left -= len(batch)
	}
	cancel()
	<-ended

	var before, after runtime.MemStats
	idle, stop := context.WithTimeout(t.Context(), 2500*time.Millisecond) // some requests, of a second each
	defer stop()
	if in, err = conn.Inbox(t.Context(), stream.Deliveries, stream.Enricher, 64<<20); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&before)
	_ = in.Run(idle) // never fails
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - before.TotalAlloc; made > 16<<20 {
		t.Errorf("requests that brought nothing allocated %d MiB", made>>20)
	}
}
