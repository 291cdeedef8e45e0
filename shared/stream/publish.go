package stream

import (
	"context"
	"fmt"

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
	Absent  bool // store only when the subject holds no message yet; else ErrExists
}

// Receipt is the stream's acknowledgement: the message is on disk.
type Receipt struct {
	Stream    string
	Sequence  uint64
	Duplicate bool
}

// message converts to nats.go's form.
func (o Outgoing) message() (*nats.Msg, []jetstream.PublishOpt) {
	msg := &nats.Msg{Subject: o.Subject, Data: o.Data}
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

// Publish stores one message and waits for the receipt. The error is one of ErrFull, ErrAway, ErrExists, ErrTooLarge.
func (c *Conn) Publish(ctx context.Context, out Outgoing) (Receipt, error) {
	msg, opts := out.message()
	ack, err := c.js.PublishMsg(ctx, msg, opts...)
	if err != nil {
		return Receipt{}, fmt.Errorf("publishing to %s: %w", out.Subject, c.denied.explain(classify(err)))
	}
	return Receipt{Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}
