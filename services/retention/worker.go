package retention

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// worker sweeps at the start and then again and again.
type worker struct {
	interval time.Duration
	sweep    func(context.Context)

	quit chan struct{}
	once sync.Once
}

func newWorker(interval time.Duration, sweep func(context.Context)) *worker {
	return &worker{interval: interval, sweep: sweep, quit: make(chan struct{})}
}

// run sweeps until stop. Several instances that were started together part in time.
func (w *worker) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-w.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		w.sweep(ctx)
		select {
		case <-time.After(w.interval + rand.N(w.interval/10+1)):
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *worker) stop(context.Context) error {
	w.once.Do(func() { close(w.quit) })
	return nil
}
