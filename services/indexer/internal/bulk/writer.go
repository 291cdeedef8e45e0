package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/scratch"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// cluster is what a writer needs of Elasticsearch.
type cluster interface {
	Bulk(ctx context.Context, ndjson []byte, count int) ([]elastic.Item, error)
	EnsureIndex(ctx context.Context, index string) (created bool, err error)
}

// box keeps dead letters.
type box interface {
	Put(ctx context.Context, l *deadletter.Letter) (added bool, err error)
}

// Parts are what a Writer works with.
type Parts struct {
	Cluster   cluster
	Letters   box
	MaxLetter int // bytes that a dead letter may hold
	Metrics   *Metrics
	Log       *slog.Logger
	Timeout   time.Duration // of one request
}

// Writer writes batches. It is safe for concurrent use.
type Writer struct {
	p     Parts
	alarm *telemetry.Throttle
	pace  pace
	shelf *scratch.Shelf // for bodies of requests

	mu    sync.Mutex
	known map[string]bool // indices that exist
}

// shelfBytes is how much memory waits for the next requests, in bytes.
const shelfBytes = 8 << 20

// New returns a writer.
func New(p Parts) *Writer {
	return &Writer{p: p, alarm: telemetry.NewThrottle(p.Log, 10*time.Second), known: map[string]bool{}, shelf: scratch.New(shelfBytes)}
}

