package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluicelog/sluice/shared/lifecycle"
)

// recorder collects the order in which things happen.
type recorder struct {
	mu    sync.Mutex
	names []string
}

func (r *recorder) add(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.names = append(r.names, name)
}

// blocking returns a part that runs until stopped.
func blocking(r *recorder, name string) (run, stop func(context.Context) error) {
	quit := make(chan struct{})
	run = func(context.Context) error { <-quit; return nil }
	stop = func(context.Context) error { r.add(name); close(quit); return nil }
	return run, stop
}

func TestPartsStopInReverseOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g lifecycle.Group
		r := &recorder{}
		for _, name := range []string{"stream", "worker", "listener"} {
			run, stop := blocking(r, name)
			g.Add(name, run, stop)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := g.Run(ctx, time.Minute); err != nil {
			t.Fatal(err)
		}
		if want := []string{"listener", "worker", "stream"}; !slices.Equal(r.names, want) {
			t.Fatalf("stopped %v, want %v", r.names, want)
		}
	})
}

func TestOneFailureStopsTheOthersAndIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g lifecycle.Group
		r := &recorder{}
		run, stop := blocking(r, "stream")
		g.Add("stream", run, stop)
		boom := errors.New("boom")
		g.Add("worker", func(context.Context) error { return boom }, nil)
		err := g.Run(t.Context(), time.Minute)
		if !errors.Is(err, boom) || !strings.Contains(err.Error(), "worker: boom") {
			t.Fatalf("got %v", err)
		}
		if !slices.Equal(r.names, []string{"stream"}) {
			t.Fatalf("stopped %v", r.names)
		}
	})
}

func TestAPartWithoutAStopMayFinishWhatItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g lifecycle.Group
		r := &recorder{}
		run, stop := blocking(r, "stream")
		g.Add("stream", run, stop)
		g.Add("worker", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			r.add("worker")
			return nil
		}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Run(ctx, 5*time.Second); err != nil {
			t.Fatal(err)
		}
		if want := []string{"worker", "stream"}; !slices.Equal(r.names, want) {
			t.Fatalf("stopped %v, want %v", r.names, want)
		}
	})
}

func TestAPartThatIgnoresItsStopCostsOnlyTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g lifecycle.Group
		hang := make(chan struct{})
		g.Add("deaf", func(context.Context) error { <-hang; return nil }, func(context.Context) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		err := g.Run(ctx, 5*time.Second)
		if err == nil || !strings.Contains(err.Error(), "deaf") {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(begin); took != 5*time.Second {
			t.Fatalf("took %v", took)
		}
		close(hang)
	})
}

func TestAFailureCountsUnlessTheStopCausedIt(t *testing.T) {
	boom := errors.New("boom")
	ctx, cancel := context.WithCancel(t.Context())
	if err := lifecycle.UnlessStopped(ctx, boom); !errors.Is(err, boom) {
		t.Errorf("before the stop: %v", err)
	}
	cancel()
	if err := lifecycle.UnlessStopped(ctx, boom); err != nil {
		t.Errorf("after the stop: %v", err)
	}
}
