package stream

import (
	"context"
	"time"
)

// source is where a pool's messages come from: an Inbox, or a Pair of them.
type source interface {
	Run(ctx context.Context) error
	Next(ctx context.Context, want Want) ([]*Message, error)
}

// Pool runs an inbox, or a pair of them, and the workers that empty it.
type Pool struct {
	inbox  source
	count  int
	want   Want
	handle func(ctx context.Context, batch []*Message)

	pulling, holding context.Context //nolint:containedctx // two stages of one stop: no more messages, then no more patience
	pull, hold       context.CancelFunc
}

// NewPool returns a pool of count workers. handle gets batches as want says and gives every message its verdict; when
// its context ends it gives back what it cannot finish.
func NewPool(inbox source, count int, want Want, handle func(context.Context, []*Message)) *Pool {
	p := &Pool{inbox: inbox, count: max(count, 1), want: want, handle: handle}
	p.pulling, p.pull = context.WithCancel(context.Background())
	p.holding, p.hold = context.WithCancel(context.Background())
	return p
}

// Run works until Stop; it returns when every message that was taken has its verdict.
func (p *Pool) Run(ctx context.Context) error {
	defer p.hold()
	defer context.AfterFunc(ctx, p.hold)()
	done := make(chan struct{})
	for range p.count {
		go func() { p.work(); done <- struct{}{} }()
	}
	err := p.inbox.Run(p.pulling) //nolint:contextcheck // a stop has two stages: this one ends the pulling only
	for range p.count {
		<-done
	}
	return err
}

// patience is how long a stop waits for work in hand before that goes back to the stream.
const patience = 3 * time.Second

// Stop ends the pulling; what is not finished soon, or when ctx ends, goes back to the stream.
func (p *Pool) Stop(ctx context.Context) error {
	p.pull()
	context.AfterFunc(ctx, p.hold)
	time.AfterFunc(patience, p.hold)
	return nil
}

func (p *Pool) work() {
	for {
		batch, err := p.inbox.Next(p.holding, p.want)
		if err != nil {
			return
		}
		p.handle(p.holding, batch)
	}
}
