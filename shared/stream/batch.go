package stream

import (
	"context"
	"errors"
	"time"
)

// ErrClosed says that an Inbox gives out nothing more.
var ErrClosed = errors.New("inbox is closed")

// Want bounds a batch: it is full at Bytes or Count; Age is how long its first message may wait for others while the
// stream has more to come. With an empty stream nothing waits.
type Want struct {
	Bytes int
	Count int
	Age   time.Duration
}

// Next returns the next messages in stream order: at least one, at most what want says (a single message may be larger
// than want.Bytes). It blocks until there is one; the error is ErrClosed or ctx's.
func (in *Inbox) Next(ctx context.Context, want Want) ([]*Message, error) {
	batch, err := in.next(ctx, want)
	return unpackAll(batch), err
}

func unpackAll(batch []*Message) []*Message {
	for _, m := range batch {
		m.Data = unpack(m.Header, m.Data)
	}
	return batch
}

func (in *Inbox) next(ctx context.Context, want Want) ([]*Message, error) {
	var batch []*Message
	size := 0
	var age <-chan time.Time
	for {
		more, took, arrived, closed := in.take(want, len(batch), size)
		batch, size = append(batch, more...), size+took
		if len(batch) > 0 {
			full := size >= want.Bytes || len(batch) >= want.Count || closed
			if full || len(more) == 0 && age == nil || batch[len(batch)-1].pending == 0 {
				return batch, nil
			}
			if age == nil {
				timer := time.NewTimer(want.Age)
				defer timer.Stop()
				age = timer.C
			}
		} else if closed {
			return nil, ErrClosed
		}
		select {
		case <-arrived:
		case <-age:
			return batch, nil
		case <-ctx.Done():
			if len(batch) > 0 {
				return batch, nil
			}
			return nil, ctx.Err()
		}
	}
}

// take pops what fits beside count messages of size bytes.
func (in *Inbox) take(want Want, count, size int) (batch []*Message, bytes int, arrived <-chan struct{}, closed bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := 0
	for n < len(in.queue) && count+n < want.Count {
		next := in.queue[n].plain
		if count+n > 0 && size+bytes+next > want.Bytes {
			bytes = max(bytes, want.Bytes-size) // full: the next one does not fit
			break
		}
		bytes += next
		n++
	}
	batch = append(batch, in.queue[:n]...)
	rest := copy(in.queue, in.queue[n:])
	clear(in.queue[rest:])
	in.queue = in.queue[:rest]
	return batch, bytes, in.arrived, in.closed
}
