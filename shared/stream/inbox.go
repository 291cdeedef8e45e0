package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/scratch"
)

// heartbeat is how often a held message tells the server that it is still being worked on.
const heartbeat = AckWait / 4

// pull is how long one request to the server stays open; it bounds how long a stop waits for it.
const pull = time.Second

// Message is one message of a stream, held until Done or Retry. Its Data is used again for another message from then on.
type Message struct {
	Subject   string
	Header    Header
	Data      []byte
	Sequence  uint64 // in its stream
	Delivered int    // how often it was handed out, this time included
	Stored    time.Time
	pending   uint64        // messages behind it when it was handed out
	plain     int           // bytes of Data when it is unpacked, as it is for whoever takes it
	held      int           // bytes that count against the inbox's budget
	raw       jetstream.Msg // nil at a second look: the server has forgotten about it
	inbox     *Inbox
	counts    string     // what became of its events, as countLine writes it; empty: nobody said
	room      *batchRoom // memory of the inbox's shelf that Data is in; nil where it is in none
	at        int        // where Data begins in it
}

// Inbox pulls a consumer's messages into a store bounded by bytes and keeps every message alive until its verdict, so
// that a worker may take its time and a crash is noticed within AckWait. It is safe for concurrent use.
type Inbox struct {
	consumer jetstream.Consumer
	durable  string // the consumer's name
	name     string // the same with its stream, for people
	tally    *tally // nil where the consumer is not required
	log      *slog.Logger
	shelf    *scratch.Shelf
	budget   int // bytes that may be held at once
	floor    int // the server's largest message: a request for less could never be answered

	mu      sync.Mutex
	held    map[*Message]struct{} // handed out by the server, no verdict yet
	again   map[uint64]struct{}   // sequences among held that get a second look
	queue   []*Message            // the part of held that no worker has taken
	bytes   int                   // size of held
	waiting int                   // workers with a batch that waits for more
	arrived chan struct{}         // closed and replaced when queue grows, or somebody waits no longer
	freed   chan struct{}         // gets a token when held shrinks
	closed  bool
	failure error // why the last request failed, nil when it did not
}

// Inbox opens the durable consumer of a stream with a store of budget bytes (raised to what one message may need).
func (c *Conn) Inbox(ctx context.Context, stream, consumer string, budget int) (*Inbox, error) {
	cons, err := c.js.Consumer(ctx, stream, consumer)
	if err != nil {
		return nil, fmt.Errorf("opening consumer %s of %s (was `sluice setup` run?): %w", consumer, stream, c.denied.explain(classify(err)))
	}
	counted, err := c.openTally(ctx, stream, consumer)
	if err != nil {
		return nil, err
	}
	floor := c.MaxPayload() + 64<<10
	return &Inbox{
		consumer: cons, durable: consumer, name: stream + "/" + consumer, tally: counted, log: c.log, shelf: c.packer.shelf,
		budget: max(budget, 2*floor), floor: floor, held: map[*Message]struct{}{}, again: map[uint64]struct{}{},
		arrived: make(chan struct{}), freed: make(chan struct{}, 1),
	}, nil
}

// Run pulls until ctx ends; then messages that no worker has taken go back to the server at once.
func (in *Inbox) Run(ctx context.Context) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	stopped := make(chan struct{})
	defer close(stopped)
	go in.keepAlive(beat, stopped)
	counted := make(chan struct{})
	go func() { defer close(counted); in.tally.run(ctx) }()
	for ctx.Err() == nil {
		room := in.room()
		if room < in.floor {
			select {
			case <-in.freed:
			case <-ctx.Done():
			}
			continue
		}
		err := in.fetch(room)
		in.note(ctx, err)
		if err != nil {
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}
	in.giveBack()
	in.awaitVerdicts(context.WithoutCancel(ctx))
	<-counted
	in.tally.finish(ctx)
	return nil
}

// awaitVerdicts keeps the heart beating while workers finish what they took; lifecycle bounds the time.
func (in *Inbox) awaitVerdicts(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, AckWait)
	defer cancel()
	for {
		in.mu.Lock()
		left := len(in.held)
		in.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-in.freed:
		case <-ctx.Done():
			return
		}
	}
}

// room is how many bytes the store can still take.
func (in *Inbox) room() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.budget - in.bytes
}

// fetch makes one request and stores what comes until it ends.
func (in *Inbox) fetch(room int) error {
	batch, err := in.consumer.FetchBytes(room, jetstream.FetchMaxWait(pull), atMost(pullCount))
	if err != nil {
		return err
	}
	for raw := range batch.Messages() {
		in.add(raw)
	}
	err = batch.Error()
	if errors.Is(err, jetstream.ErrNoHeartbeat) {
		return nil
	}
	return err
}

// pullCount is how many messages one request may bring. Large ones are bounded by their bytes; of small ones no worker needs
// more at once.
const pullCount = 32

// atMost bounds the messages of a request for bytes. The library has no option for that, and makes room for a million:
// two channels of 16 MB for every request. To clear and to scan them took two fifths of a loaded program's processor time.
func atMost(count int) jetstream.FetchOpt {
	kind := reflect.TypeFor[jetstream.FetchOpt]()
	set := func(request []reflect.Value) []reflect.Value {
		if batch := request[0].Elem().FieldByName("Batch"); batch.CanSet() {
			batch.SetInt(int64(count))
		}
		return []reflect.Value{reflect.Zero(kind.Out(0))}
	}
	option, _ := reflect.TypeAssert[jetstream.FetchOpt](reflect.MakeFunc(kind, set)) // it is of that kind
	return option
}

