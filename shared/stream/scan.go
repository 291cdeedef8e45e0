package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Stored is one message as it lies in a stream.
type Stored struct {
	Subject  string
	Header   Header
	Data     []byte
	Sequence uint64
	Time     time.Time
}

// Range says which messages of a stream Scan shows. Zero values mean: all.
type Range struct {
	Subject     string // filter, may hold wildcards
	Since       time.Time
	From        uint64 // first sequence; ignored with Since
	HeadersOnly bool
}

// Scan yields the messages of a stream in order, up to the last one present at the start, and takes nothing away.
func (c *Conn) Scan(ctx context.Context, stream string, r Range) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		consumer, err := c.openScan(ctx, stream, r)
		if err != nil {
			yield(Stored{}, fmt.Errorf("scanning %s: %w", stream, classify(err)))
			return
		}
		defer c.forget(ctx, stream, consumer)
		pending := consumer.CachedInfo().NumPending
		if pending == 0 {
			return
		}
		messages, err := consumer.Messages()
		if err != nil {
			yield(Stored{}, fmt.Errorf("scanning %s: %w", stream, classify(err)))
			return
		}
		defer messages.Stop()
		for range pending {
			raw, err := messages.Next(jetstream.NextMaxWait(10 * time.Second))
			if err != nil {
				yield(Stored{}, fmt.Errorf("scanning %s: %w", stream, classify(err)))
				return
			}
			if !yield(stored(raw), nil) || ctx.Err() != nil {
				return
			}
		}
	}
}

// forget removes the consumer of a scan. Left alone it would count against the server's limit until it is old enough to
// go, and a few hundred scans in a row would be refused.
func (c *Conn) forget(ctx context.Context, stream string, consumer jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if info := consumer.CachedInfo(); info != nil { // nil while a lost one is made anew
		_ = c.js.DeleteConsumer(ctx, stream, info.Name) // else the server does it after scanIdle
	}
}

// scanIdle is how long the server keeps the consumer of a scan that nobody reads from.
const scanIdle = time.Minute

func (c *Conn) openScan(ctx context.Context, stream string, r Range) (jetstream.Consumer, error) {
	cfg := jetstream.OrderedConsumerConfig{HeadersOnly: r.HeadersOnly, DeliverPolicy: jetstream.DeliverAllPolicy, InactiveThreshold: scanIdle}
	if r.Subject != "" {
		cfg.FilterSubjects = []string{r.Subject}
	}
	switch {
	case !r.Since.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.Since
	case r.From > 0:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.From
	}
	return c.js.OrderedConsumer(ctx, stream, cfg)
}

func stored(raw jetstream.Msg) Stored {
	s := Stored{Subject: raw.Subject(), Data: raw.Data()}
	if meta, err := raw.Metadata(); err == nil {
		s.Sequence, s.Time = meta.Sequence.Stream, meta.Timestamp
	}
	s.Header = make(Header, len(raw.Headers()))
	for k, v := range raw.Headers() {
		s.Header[k] = v[0]
	}
	s.Data = unpack(s.Header, s.Data, nil)
	return s
}

// Get returns one message by its sequence.
func (c *Conn) Get(ctx context.Context, stream string, sequence uint64) (Stored, error) {
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return Stored{}, fmt.Errorf("opening stream %s: %w", stream, classify(err))
	}
	raw, err := s.GetMsg(ctx, sequence)
	if err != nil {
		return Stored{}, fmt.Errorf("reading %s %d: %w", stream, sequence, classify(err))
	}
	return rawStored(raw), nil
}

func rawStored(raw *jetstream.RawStreamMsg) Stored {
	out := Stored{Subject: raw.Subject, Data: raw.Data, Sequence: raw.Sequence, Time: raw.Time, Header: Header{}}
	for k, v := range raw.Header {
		out.Header[k] = v[0]
	}
	out.Data = unpack(out.Header, out.Data, nil)
	return out
}

// Delete removes one message for good.
func (c *Conn) Delete(ctx context.Context, stream string, sequence uint64) error {
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return fmt.Errorf("opening stream %s: %w", stream, classify(err))
	}
	if err := s.DeleteMsg(ctx, sequence); err != nil {
		return fmt.Errorf("deleting %s %d: %w", stream, sequence, classify(err))
	}
	return nil
}

// State is how full a stream is.
type State struct {
	Messages, Bytes, First, Last uint64
	MaxBytes                     int64
	Created                      time.Time
	FirstTime                    time.Time
	Holes                        int // messages missing between First and Last that nobody deleted: lost
}

// gone is the last sequence that is no longer in the stream, 0 when there is none.
func (s State) gone() uint64 { return max(s.First, 1) - 1 }

// State returns how full a stream is.
func (c *Conn) State(ctx context.Context, stream string) (State, error) {
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return State{}, fmt.Errorf("looking at stream %s: %w", stream, c.denied.explain(classify(err)))
	}
	info := s.CachedInfo()
	st := info.State
	return State{
		Messages: st.Msgs, Bytes: st.Bytes, First: st.FirstSeq, Last: st.LastSeq, FirstTime: st.FirstTime,
		MaxBytes: info.Config.MaxBytes, Created: info.Created, Holes: st.NumDeleted,
	}, nil
}

