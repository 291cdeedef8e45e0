package stream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// bulkTurn is how often the bulk class has the first choice: once in so many takes.
const bulkTurn = 4

// bulkRetry is how soon the consumer of the bulk class is looked for again.
const bulkRetry = 5 * time.Second

// Pair is the inboxes of both classes of a consumer. The plain class is taken from first, the bulk class at least once in
// bulkTurn takes while it has something, and either of them always where the other has nothing. It is safe for concurrent use.
type Pair struct {
	conn   *Conn
	stream string
	plain  *Inbox
	budget int
	opened func(*Inbox)
	turn   atomic.Uint64

	mu     sync.Mutex
	bulk   *Inbox        // nil while its consumer cannot be opened
	joined chan struct{} // closed when bulk was opened
}

// Pair opens the inboxes of both classes of a durable consumer. Each gets half of budget bytes, raised to what one message may
// need. opened is told of each inbox, before it runs. The consumer of the bulk class may be missing, as it is before
// `sluice setup` has made it; then it is taken up when it comes.
func (c *Conn) Pair(ctx context.Context, stream, consumer string, budget int, opened func(*Inbox)) (*Pair, error) {
	plain, err := c.Inbox(ctx, stream, consumer, budget/2)
	if err != nil {
		return nil, err
	}
	p := &Pair{conn: c, stream: stream, plain: plain, budget: budget / 2, opened: opened, joined: make(chan struct{})}
	opened(plain)
	if err := p.join(ctx); err != nil {
		c.log.WarnContext(ctx, "the bulk class has no consumer yet, so nothing is taken from it; it is tried again", "consumer", stream+"/"+BulkConsumer(consumer), "error", err)
	}
	return p, ctx.Err()
}

// join opens the inbox of the bulk class.
func (p *Pair) join(ctx context.Context) error {
	bulk, err := p.conn.Inbox(ctx, p.stream, BulkConsumer(p.plain.durable), p.budget)
	if err != nil {
		return err
	}
	p.opened(bulk)
	p.mu.Lock()
	p.bulk = bulk
	p.mu.Unlock()
	close(p.joined)
	return nil
}

// Run pulls until ctx ends, as Inbox.Run does.
func (p *Pair) Run(ctx context.Context) error {
	bulk := make(chan error, 1)
	go func() { bulk <- p.runBulk(ctx) }()
	return errors.Join(p.plain.Run(ctx), <-bulk)
}

// runBulk pulls the bulk class as soon as that has a consumer.
func (p *Pair) runBulk(ctx context.Context) error {
	for p.half() == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(bulkRetry):
		}
		if err := p.join(ctx); err == nil {
			p.conn.log.LogAttrs(ctx, slog.LevelInfo, "the bulk class has a consumer now", slog.String("consumer", p.half().name))
		}
	}
	return p.half().Run(ctx)
}

// half is the inbox of the bulk class, nil while there is none.
func (p *Pair) half() *Inbox {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bulk
}

// Next returns the next messages of one class: what is there, at least one, at most what want says. It blocks until there is
// one, and waits for no more than that. The error is ErrClosed or ctx's.
func (p *Pair) Next(ctx context.Context, want Want) ([]*Message, error) {
	bulkFirst := p.turn.Add(1)%bulkTurn == 0
	for {
		bulk, joined := p.half(), p.joined
		inboxes := []*Inbox{p.plain, bulk}
		if bulk == nil {
			inboxes = inboxes[:1]
		} else if joined = nil; bulkFirst {
			inboxes[0], inboxes[1] = bulk, p.plain
		}
		arrived := [2]<-chan struct{}{} // of a class that is not there nothing comes
		closed := true
		for i, in := range inboxes {
			batch, more, over := in.now(want)
			if len(batch) > 0 {
				return unpackAll(batch), nil
			}
			arrived[i], closed = more, closed && over
		}
		if closed {
			return nil, ErrClosed
		}
		select {
		case <-arrived[0]:
		case <-arrived[1]:
		case <-joined:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Failure is why the last request to the server failed, nil when it worked.
func (p *Pair) Failure() error {
	if bulk := p.half(); bulk != nil {
		return errors.Join(p.plain.Failure(), bulk.Failure())
	}
	return p.plain.Failure()
}

// Oldest is when the oldest message without a verdict was stored, zero when there is none: what waits for these workers.
func (p *Pair) Oldest() time.Time {
	oldest := p.plain.Oldest()
	if bulk := p.half(); bulk != nil {
		if at := bulk.Oldest(); oldest.IsZero() || !at.IsZero() && at.Before(oldest) {
			return at
		}
	}
	return oldest
}