// Write gives every message of a batch its verdict. While Elasticsearch is away it holds them; messages that only their
// own index or content holds up go back to the stream for a while, and so do all without a verdict when ctx ends.
func (w *Writer) Write(ctx context.Context, batch []*stream.Message) {
	var docs []*document
	joined, at := stream.Joined(batch), 0
	for _, m := range batch {
		parsed, err := parse(m, joined, at)
		at += len(m.Data)
		if errors.Is(err, errNewer) {
			w.newer(ctx, m, err)
			continue
		}
		if err != nil {
			w.poison(ctx, m, err)
			continue
		}
		docs = append(docs, parsed...)
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 15*time.Second
	idle := 0 // rounds in a row in which others could be written, but none of these
	for len(docs) > 0 {
		before := len(docs)
		docs = w.round(ctx, docs)
		switch {
		case len(docs) < before:
			wait.Reset()
			idle = 0
		case allBlocked(docs):
			idle++
		}
		if idle == maxIdle {
			w.putOff(ctx, docs)
			return
		}
		if len(docs) == 0 {
			return
		}
		select {
		case <-time.After(wait.NextBackOff()):
		case <-ctx.Done():
			giveBack(docs, func(*stream.Message) time.Duration { return 0 })
			return
		}
	}
}

// round sends docs once, in as many requests as the pace asks for, and returns those that have to wait. After a request that
// was refused as a whole the rest is not tried: it would be refused, too.
func (w *Writer) round(ctx context.Context, docs []*document) []*document {
	docs, left := w.ready(ctx, docs)
	for len(docs) > 0 {
		part := w.pace.cut(docs)
		waiting, then := w.send(ctx, part)
		if then == sendSmaller {
			continue
		}
		left, docs = append(left, waiting...), docs[len(part):]
		if then == sendLater {
			break
		}
	}
	return append(left, docs...)
}

// What to do after a request.
type next int

const (
	sendOn      next = iota // with the rest
	sendSmaller             // the same, in smaller requests
	sendLater               // nothing for a while
)

// send makes one request and returns the documents that have to wait.
func (w *Writer) send(ctx context.Context, docs []*document) ([]*document, next) {
	patience := w.pace.patience(w.p.Timeout)
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begin := time.Now()
	body := together(docs)
	copied := body == nil
	if copied {
		body = join(w.shelf, docs)
	}
	items, err := w.p.Cluster.Bulk(limit, body, len(docs))
	if err == nil {
		err = matched(docs, items)
	}
	switch {
	case err == nil && copied:
		w.shelf.Give(body)
	case err != nil && !copied: // the body may still be on its way
		for _, d := range docs {
			d.message.message.Abandon()
		}
	}
	w.p.Metrics.bulk(len(docs), time.Since(begin), err)
	if err == nil {
		w.pace.took(docs, time.Since(begin), w.p.Timeout)
		return w.settle(ctx, docs, items, begin), sendOn
	}
	late := limit.Err() != nil && ctx.Err() == nil
	if late {
		w.pace.tooLate(patience, w.p.Timeout)
	}
	if late || tooMuch(elastic.Status(err)) {
		w.pace.tooMuch(docs)
	}
	return docs, w.refused(ctx, docs, err)
}

// matched refuses answers of which it is not sure whose they are: one that stands in another's place would make a refused
// document count as stored.
func matched(docs []*document, items []elastic.Item) error {
	for i, d := range docs {
		if items[i].ID != string(d.id) {
			return fmt.Errorf("answer %d of %d is for the document %.64q, and %s was sent in its place: does a proxy change what elasticsearch says?", i+1, len(docs), items[i].ID, d.id)
		}
	}
	return nil
}

// refused handles an answer to the request as a whole: what is too large is sent in smaller requests at once, everything
// else waits. A single document that is too large holds up no other.
func (w *Writer) refused(ctx context.Context, docs []*document, err error) next {
	status := elastic.Status(err)
	large := status == http.StatusRequestEntityTooLarge
	if large && len(docs) > 1 {
		return sendSmaller
	}
	mark(docs, large)
	for _, d := range docs {
		d.unsure = d.unsure || status == 0 || status >= http.StatusInternalServerError
	}
	w.waits(ctx, status, len(docs), err)
	if large {
		return sendOn
	}
	return sendLater
}

// ready parts docs into those whose index exists and those whose index cannot be made yet. It creates indices, once each,
// and is done with the documents of those that may not be made any more.
func (w *Writer) ready(ctx context.Context, docs []*document) (ready, left []*document) {
	ctx, cancel := context.WithTimeout(ctx, w.p.Timeout)
	defer cancel()
	missing := map[string]error{} // by index, as far as we have looked
	var expired []*document
	for _, d := range docs {
		err, looked := missing[d.index]
		if !looked {
			if err = w.ensure(ctx, d.index); err != nil && !errors.Is(err, ErrExpired) {
				w.waits(ctx, elastic.Status(err), len(docs), err)
			}
			missing[d.index] = err
		}
		switch {
		case errors.Is(err, ErrExpired):
			expired = append(expired, d)
		case err != nil:
			d.blocked = indexFault(elastic.Status(err))
			left = append(left, d)
		default:
			ready = append(ready, d)
		}
	}
	if len(expired) > 0 {
		w.expire(ctx, expired)
	}
	return ready, left
}

// ensure creates an index unless it is known to exist.
func (w *Writer) ensure(ctx context.Context, index string) error {
	w.mu.Lock()
	known := w.known[index]
	w.mu.Unlock()
	if known {
		return nil
	}
	created, err := w.p.Cluster.EnsureIndex(ctx, index)
	if err != nil {
		return err
	}
	if created {
		w.p.Log.LogAttrs(ctx, slog.LevelInfo, "index created", slog.String("index", index))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[index] = true
	return nil
}

// forget makes ensure look again.
func (w *Writer) forget(index string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.known, index)
}

// settle reads the answer per document and returns those that have to wait.
func (w *Writer) settle(ctx context.Context, docs []*document, items []elastic.Item, begin time.Time) []*document {
	var left []*document
	var tally tally
	for i, d := range docs {
		d.tries++
		v := judge(items[i])
		d.blocked = v == dead || holdsAlone(items[i])
		if v == dead && !w.bury(ctx, d, items[i].Cause) {
			v = retry
		}
		tally.add(v)
		if v == retry {
			left = append(left, d)
			tally.waiting(items[i])
			if items[i].Status == http.StatusNotFound {
				w.forget(d.index)
			}
			continue
		}
		w.finish(d, d.became(v))
	}
	w.p.Metrics.settled(tally)
	if len(left) > 0 {
		w.waits(ctx, tally.status, len(left), tally.cause())
	}
	w.line(ctx, tally, len(docs), begin)
	return left
}

// finish counts a document off and acknowledges its message after the last one.
func (w *Writer) finish(d *document, became string) {
	d.message.count(d, became)
	d.message.left--
	if d.message.left == 0 {
		w.p.Metrics.lag(d.message.message)
		d.message.done()
	}
}

// bury sets a document aside; false means that the letter could not be stored and the document has to wait.
func (w *Writer) bury(ctx context.Context, d *document, cause *elastic.Cause) bool {
	l := letterOf(d)
	l.Reason, l.Detail, l.Attempts = cause.Type, cause.Text(), d.tries
	return w.put(ctx, l)
}

func (w *Writer) put(ctx context.Context, l *deadletter.Letter) bool {
	added, err := w.p.Letters.Put(ctx, l)
	if err != nil {
		w.alarm.Log(ctx, slog.LevelError, "letters", "a dead letter cannot be stored; its document waits", slog.String("error", err.Error()))
		return false
	}
	if added {
		w.p.Metrics.dead.WithLabelValues(l.Reason).Inc()
	}
	return true
}

// letterOf reads from a document where it came from.
func letterOf(d *document) *deadletter.Letter {
	_, source, _ := bytes.Cut(d.lines, []byte{'\n'})
	var doc struct {
		Sluice struct {
			Endpoint string `json:"endpoint"`
			Delivery string `json:"delivery"`
			Item     int    `json:"item"`
		} `json:"sluice"`
	}
	_ = json.Unmarshal(source, &doc)         // what cannot be read stays empty; the document itself is in the letter
	namespace, _, _ := period.Split(d.index) // checked by parse
	m := d.message.message
	if doc.Sluice.Delivery == "" {
		doc.Sluice.Delivery = fmt.Sprintf("documents-%d", m.Sequence)
	}
	return &deadletter.Letter{
		Stage: deadletter.StageIndexer, FirstSeen: m.Stored, Endpoint: doc.Sluice.Endpoint, Namespace: namespace,
		Delivery: doc.Sluice.Delivery, Key: string(d.id), Item: doc.Sluice.Item, Origin: fmt.Sprintf("%s:%d", stream.Documents, m.Sequence), Body: d.lines,
	}
}

// poison sets a whole message aside that is none of the enricher's, in pieces where it is larger than a letter may be.
func (w *Writer) poison(ctx context.Context, m *stream.Message, err error) {
	l := deadletter.Letter{
		Stage: deadletter.StageIndexer, Reason: errMessage.Error(), Detail: err.Error(), Attempts: m.Delivered, FirstSeen: m.Stored,
		Delivery: fmt.Sprintf("documents-%d", m.Sequence), Origin: fmt.Sprintf("%s:%d", stream.Documents, m.Sequence),
	}
	rest := m.Data
	for {
		l.Body = rest[:min(len(rest), w.p.MaxLetter)]
		l.Key = deadletter.KeyOf(m.Subject, l.Body) // what it is, not where it lay: a stream made anew counts from 1 again
		if !w.put(ctx, &l) {
			m.Retry(time.Second)
			return
		}
		if rest = rest[len(l.Body):]; len(rest) == 0 {
			m.Count(stream.Part{}, nil) // no event of ours is known to be in it
			m.Done()
			return
		}
		l.Piece++
	}
}

// newer gives a message back until an indexer comes that can read it.
func (w *Writer) newer(ctx context.Context, m *stream.Message, err error) {
	w.p.Metrics.retries.WithLabelValues(reasonNewer).Inc()
	w.alarm.Log(ctx, slog.LevelError, reasonNewer, "documents of a later version wait for an indexer that can read them: start the later version again, or another one beside this",
		slog.Uint64("sequence", m.Sequence), slog.String("error", err.Error()))
	m.Retry(stream.UpgradeWait(m.Delivered))
}

// waits says, not too often, that documents have to wait and why.
func (w *Writer) waits(ctx context.Context, status, count int, err error) {
	if ctx.Err() != nil {
		return
	}
	why := reason(status)
	w.p.Metrics.retries.WithLabelValues(why).Inc()
	level := slog.LevelWarn
	if needsPerson(status) {
		level = slog.LevelError
	}
	w.alarm.Log(ctx, level, why, "documents wait for elasticsearch", slog.String("reason", why), slog.Int("documents", count), slog.String("error", err.Error()))
}

// line is the one line of a bulk.
func (w *Writer) line(ctx context.Context, t tally, count int, begin time.Time) {
	w.p.Log.LogAttrs(ctx, slog.LevelInfo, "bulk", slog.Int("documents", count), slog.Int("indexed", t.indexed), slog.Int("duplicate", t.duplicate),
		slog.Int("dead", t.dead), slog.Int("waiting", t.retry), slog.Float64("duration_ms", float64(time.Since(begin).Microseconds())/1000))
}