// Progress is how far a consumer has come.
type Progress struct {
	Done     uint64 // every message up to this stream sequence is acknowledged
	Waiting  uint64 // not yet handed out
	InFlight int    // handed out, no verdict yet
	Limit    int    // with so many in flight nothing more is handed out
}

// Untouched reports whether nothing ever came to the consumer. To a new one, what was purged before it counts as done.
func (p Progress) Untouched() bool { return p.Done == 0 && p.Waiting == 0 && p.InFlight == 0 }

// Progress returns how far a durable consumer has come.
func (c *Conn) Progress(ctx context.Context, stream, consumer string) (Progress, error) {
	cons, err := c.js.Consumer(ctx, stream, consumer)
	if err != nil {
		return Progress{}, fmt.Errorf("looking at consumer %s of %s: %w", consumer, stream, classify(err))
	}
	info := cons.CachedInfo()
	return Progress{Done: info.AckFloor.Stream, Waiting: info.NumPending, InFlight: info.NumAckPending, Limit: info.Config.MaxAckPending}, nil
}

// Overall is how far the consumers of both classes have come together: Done is up to where both have finished everything.
func (c *Conn) Overall(ctx context.Context, stream, consumer string) (Progress, error) {
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return Progress{}, fmt.Errorf("looking at stream %s: %w", stream, classify(err))
	}
	last := s.CachedInfo().State.LastSeq
	var all Progress
	lowest, highest := uint64(math.MaxUint64), uint64(0)
	for _, name := range Classes(consumer) {
		p, err := c.Progress(ctx, stream, name)
		if errors.Is(err, ErrNotFound) && name != consumer {
			err = nil // as before `sluice setup`; what nobody reads lies behind its place all the same
		}
		if err != nil {
			return all, err
		}
		behind, err := c.behind(ctx, s, name, place{p.Done, p.Waiting > 0 || p.InFlight > 0})
		if err != nil {
			return all, err
		}
		if behind {
			lowest = min(lowest, p.Done)
			p.Waiting = max(p.Waiting, 1-min(uint64(max(p.InFlight, 0)), 1)) // what waits is counted late
		}
		highest = max(highest, p.Done)
		all.Waiting, all.InFlight, all.Limit = all.Waiting+p.Waiting, all.InFlight+p.InFlight, all.Limit+p.Limit
	}
	if all.Done = min(lowest, max(highest, last)); highest == 0 && all.Waiting == 0 && all.InFlight == 0 {
		all.Done = 0 // nothing ever came
	}
	return all, nil
}

// Oldest is when the first message that a durable consumer has not acknowledged was stored, zero when there is none: the
// age of what waits, whoever holds it and whether or not it was ever handed out.
func (c *Conn) Oldest(ctx context.Context, stream, consumer string) (time.Time, error) {
	first, err := c.First(ctx, stream, consumer)
	return first.Time, err
}

// OldestOverall is Oldest for the consumers of both classes together.
func (c *Conn) OldestOverall(ctx context.Context, stream, consumer string) (oldest time.Time, err error) {
	for _, name := range Classes(consumer) {
		at, err := c.Oldest(ctx, stream, name)
		if errors.Is(err, ErrNotFound) && name != consumer {
			continue // as before `sluice setup`
		}
		if err != nil {
			return time.Time{}, err
		}
		if oldest.IsZero() || !at.IsZero() && at.Before(oldest) {
			oldest = at
		}
	}
	return oldest, nil
}

// First is the first message that a durable consumer has not acknowledged, a zero one when there is none.
func (c *Conn) First(ctx context.Context, stream, consumer string) (Stored, error) {
	cons, err := c.js.Consumer(ctx, stream, consumer)
	if err != nil {
		return Stored{}, fmt.Errorf("looking at consumer %s of %s: %w", consumer, stream, classify(err))
	}
	info := cons.CachedInfo()
	if info.NumPending == 0 && info.NumAckPending == 0 {
		return Stored{}, nil
	}
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return Stored{}, fmt.Errorf("looking at stream %s: %w", stream, classify(err))
	}
	// The server skips to the first message of the consumer's own subjects.
	raw, err := s.GetMsg(ctx, info.AckFloor.Stream+1, jetstream.WithGetMsgSubject(cmp.Or(info.Config.FilterSubject, ">")))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Stored{}, nil // acknowledged and gone since we looked
	}
	if err != nil {
		return Stored{}, fmt.Errorf("reading the first message of %s that %s has not acknowledged: %w", stream, consumer, classify(err))
	}
	return rawStored(raw), nil
}

// Consumers lists the durable consumers of a stream.
func (c *Conn) Consumers(ctx context.Context, stream string) ([]string, error) {
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("looking at stream %s: %w", stream, classify(err))
	}
	var names []string
	lister := s.ConsumerNames(ctx)
	for name := range lister.Name() {
		names = append(names, name)
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("listing consumers of %s: %w", stream, classify(err))
	}
	return names, nil
}
