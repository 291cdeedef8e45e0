package intake

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/scratch"
	"github.com/sluicelog/sluice/shared/stream"
)

// publisher is what a commit needs of the stream.
type publisher interface {
	Publish(ctx context.Context, out stream.Outgoing) (stream.Receipt, error)
	MaxPayload() int
}

// What shares a commit: a sync of the disk costs the same for one delivery and for a hundred.
const (
	smallBody    = 256 << 10 // larger bodies are committed by themselves
	smallPlain   = 1 << 20   // and so are bodies that become larger than this when decompressed
	sharedBytes  = 2 << 20   // of one shared message, counted after decompression: whoever reads it opens all of it
	sharedCount  = 256
	commitLanes  = 2         // commits at once, of each class
	muchBytes    = 128 << 10 // for which a commit begins while another one is being synced
	headerMargin = 64 << 10
)

// MinPayload is the smallest max_payload of a NATS server, in bytes, with which a Committer works: NATS's own default.
const MinPayload = 1 << 20

// Committer puts deliveries on disk. Small ones that wait at the same moment share one message.
type Committer struct {
	stream  publisher
	queues  [2]chan *pending // of the plain class and of the bulk one: a message is of one class
	timeout time.Duration
	metrics *Metrics
	shelf   *scratch.Shelf // for bodies, and for messages that hold several
}

// shelfBytes is how much memory waits for the next bodies, in bytes.
const shelfBytes = 4 << 20

// pending is a delivery that waits for its commit.
type pending struct {
	delivery delivery.Delivery
	size     int         // bytes, compressed or not, whichever is more
	taken    atomic.Bool // by a commit, or by its own sender, who gave up: whoever comes second leaves it alone
	done     chan error
}

// take claims a delivery for whoever asks first.
func (p *pending) take() bool { return p.taken.CompareAndSwap(false, true) }

// NewCommitter returns a committer; Run does its work.
func NewCommitter(s publisher, timeout time.Duration, m *Metrics) *Committer {
	c := &Committer{stream: s, timeout: timeout, metrics: m, shelf: scratch.New(shelfBytes)}
	for i := range c.queues {
		c.queues[i] = make(chan *pending, sharedCount) // a sender waits for its answer only, and several of them wake the committer once
	}
	return c
}

// Run commits until ctx ends, each class by itself, so that none waits for the other.
func (c *Committer) Run(ctx context.Context) error {
	var classes sync.WaitGroup
	for class, queue := range c.queues {
		classes.Go(func() { c.serve(ctx, queue, class == 1) })
	}
	classes.Wait()
	return nil
}

// serve commits what comes by one queue. The first delivery goes at once; what comes while it is being synced goes together.
// A second commit begins beside the first only when there is much for it: else it would take away what the next one could
// share.
func (c *Committer) serve(ctx context.Context, queue chan *pending, bulk bool) {
	g := gathering{full: c.full}
	done := make(chan struct{}, commitLanes)
	for busy := 0; ; {
		g.drain(queue)
		if ctx.Err() == nil && g.goes(busy) {
			batch := g.take()
			busy++
			go func() { c.commit(ctx, batch, bulk); done <- struct{}{} }()
			continue
		}
		select {
		case next := <-g.open(queue):
			g.add(next)
		case <-done:
			busy--
		case <-ctx.Done():
			for ; busy > 0; busy-- {
				<-done
			}
			g.giveUp(queue, ctx.Err())
			return
		}
	}
}

// full is the size of a shared message at which it takes no more; one delivery may come on top.
func (c *Committer) full() int { return min(sharedBytes, c.stream.MaxPayload()-headerMargin-smallBody) }

// gathering is what waits for the next commit.
type gathering struct {
	full  func() int // bytes at which there is no room for more
	batch []*pending
	size  int
}

func (g *gathering) add(p *pending) {
	g.batch = append(g.batch, p)
	g.size += p.size
}

// open is the queue while there is room for more.
func (g *gathering) open(queue chan *pending) <-chan *pending {
	if len(g.batch) == sharedCount || g.size >= g.full() {
		return nil
	}
	return queue
}

// drain adds what waits right now.
func (g *gathering) drain(queue chan *pending) {
	for {
		select {
		case next := <-g.open(queue):
			g.add(next)
		default:
			return
		}
	}
}

// goes reports whether to commit now, beside busy other commits.
func (g *gathering) goes(busy int) bool {
	return len(g.batch) > 0 && (busy == 0 || busy < commitLanes && g.size >= muchBytes)
}

func (g *gathering) take() []*pending {
	batch := g.batch
	g.batch, g.size = nil, 0
	return batch
}

// giveUp answers those who still wait.
func (g *gathering) giveUp(queue chan *pending, err error) {
	for g.drain(queue); len(g.batch) > 0; g.drain(queue) {
		for _, p := range g.take() {
			p.done <- err
		}
	}
}

