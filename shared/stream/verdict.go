package stream

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

// How often verdicts are written down, and how long a stop waits for the last time.
const (
	tallyPeriod = time.Second
	tallyFinish = 2 * time.Second
)

// tally counts the final verdicts of one inbox and writes them to the stream's book. Per message it costs one bit under
// a lock; once a second, if there was any verdict, one read and one write (of one page of sequences, two where the
// verdicts cross from one page to the next). A nil tally counts nothing.
type tally struct {
	conn                       *Conn
	stream, consumer, instance string
	book                       *book // only run and finish use it, one after the other

	mu      sync.Mutex
	given   sequence.Set
	changed map[uint64]struct{}          // pages of given that the book does not have yet
	counts  map[uint64]map[uint64]string // by page and sequence: what became of the events
	counted int                          // messages in counts
}

// isRequired reports whether nothing of a stream may go before the consumer has finished it.
func isRequired(stream, consumer string) bool {
	plain := PlainConsumer(consumer)
	return stream == Deliveries && plain == Enricher || stream == Documents && strings.HasPrefix(plain, indexerPrefix)
}

// openTally makes sure that counting has begun before the first message is pulled.
func (c *Conn) openTally(ctx context.Context, stream, consumer string) (*tally, error) {
	if !isRequired(stream, consumer) {
		return nil, nil //nolint:nilnil // a nil tally is one that counts nothing
	}
	state, err := c.State(ctx, stream)
	if err != nil {
		return nil, err
	}
	book, err := c.openBook(ctx, stream, state)
	if err != nil && (book == nil || ctx.Err() != nil) {
		return nil, err
	}
	if err != nil { // a damaged book must not keep the workers from starting; the janitor mends it
		c.log.WarnContext(ctx, "counting finished messages cannot begin; it is tried again", "stream", stream, "error", err)
	}
	return &tally{conn: c, stream: stream, consumer: consumer, instance: newID(), book: book, changed: map[uint64]struct{}{}, counts: map[uint64]map[uint64]string{}}, nil
}

// add counts one message, and keeps what became of its events until that is added up.
func (t *tally) add(seq uint64, counts string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	page := sequence.Page(seq)
	t.given.Add(seq)
	t.changed[page] = struct{}{}
	if counts == "" || t.counted >= maxCounted {
		return
	}
	if t.counts[page] == nil {
		t.counts[page] = map[uint64]string{}
	}
	if _, known := t.counts[page][seq]; !known { // the first one holds, as it does among instances
		t.counts[page][seq] = counts
		t.counted++
	}
}

// forget drops the counts up to covered; mu is held.
func (t *tally) forget(covered uint64) {
	for page, lines := range t.counts {
		if page > sequence.Page(covered) {
			continue
		}
		for seq := range lines {
			if seq <= covered {
				delete(lines, seq)
				t.counted--
			}
		}
		if len(lines) == 0 {
			delete(t.counts, page)
		}
	}
}

// run writes until ctx ends.
func (t *tally) run(ctx context.Context) {
	if t == nil {
		return
	}
	tick := time.NewTicker(tallyPeriod)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := t.publish(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			t.conn.log.WarnContext(ctx, "writing down which messages are finished; until it works nothing is purged", "consumer", t.stream+"/"+t.consumer, "error", err)
		}
		failing = err != nil
	}
}

// finish writes the last verdicts at a stop. What does not get written is looked at a second time.
func (t *tally) finish(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tallyFinish)
	defer cancel()
	if err := t.publish(ctx); err != nil {
		t.conn.log.DebugContext(ctx, "writing down which messages are finished", "consumer", t.stream+"/"+t.consumer, "error", err)
	}
}

// publish writes the pages that changed, without what the account covers anyway.
func (t *tally) publish(ctx context.Context) error {
	t.mu.Lock()
	idle := len(t.changed) == 0
	t.mu.Unlock()
	if idle {
		return nil
	}
	acc, err := t.book.account(ctx)
	if errors.Is(err, ErrNotFound) {
		return t.begin(ctx)
	}
	if err != nil {
		return err
	}
	pages := t.takeChanged(acc.Covered)
	for page, records := range pages {
		for _, one := range records {
			if err := t.book.bucket.Put(ctx, t.book.page(t.consumer, t.instance+one.part, page), one.raw); err != nil {
				t.keepChanged(pages)
				return err
			}
		}
		delete(pages, page)
	}
	return nil
}

// takeChanged encodes what changed behind covered.
func (t *tally) takeChanged(covered uint64) map[uint64][]record {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given.Cut(covered)
	t.forget(covered)
	pages := make(map[uint64][]record, len(t.changed))
	for page := range t.changed {
		if records := encodeCounted(&t.given, page, t.counts[page], maxCountBytes); records != nil {
			pages[page] = records
		}
	}
	clear(t.changed)
	return pages
}

// keepChanged marks pages that could not be written.
func (t *tally) keepChanged(pages map[uint64][]record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for page := range pages {
		t.changed[page] = struct{}{}
	}
}

// begin starts again where the account is gone: with what was counted when somebody removed the bucket, with nothing when
// the stream itself was made anew and its sequences mean other messages now.
func (t *tally) begin(ctx context.Context) error {
	state, err := t.conn.State(ctx, t.stream)
	if err != nil {
		return err
	}
	book, err := t.conn.openBook(ctx, t.stream, state)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if book.epoch != t.book.epoch {
		t.given = sequence.Set{}
		clear(t.changed)
		clear(t.counts)
		t.counted = 0
	}
	for _, page := range t.given.Pages() {
		t.changed[page] = struct{}{}
	}
	t.book = book
	return nil
}
