package simulator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// ErrUndelivered says that deliveries were given up after MaxCycles.
var ErrUndelivered = errors.New("events stayed undelivered")

// Result is what became of one attempt to deliver.
type Result struct {
	// Events are the log_ids of the delivery, in its order.
	Events []string
	// Bytes is the size of the body as sent, compressed or not.
	Bytes int
	// Status is the HTTP status; zero when no answer came.
	Status int
	// Delivery is the delivery's id in the JSON answer, when it has one.
	Delivery string
	// Latency is from the first byte sent to the whole answer read.
	Latency time.Duration
	// Attempt counts from 1 within its cycle, Cycle from 1.
	Attempt, Cycle int
	// Err is why no answer came; it never holds the Authorization value.
	Err error
	// Acked is true for a 2xx answer: the receiver has promised to keep the events.
	Acked bool
}

// Stream is one log stream. Run may be called again after it returned.
type Stream struct {
	opts   StreamOptions
	client *http.Client
	gate   *gate
}

// NewStream makes a log stream, or says what in its options cannot work.
func NewStream(opts StreamOptions) (*Stream, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, fmt.Errorf("making the log stream: %w", err)
	}
	return &Stream{opts: opts, client: newClient(opts), gate: newGate()}, nil
}

// newClient keeps one connection for each delivery under way. A redirect is an
// answer: following it would carry the token to another place.
func newClient(opts StreamOptions) *http.Client {
	var client http.Client
	if opts.Client != nil {
		client = *opts.Client
	} else if standard, ok := http.DefaultTransport.(*http.Transport); ok {
		transport := standard.Clone()
		transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, opts.Concurrency
		client.Transport = transport
	}
	if client.CheckRedirect == nil {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return &client
}

// Pause stops the stream before its next attempt. What is under way ends; what
// follows waits and is not dropped.
func (s *Stream) Pause() { s.gate.shut() }

// Resume lets a paused stream go on with what waited.
func (s *Stream) Resume() { s.gate.open() }

// Run delivers what source yields until it has no more and everything is
// answered 2xx, or until ctx ends. An answer other than 2xx, or none, is tried
// again. The error is ErrUndelivered, the context's, or nil; the report is
// whole in each case. Source is called by one goroutine at a time.
func (s *Stream) Run(ctx context.Context, source func() (Event, bool)) (Report, error) {
	began := time.Now()
	sums := newTally(s.opts.OnResult)
	work := make(chan []Event)
	var workers sync.WaitGroup
	for range s.opts.Concurrency {
		workers.Go(func() { s.deliverAll(ctx, work, sums) })
	}
	s.feed(ctx, source, work, sums)
	close(work)
	workers.Wait()
	if s.opts.Client == nil {
		s.client.CloseIdleConnections()
	}
	report := sums.report(time.Since(began))
	switch {
	case ctx.Err() != nil:
		return report, fmt.Errorf("running the log stream: %w", context.Cause(ctx))
	case report.Unacked > 0:
		return report, fmt.Errorf("running the log stream: %w: %d events after %d cycles", ErrUndelivered, report.Unacked, s.opts.MaxCycles)
	}
	return report, nil
}

// feed cuts the source into batches and hands them out at the stream's rate.
func (s *Stream) feed(ctx context.Context, source func() (Event, bool), work chan<- []Event, sums *tally) {
	cut := batcher{opts: s.opts, source: source, sums: sums, rand: rand.New(rand.NewPCG(s.opts.Seed, 0x5eed))}
	began := time.Now()
	for sent := 0; ; {
		if s.gate.pass(ctx) != nil || s.keepRate(ctx, began, sent) != nil {
			break
		}
		batch := cut.next(s.batchSize())
		if len(batch) == 0 {
			return
		}
		select {
		case work <- batch:
			sent += len(batch)
		case <-ctx.Done():
			sums.abandoned(len(batch))
			cut.abandon()
			return
		}
	}
	cut.abandon()
}

// batchSize keeps a slow stream near real time: its batches hold no more than
// a second's events.
func (s *Stream) batchSize() int {
	if s.opts.Rate <= 0 || s.opts.Rate >= float64(s.opts.Batch) {
		return s.opts.Batch
	}
	return max(1, int(s.opts.Rate))
}

func (s *Stream) keepRate(ctx context.Context, began time.Time, sent int) error {
	if s.opts.Rate <= 0 {
		return ctx.Err()
	}
	due := began.Add(time.Duration(float64(sent) / s.opts.Rate * float64(time.Second)))
	return wait(ctx, time.Until(due))
}

// wait returns after a time, or with the context's error.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
