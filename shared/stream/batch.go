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

func (in *Inbox) next(ctx context.Context, want Want) ([]*Message, error) {
	g := gathering{want: want}
	defer in.leave(&g)
	var age <-chan time.Time
	for {
		ready, arrived, closed := in.gather(&g)
		switch {
		case ready:
			return g.batch, nil
		case closed:
			return nil, ErrClosed
		case age == nil && len(g.batch) > 0:
			timer := time.NewTimer(want.Age)
			defer timer.Stop()
			age = timer.C
		}
		select {
		case <-arrived:
		case <-age:
			return g.batch, nil
		case <-ctx.Done():
			if len(g.batch) > 0 {
				return g.batch, nil
			}
			return nil, ctx.Err()
		}
	}
}

// gathering is the batch that a worker is about to have.
type gathering struct {
	want  Want
	batch []*Message
	size  int  // bytes
	waits bool // it counts among the inbox's waiting
}

// gather adds what is there and fits, and says whether that is a batch: it is full, or nothing more is on its way. Else
// its worker waits for what arrives, and nobody begins another batch meanwhile: whoever took what this one waits for
// would leave it waiting until it is old.
func (in *Inbox) gather(g *gathering) (ready bool, arrived <-chan struct{}, closed bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(g.batch) == 0 && in.waiting > 0 && !in.closed {
		return false, in.arrived, false
	}
	full := g.take(in)
	if len(g.batch) == 0 {
		return false, in.arrived, in.closed
	}
	if full || in.closed || g.batch[len(g.batch)-1].pending == 0 {
		return true, nil, false
	}
	if !g.waits {
		g.waits = true
		in.waiting++
	}
	return false, in.arrived, false
}

// now pops what is there and fits, without waiting for more.
func (in *Inbox) now(want Want) (batch []*Message, arrived <-chan struct{}, closed bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	g := gathering{want: want}
	g.take(in)
	return g.batch, in.arrived, in.closed
}

// take pops what fits; full says that nothing more will. The inbox's mu is held.
func (g *gathering) take(in *Inbox) (full bool) {
	n := 0
	for n < len(in.queue) && len(g.batch)+n < g.want.Count {
		next := in.queue[n].plain
		if len(g.batch)+n > 0 && g.size+next > g.want.Bytes {
			full = true
			break
		}
		g.size += next
		n++
	}
	g.batch = append(g.batch, in.queue[:n]...)
	rest := copy(in.queue, in.queue[n:])
	clear(in.queue[rest:])
	in.queue = in.queue[:rest]
	return full || g.size >= g.want.Bytes || len(g.batch) >= g.want.Count
}

// leave lets others begin a batch.
func (in *Inbox) leave(g *gathering) {
	if !g.waits {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting--
	in.wake()
}

// wake makes all workers that wait look again; mu is held.
func (in *Inbox) wake() {
	close(in.arrived)
	in.arrived = make(chan struct{})
}