// note keeps the reason of a failing consumer for Failure and logs a change only.
func (in *Inbox) note(ctx context.Context, err error) {
	in.mu.Lock()
	before := in.failure
	in.failure = err
	in.mu.Unlock()
	if err != nil && before == nil && ctx.Err() == nil {
		in.log.WarnContext(ctx, "pulling from the stream", "consumer", in.name, "error", err)
	}
}

// Failure is why the last request to the server failed, nil when it worked.
func (in *Inbox) Failure() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.failure == nil {
		return nil
	}
	return fmt.Errorf("pulling from %s: %w", in.name, classify(in.failure))
}

func (in *Inbox) add(raw jetstream.Msg) {
	meta, err := raw.Metadata()
	if err != nil { // not a stream's message: nothing that could be acknowledged
		in.log.Warn("message without stream metadata", "consumer", in.name, "error", err)
		return
	}
	m := &Message{
		Subject: raw.Subject(), Data: raw.Data(), Sequence: meta.Sequence.Stream, Delivered: int(meta.NumDelivered),
		Stored: meta.Timestamp, pending: meta.NumPending, raw: raw, inbox: in,
	}
	if h := raw.Headers(); len(h) > 0 {
		m.Header = make(Header, len(h))
		for k, v := range h {
			m.Header[k] = v[0]
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.enqueue(m)
}

// enqueue offers a message to the workers; mu is held.
func (in *Inbox) enqueue(m *Message) {
	m.plain, m.held = plainSize(m.Header, m.Data), m.size()
	in.held[m] = struct{}{}
	in.bytes += m.held
	in.queue = append(in.queue, m)
	in.wake()
}

// recheck gives a message to the workers once more, although the server counts it as finished. It reports false when
// there is no room for it now.
func (in *Inbox) recheck(s Stored) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if _, here := in.again[s.Sequence]; here {
		return true
	}
	m := &Message{Subject: s.Subject, Header: s.Header, Data: s.Data, Sequence: s.Sequence, Delivered: 1, Stored: s.Time, inbox: in}
	if in.closed || in.bytes+m.size() > in.budget {
		return false
	}
	in.again[m.Sequence] = struct{}{}
	in.enqueue(m)
	return true
}

// size is what a message costs in memory, roughly, while it waits for a worker.
func (m *Message) size() int { return len(m.Data) + 512 }

// keepAlive beats for every held message until stopped.
func (in *Inbox) keepAlive(beat *time.Ticker, stopped <-chan struct{}) {
	for {
		select {
		case <-beat.C:
			for _, m := range in.snapshot() {
				_ = m.raw.InProgress() // a lost beat only causes a redelivery
			}
		case <-stopped:
			return
		}
	}
}

// snapshot is what is held on the server's behalf.
func (in *Inbox) snapshot() []*Message {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make([]*Message, 0, len(in.held))
	for m := range in.held {
		if m.raw != nil {
			all = append(all, m)
		}
	}
	return all
}

// giveBack returns the untaken messages to the server.
func (in *Inbox) giveBack() {
	in.mu.Lock()
	queue := in.queue
	in.queue, in.closed = nil, true
	in.wake()
	in.mu.Unlock()
	for _, m := range queue {
		m.Retry(0)
	}
}

// Done acknowledges: the message's effect is durable elsewhere. Should the acknowledgement get lost the message comes
// again, so effects must be repeatable.
func (m *Message) Done() {
	m.inbox.tally.add(m.Sequence, m.counts)
	if m.raw != nil {
		if err := m.raw.Ack(); err != nil {
			m.inbox.log.Debug("acknowledging", "consumer", m.inbox.name, "sequence", m.Sequence, "error", err)
		}
	}
	m.inbox.release(m)
}

// Retry gives the message back; the server hands it out again after delay, the janitor when it still finds no verdict.
func (m *Message) Retry(delay time.Duration) {
	if m.raw != nil {
		if err := m.raw.NakWithDelay(delay); err != nil {
			m.inbox.log.Debug("giving back", "consumer", m.inbox.name, "sequence", m.Sequence, "error", err)
		}
	}
	m.inbox.release(m)
}

func (in *Inbox) release(m *Message) {
	in.mu.Lock()
	if _, ok := in.held[m]; ok {
		delete(in.held, m)
		in.bytes -= m.held
		if m.raw == nil {
			delete(in.again, m.Sequence)
		}
	}
	free := m.leave()
	in.mu.Unlock()
	in.shelf.Give(free)
	select {
	case in.freed <- struct{}{}:
	default:
	}
}

// Oldest is when the oldest message without a verdict was stored, zero when there is none: what waits for this worker.
func (in *Inbox) Oldest() time.Time {
	in.mu.Lock()
	defer in.mu.Unlock()
	var oldest time.Time
	for m := range in.held {
		if oldest.IsZero() || m.Stored.Before(oldest) {
			oldest = m.Stored
		}
	}
	return oldest
}
