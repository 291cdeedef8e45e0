package enrich

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sluicelog/sluice/shared/stream"
)

const (
	maxWaiting = 16 << 20 // bytes of documents of one message in memory, beyond which they are stored before more is mapped
	abreast    = 8        // parts under way at once
)

// most is how many bytes of documents may wait: enough for one full part in any case.
func (w *work) most() int { return max(maxWaiting, min(w.p.PartBytes, w.room())) }

// finish stores all documents so far. Which ones meet in a part depends on the documents alone, so a repetition after
// a crash gives the same parts.
func (w *work) finish(ctx context.Context) error {
	w.ready = w.builder.Finish()
	return w.store(ctx)
}

// store puts what is ready on disk, in as many attempts as that takes. What is stored once is not offered again. The
// error says that ctx ended, and why the last attempt failed.
func (w *work) store(ctx context.Context) error {
	if len(w.ready)+len(w.letters) == 0 { // as after most deliveries that share a message
		return nil
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 10*time.Second
	for {
		err := w.attempt(ctx)
		if err == nil {
			return nil
		}
		level := slog.LevelWarn
		if errors.Is(err, stream.ErrFull) {
			level = slog.LevelError
		}
		w.alarm.Log(ctx, level, "enrich", "a delivery waits", slog.Uint64("sequence", w.message.Sequence), slog.String("error", err.Error()))
		select {
		case <-time.After(wait.NextBackOff()):
		case <-ctx.Done():
			return fmt.Errorf("storing what message %d holds: %w", w.message.Sequence, err)
		}
	}
}

// attempt stores what it can.
func (w *work) attempt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.p.Patience)
	defer cancel()
	if err := w.publish(ctx); err != nil {
		return err
	}
	for len(w.letters) > 0 {
		l := w.letters[0]
		added, err := w.p.Letters.Put(ctx, l)
		if err != nil {
			return err
		}
		if added {
			w.p.Metrics.dead.WithLabelValues(l.Reason).Inc()
		}
		w.letters[0], w.letters = nil, w.letters[1:]
	}
	return nil
}

// publish stores the parts, several at once, and forgets those that are on disk; the error is the first of the others'.
func (w *work) publish(ctx context.Context) error {
	var group sync.WaitGroup
	errs, room := make([]error, len(w.ready)), make(chan struct{}, abreast)
	for i, out := range w.ready {
		room <- struct{}{}
		group.Go(func() {
			if _, errs[i] = w.p.Stream.Publish(ctx, out); errs[i] == nil {
				w.shelf.Give(out.Data)
			}
			<-room
		})
	}
	group.Wait()
	var left []stream.Outgoing
	var first error
	for i, err := range errs {
		if err == nil {
			continue
		}
		left = append(left, w.ready[i])
		if first == nil {
			first = err
		}
	}
	w.ready = left
	return first
}
