package fault_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// senderFaults are what comes from outside.
func senderFaults() []*fault {
	return []*fault{
		{name: "sender-answers-lost", does: "the receiver's answers are lost: the sender repeats what is stored", hold: 5 * time.Second, strike: doorBroken(loseAnswers, 0.7)},
		{name: "sender-requests-cut", does: "deliveries are cut while they arrive", hold: 5 * time.Second, strike: doorBroken(loseRequests, 0.5)},
		{name: "sender-answers-halved", does: "answers are cut in the middle", hold: 5 * time.Second, strike: doorBroken(halveAnswers, 0.7)},
		{name: "replay-all", does: "everything that was sent so far is sent again, during the load, by two streams in other shapes", strike: replayAll},
		{name: "large-deliveries", does: "deliveries larger than a message, while the receiver is killed in the middle", strike: largeDeliveries},
		{name: "long-ids", does: "events whose log_id is longer than an id of Elasticsearch may be", strike: longIDs},
		{name: "wrong-token", does: "a second sender with a wrong token: 401, and nothing of it may be there", strike: wrongToken},
	}
}

func doorBroken(m mode, share float64) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		before := x.door.broken.Load()
		x.door.set(m, share, 0)
		return func() error {
			x.door.open()
			n := x.door.broken.Load() - before
			if n == 0 {
				return errors.New("no connection of the sender was broken")
			}
			x.saw("%d connections broken", n)
			return nil
		}, nil
	}
}

// past is a copy of what was sent so far.
func (b *book) past() []simulator.Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sent)
}

// send delivers events beside the load; every attempt goes to the book.
func (x *trial) send(o simulator.StreamOptions, events []simulator.Event) (simulator.Report, error) {
	o.URL, o.OnResult, o.Client, o.RetryWait, o.CycleWait = x.url, x.book.note, client(), 200*time.Millisecond, time.Second
	if o.Authorization == "" {
		o.Authorization = x.token
	}
	s, err := simulator.NewStream(o)
	if err != nil {
		return simulator.Report{}, err
	}
	return s.Run(x.ctx, simulator.FromSlice(events))
}

func replayAll(x *trial) (func() error, error) {
	events := x.book.past()
	for _, o := range []simulator.StreamOptions{{Shape: simulator.Lines, Batch: 70, Concurrency: 2}, {Shape: simulator.Object, Batch: 300, Encoding: "gzip", Concurrency: 2}} {
		report, err := x.send(o, events)
		if err != nil {
			return nil, err
		}
		if report.Acked == 0 {
			return nil, errors.New("there was nothing to send again")
		}
		x.saw("%d events sent again and acknowledged", report.Acked)
	}
	return nil, nil
}

// fresh makes events that the book knows.
func (x *trial) fresh(n int) []simulator.Event {
	seed := x.dice.Uint64()
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: seed, Name: fmt.Sprintf("fault-%x", seed), Start: time.Now().Add(-time.Hour), Step: time.Millisecond})
	events := make([]simulator.Event, n)
	for i := range events {
		events[i] = tenant.Next()
		x.book.offered(events[i], false)
	}
	return events
}

func largeDeliveries(x *trial) (func() error, error) {
	events := x.fresh(16000)
	size := len(simulator.Body(simulator.Array, events[:8000]))
	if size < 9<<20 {
		return nil, fmt.Errorf("a delivery of %d bytes is not larger than a message", size)
	}
	done := make(chan error, 1)
	go func() {
		_, err := x.send(simulator.StreamOptions{Shape: simulator.Array, Batch: 8000, Timeout: 20 * time.Second}, events)
		done <- err
	}()
	x.pause(time.Duration(x.dice.IntN(400)) * time.Millisecond)
	if err := x.kill("receiver"); err != nil {
		return nil, err
	}
	err := x.startService("receiver")
	x.saw("2 deliveries of %d MiB", size>>20)
	return nil, errors.Join(err, <-done)
}

func wrongToken(x *trial) (func() error, error) {
	before := x.book.attempts()[http.StatusUnauthorized]
	_, err := x.send(simulator.StreamOptions{Authorization: "wrong-" + x.token, Batch: 20, MaxCycles: 1, Concurrency: 2}, x.fresh(200))
	if !errors.Is(err, simulator.ErrUndelivered) {
		return nil, fmt.Errorf("a wrong token: %w", err)
	}
	n := x.book.attempts()[http.StatusUnauthorized] - before
	if n == 0 {
		return nil, errors.New("a wrong token was never answered 401")
	}
	x.saw("401×%d", n)
	return nil, nil
}

// longIDs sends events as Auth0 makes them, but for the length of their ids.
func longIDs(x *trial) (func() error, error) {
	events := x.fresh(50)
	for i, e := range events {
		id := e.LogID + strings.Repeat("0123456789", 60)
		x.book.forget(e.LogID)
		events[i] = simulator.Event{LogID: id, JSON: bytes.ReplaceAll(e.JSON, []byte(e.LogID), []byte(id))}
		x.book.offered(events[i], false)
	}
	report, err := x.send(simulator.StreamOptions{Shape: simulator.Lines, Batch: 10}, events)
	x.saw("%d events with ids of %d bytes acknowledged", report.Acked, len(events[0].LogID))
	return nil, err
}