// commit publishes a batch as one message and tells everyone in it.
func (c *Committer) commit(ctx context.Context, batch []*pending, bulk bool) {
	live := batch[:0]
	for _, p := range batch {
		if p.take() {
			live = append(live, p)
		}
	}
	if len(live) == 0 {
		return
	}
	all := make([]delivery.Delivery, len(live))
	for i, p := range live {
		all[i] = p.delivery
	}
	err := c.publish(ctx, all, bulk)
	for _, p := range live {
		p.done <- err
	}
}

// publish stores deliveries as one message of a class.
func (c *Committer) publish(ctx context.Context, all []delivery.Delivery, bulk bool) error {
	header, payload, err := delivery.EncodeIn(c.shelf, all)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	begin := time.Now()
	_, err = c.stream.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, ID: commitID(all), Header: header, Data: payload, Pack: true, Bulk: bulk})
	c.metrics.commit(len(all), time.Since(begin), err)
	if err == nil && len(all) > 1 { // else it is somebody's body, or may still be on its way
		c.shelf.Give(payload)
	}
	return err
}

// commitID is what the stream knows a message by when it has to be sent twice: the first delivery in it is in no other one.
func commitID(all []delivery.Delivery) string {
	return all[0].ID + "." + strconv.Itoa(all[0].Part)
}

// extent is what a delivery takes.
type extent struct {
	plain int64 // bytes of the body after decompression
	bulk  bool  // it is of the bulk class
	share *lease
}

// Store puts one delivery on disk, whole or in parts, and returns when it is. Its lease pays for the memory that
// cutting takes. The error is a refusal.
func (c *Committer) Store(ctx context.Context, d delivery.Delivery, of extent) error {
	var err error
	switch {
	case len(d.Body) <= smallBody && of.plain <= smallPlain:
		err = c.share(d, of)
	case len(d.Body)+headerMargin <= c.stream.MaxPayload():
		err = c.publish(ctx, []delivery.Delivery{d}, of.bulk)
	default:
		err = c.storeParts(ctx, d, of)
	}
	_, refused := errors.AsType[*refusal](err)
	switch {
	case err == nil, refused:
		return err
	case errors.Is(err, stream.ErrFull):
		return refuse(StreamFull, "", err)
	default:
		return refuse(StreamAway, "", err)
	}
}

// share hands a delivery to the next commit and waits for the result.
func (c *Committer) share(d delivery.Delivery, of extent) error {
	patience := time.NewTimer(c.timeout)
	defer patience.Stop()
	p := &pending{delivery: d, size: max(len(d.Body), int(of.plain)) + delivery.Overhead, done: make(chan error, 1)}
	queue := c.queues[0]
	if of.bulk {
		queue = c.queues[1]
	}
	select {
	case queue <- p:
	case <-patience.C:
		return fmt.Errorf("waiting for a commit: %w", context.DeadlineExceeded)
	}
	select {
	case err := <-p.done:
		return err
	case <-patience.C:
		if p.take() { // it stays in the queue, but nobody pays for its body any more
			p.delivery.Body = nil
		}
		return fmt.Errorf("waiting for the commit: %w", context.DeadlineExceeded)
	}
}

// storeParts cuts a delivery that no message can hold and stores its parts in order. A part that is left over after a
// failure does no harm: the sender comes again, and the same events are stored once.
func (c *Committer) storeParts(ctx context.Context, d delivery.Delivery, of extent) error {
	room := CutRoom(c.stream.MaxPayload())
	if d.Encoding != delivery.Identity {
		room += of.plain
	}
	if err := of.share.grow(ctx, room); err != nil {
		return err
	}
	body := d.Body
	if d.Encoding != delivery.Identity {
		var err error
		if body, err = decompress(d.Body, d.Encoding, of.plain); err != nil {
			return fmt.Errorf("decompressing delivery %s: %w", d.ID, err)
		}
	}
	d.Body, d.Encoding = nil, delivery.Identity
	size := c.stream.MaxPayload() - headerMargin
	_ = cut(body, size, func(part) error { d.Parts++; return nil }) // nothing in it fails
	b := bundle{room: size, send: func(all []delivery.Delivery) error { return c.publish(ctx, all, of.bulk) }}
	err := cut(body, size, func(p part) error {
		d.Part, d.Body, d.First, d.Fragment = d.Part+1, p.body, p.first, p.fragment
		return b.add(d)
	})
	if err != nil {
		return err
	}
	return b.flush()
}

// CutRoom is how many bytes cutting a delivery takes beside its plain body, with messages of at most maxPayload bytes:
// the parts of the next message, and that message.
func CutRoom(maxPayload int) int64 { return 2 * int64(maxPayload) }

// bundle puts small parts of one delivery into one message.
type bundle struct {
	room  int
	send  func([]delivery.Delivery) error
	parts []delivery.Delivery
	size  int
}

func (b *bundle) add(d delivery.Delivery) error {
	more := len(d.Body) + delivery.Overhead
	if len(b.parts) == sharedCount || b.size+more > b.room {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.parts, b.size = append(b.parts, d), b.size+more
	return nil
}

func (b *bundle) flush() error {
	if len(b.parts) == 0 {
		return nil
	}
	err := b.send(b.parts)
	b.parts, b.size = nil, 0
	return err
}
