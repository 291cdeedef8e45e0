package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func publish(t *testing.T, conn *stream.Conn, n int) {
	t.Helper()
	for i := range n {
		if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Data: fmt.Appendf(nil, "delivery %d", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

// inbox opens and runs the enricher's inbox until the test ends or stop is called.
func inbox(t *testing.T, conn *stream.Conn) (in *stream.Inbox, stop func()) {
	t.Helper()
	in, err := conn.Inbox(t.Context(), stream.Deliveries, stream.Enricher, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = in.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return in, stop
}

func TestWhatIsPublishedComesOutInOrderAndDoneEndsIt(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	publish(t, conn, 50)
	in, stop := inbox(t, conn)
	got := 0
	for got < 50 {
		batch, err := in.Next(t.Context(), stream.Want{Bytes: 1 << 20, Count: 7, Age: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) > 7 {
			t.Fatalf("a batch of %d", len(batch))
		}
		for _, m := range batch {
			if want := fmt.Sprintf("delivery %d", got); string(m.Data) != want {
				t.Fatalf("got %q, want %q", m.Data, want)
			}
			m.Done()
			got++
		}
	}
	stop()
	p, err := conn.Progress(t.Context(), stream.Deliveries, stream.Enricher)
	if err != nil || p.Waiting != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
}

func TestStoppedInboxGivesBackWhatNobodyTook(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	publish(t, conn, 10)
	first, stop := inbox(t, conn)
	batch, err := first.Next(t.Context(), stream.Want{Bytes: 1 << 20, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	batch[0].Done()
	stop()
	second, _ := inbox(t, conn)
	seen := map[string]bool{}
	for len(seen) < 9 {
		batch, err := second.Next(t.Context(), stream.Want{Bytes: 1 << 20, Count: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range batch {
			seen[string(m.Data)] = true
			m.Done()
		}
	}
	if seen["delivery 0"] {
		t.Fatal("a finished message came again")
	}
}

func TestAFullStreamRefusesAndKeepsWhatItHas(t *testing.T) {
	srv := streamtest.Start(t)
	conn := srv.Open(t)
	small := streamtest.Topology()
	small.DeliveriesMaxBytes = 64 << 10
	if _, err := conn.Setup(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	stored := 0
	for {
		_, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Data: make([]byte, 4096)})
		if err != nil {
			if !errors.Is(err, stream.ErrFull) {
				t.Fatalf("got %v", err)
			}
			break
		}
		if stored++; stored > 100 {
			t.Fatal("the stream never got full")
		}
	}
	state, err := conn.State(t.Context(), stream.Deliveries)
	if err != nil || int(state.Messages) != stored {
		t.Fatalf("stored %d, holds %d, %v", stored, state.Messages, err)
	}
}

func TestSetupCanBeRepeatedAndGrows(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	size := streamtest.Topology()
	changes, err := conn.Setup(t.Context(), size)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.Action != "unchanged" {
			t.Errorf("%+v", c)
		}
	}
	size.DeliveriesMaxBytes *= 2
	changes, err = conn.Setup(t.Context(), size)
	grown := func(c stream.Change) bool { return c.Name == stream.Deliveries && c.Action == "updated" }
	if err != nil || !slices.ContainsFunc(changes, grown) {
		t.Fatalf("%+v, %v", changes, err)
	}
}

func TestSetupRefusesWhatWouldLoseMessages(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	publish(t, conn, 20)
	tiny := streamtest.Topology()
	tiny.DeliveriesMaxBytes = 100
	if _, err := conn.Setup(t.Context(), tiny); err == nil || !strings.Contains(err.Error(), "refusing") {
		t.Fatalf("got %v", err)
	}
	if state, err := conn.State(t.Context(), stream.Deliveries); err != nil || state.Messages != 20 {
		t.Fatalf("%+v, %v", state, err)
	}
}

func TestAbsentStoresOnlyOnce(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	out := stream.Outgoing{Subject: stream.SubjectDeadLetters + "enricher.d1.0", Data: []byte("x"), Absent: true}
	if _, err := conn.Publish(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Publish(t.Context(), out); !errors.Is(err, stream.ErrExists) {
		t.Fatalf("got %v", err)
	}
}

func TestAnIDIsStoredOnce(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	for round, duplicate := range []bool{false, true} {
		for i := range 20 {
			r, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDocuments("default"), ID: fmt.Sprint("id-", i), Data: []byte("x")})
			if err != nil || r.Duplicate != duplicate {
				t.Fatalf("round %d: %+v, %v", round, r, err)
			}
		}
	}
	if state, err := conn.State(t.Context(), stream.Documents); err != nil || state.Messages != 20 {
		t.Fatalf("%+v, %v", state, err)
	}
}

func TestScanShowsAllAndTakesNothing(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	publish(t, conn, 30)
	for range 2 {
		n := 0
		for s, err := range conn.Scan(t.Context(), stream.Deliveries, stream.Range{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			if s.Sequence != uint64(n) {
				t.Fatalf("sequence %d at place %d", s.Sequence, n)
			}
		}
		if n != 30 {
			t.Fatalf("saw %d", n)
		}
	}
}

func TestTheJanitorPurgesOnlyWhatIsFinishedAndOlderThanTheMargin(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	publish(t, conn, 10)
	in, stop := inbox(t, conn)
	batch, err := in.Next(t.Context(), stream.Want{Bytes: 1 << 20, Count: 4, Age: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range batch {
		m.Done()
	}
	stop() // waits until the acknowledgements are on their way
	j := conn.NewJanitor(stream.Deliveries, time.Hour)
	now := time.Now()
	first := func() uint64 {
		state, err := conn.State(t.Context(), stream.Deliveries)
		if err != nil {
			t.Fatal(err)
		}
		return state.First
	}
	awaitFloor(t, conn, uint64(len(batch)))
	for _, at := range []time.Duration{0, 30 * time.Minute} {
		if err := j.Sweep(t.Context(), now.Add(at)); err != nil || first() != 1 {
			t.Fatalf("after %v: first is %d, %v", at, first(), err)
		}
	}
	if err := j.Sweep(t.Context(), now.Add(61*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if want := uint64(len(batch)) + 1; first() != want {
		t.Fatalf("first is %d, want %d", first(), want)
	}
}

func awaitFloor(t *testing.T, conn *stream.Conn, want uint64) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		p, err := conn.Progress(t.Context(), stream.Deliveries, stream.Enricher)
		if err != nil {
			t.Fatal(err)
		}
		if p.Done >= want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("acknowledged up to %d, want %d", p.Done, want)
		}
	}
}

func TestBucketRoundTripAndWatch(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	b, err := conn.Bucket(t.Context(), stream.BucketEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Create(t.Context(), "endpoint.a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := b.Create(t.Context(), "endpoint.a", []byte("2")); !errors.Is(err, stream.ErrExists) {
		t.Fatalf("got %v", err)
	}
	if _, err := b.Get(t.Context(), "endpoint.b"); !errors.Is(err, stream.ErrNotFound) {
		t.Fatalf("got %v", err)
	}
	e, err := b.Get(t.Context(), "endpoint.a")
	if err != nil {
		t.Fatal(err)
	}
	stale := e
	e.Value = []byte("3")
	if err := b.Update(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := b.Update(t.Context(), stale); !errors.Is(err, stream.ErrExists) {
		t.Fatalf("got %v", err)
	}
	all, err := b.All(t.Context(), "endpoint.*")
	if err != nil || len(all) != 1 || string(all[0].Value) != "3" {
		t.Fatalf("%+v, %v", all, err)
	}
}

func TestAServerThatDoesNotSyncIsRefused(t *testing.T) {
	monitor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"config":{"max_storage":1,"sync_interval":120000000000}}`))
	}))
	defer monitor.Close()
	srv := streamtest.Start(t)
	cfg := srv.Config()
	cfg.SyncAlways, cfg.NATSMonitorURLs = false, []string{monitor.URL}
	if _, err := stream.Open(t.Context(), "test", cfg, slog.New(slog.DiscardHandler)); !errors.Is(err, stream.ErrNotDurable) {
		t.Fatalf("got %v", err)
	}
	cfg.NATSUnsafe = true
	conn, err := stream.Open(t.Context(), "test", cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
