package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Header holds a message's headers: lower-case or canonical keys exactly as written, one value each.
type Header map[string]string

// Outgoing is a message to be stored.
type Outgoing struct {
	Subject string
	ID      string // Nats-Msg-Id: a second message with it is not stored again within the stream's duplicate window
	Header  Header
	Data    []byte
	Bulk    bool // the message is of the bulk class; it goes to the plain one where the stream has no other, as before `sluice setup`
	Pack    bool // compress Data on its way and in the stream; whoever reads it by this package gets it as it is here
	Absent  bool // store only when the subject holds no message yet; else ErrExists
}

// Receipt is the stream's acknowledgement: the message is on disk.
type Receipt struct {
	Stream    string
	Sequence  uint64
	Duplicate bool
}

// subject is where it goes.
func (o Outgoing) subject() string {
	if o.Bulk {
		return BulkSubject(o.Subject)
	}
	return o.Subject
}

// message converts to nats.go's form.
func (o Outgoing) message() (*nats.Msg, []jetstream.PublishOpt) {
	msg := &nats.Msg{Subject: o.subject(), Data: o.Data}
	if len(o.Header) > 0 {
		msg.Header = make(nats.Header, len(o.Header))
		for k, v := range o.Header {
			msg.Header[k] = []string{v}
		}
	}
	opts := []jetstream.PublishOpt{jetstream.WithRetryAttempts(1)}
	if o.ID != "" {
		opts = append(opts, jetstream.WithMsgID(o.ID))
	}
	if o.Absent {
		opts = append(opts, jetstream.WithExpectLastSequencePerSubject(0))
	}
	return msg, opts
}

// How long one attempt to publish may take before the message is sent again, and the pause before that.
const (
	publishTry   = 1500 * time.Millisecond
	publishPause = 100 * time.Millisecond
	publishLimit = 5 * time.Second // with a context that has no end
)

// plainTime is how long everything goes to the plain class after nobody took the bulk one.
const plainTime = 10 * time.Second

// Publish stores one message and waits for the receipt. A message with an ID is sent again while no answer comes, until
// ctx ends: it may have been lost with the server that led the stream, and is stored once however often it arrives. The
// error is one of ErrFull, ErrAway, ErrExists, ErrTooLarge, ErrNotDurable.
func (c *Conn) Publish(ctx context.Context, out Outgoing) (Receipt, error) {
	if err := c.care.refuted(); err != nil {
		return Receipt{}, err
	}
	if !out.Pack {
		return c.store(ctx, out)
	}
	packed, room := c.packer.pack(out)
	receipt, err := c.store(ctx, packed)
	if err == nil { // else it may still wait in the connection
		c.packer.shelf.Give(room)
	}
	return receipt, err
}

// store publishes a message as it is.
func (c *Conn) store(ctx context.Context, out Outgoing) (Receipt, error) {
	if err := c.cache.await(ctx, len(out.Data), out.Bulk, c.log); err != nil {
		return Receipt{}, err
	}
	receipt, err := c.storeNow(ctx, out)
	if unstored(receipt, err) {
		c.cache.unspend(len(out.Data))
	}
	return receipt, err
}

// storeNow publishes a message whose turn it is.
func (c *Conn) storeNow(ctx context.Context, out Outgoing) (Receipt, error) {
	out.Bulk = out.Bulk && time.Now().UnixNano() > c.plainUntil.Load()
	if out.ID == "" {
		receipt, err := c.publish(ctx, out)
		if out.Bulk && noBulk(err) { // nothing was stored
			c.bulkAway(ctx, &out, err)
			return c.publish(ctx, out)
		}
		return receipt, err
	}
	if _, ends := ctx.Deadline(); !ends {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, publishLimit)
		defer cancel()
	}
	for {
		try, cancel := context.WithTimeout(ctx, publishTry)
		receipt, err := c.publish(try, out)
		cancel()
		if err == nil || !errors.Is(err, ErrAway) {
			return receipt, err
		}
		if out.Bulk && noBulk(err) { // with its ID it is stored once in the stream, on whichever subject
			c.bulkAway(ctx, &out, err)
		}
		select {
		case <-ctx.Done():
			return receipt, err
		case <-time.After(publishPause):
		}
	}
}

// noBulk reports whether an error says that the bulk class takes nothing: no stream listens there, or our user may not publish
// to it.
func noBulk(err error) bool {
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, ErrDenied)
}

// bulkAway sends a message, and for a while all others, to the plain class: the stream may have no bulk class yet, or our user
// no permission for it. A class decides what waits for what; that a message is stored matters more.
func (c *Conn) bulkAway(ctx context.Context, out *Outgoing, err error) {
	out.Bulk = false
	now := time.Now()
	if before := c.plainUntil.Swap(now.Add(plainTime).UnixNano()); before < now.UnixNano() && ctx.Err() == nil {
		c.log.WarnContext(ctx, "the bulk class takes nothing, so everything goes to the plain one for a while: one endpoint's burst holds up the others; was `sluice setup` run, and do this user's permissions in NATS include it?",
			"subject", BulkSubject(out.Subject), "error", err)
	}
}

func (c *Conn) publish(ctx context.Context, out Outgoing) (Receipt, error) {
	msg, opts := out.message()
	ack, err := c.js.PublishMsg(ctx, msg, opts...)
	if err != nil {
		return Receipt{}, fmt.Errorf("publishing to %s: %w", out.subject(), c.denied.explain(classify(err)))
	}
	return Receipt{Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}
