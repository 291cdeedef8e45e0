// Package enrich is the enricher's work on one message: take the deliveries apart, map their events, publish the
// documents, set aside what is none.
//
// Its promise: a message is acknowledged only when every element in it is on disk again, as a document or as a dead
// letter. Doing it twice changes nothing. However much a message holds, only one of its bodies and a bounded amount of
// documents are in memory at a time.
package enrich

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/services/enricher/internal/parts"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/scratch"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// publisher stores documents.
type publisher interface {
	Publish(ctx context.Context, out stream.Outgoing) (stream.Receipt, error)
	MaxPayload() int
}

// box keeps dead letters.
type box interface {
	Put(ctx context.Context, l *deadletter.Letter) (added bool, err error)
}

// directory knows the namespaces. Learn asks the registry for one that was not heard of yet.
type directory interface {
	Namespace(name string) (endpoint.Namespace, bool)
	Learn(ctx context.Context, name string) error
}

// Parts are what an Enricher works with.
type Parts struct {
	Stream    publisher
	Letters   box
	Directory directory
	Mapper    *mapping.Mapper
	Metrics   *Metrics
	Log       *slog.Logger
	Created   time.Time     // of the stream of deliveries: with a sequence it names a message for ever
	MaxBody   int64         // bytes of one delivery after decompression
	PartBytes int           // where messages of documents are cut
	Patience  time.Duration // of one attempt to store what is ready; how long the events take does not count

	Now func() time.Time // this machine's clock; nil: the real one
}

// Enricher works on messages. It is safe for concurrent use; every call has its own scratch space.
type Enricher struct {
	p     Parts
	alarm *telemetry.Throttle
	shelf *scratch.Shelf // for documents until they are stored
	desks sync.Pool      // of *desk
}

// desk is what mapping an event needs room for. It goes from message to message: where each holds a few events only, to make
// it anew took more than to map them.
type desk struct {
	event auth0.Event
	line  []byte
	names period.Names
}

// deskMost is the longest line, in bytes, whose room is kept.
const deskMost = 64 << 10

// freeDesk is one that nobody works at.
func (e *Enricher) freeDesk() *desk {
	if d, ok := e.desks.Get().(*desk); ok {
		return d
	}
	return &desk{}
}

// leave puts a desk back without anything of the message on it.
func (e *Enricher) leave(d *desk) {
	d.event.Forget()
	if cap(d.line) > deskMost {
		d.line = nil
	}
	e.desks.Put(d)
}

// headerRoom is what the headers of our messages may take of the server's largest message, in bytes.
const headerRoom = 64 << 10

// shelfBytes is how much memory waits for the documents of the next messages, in bytes.
const shelfBytes = 8 << 20

// New returns an enricher. The server must take messages of clearly more than 64 KiB.
func New(p Parts) *Enricher {
	if p.Now == nil {
		p.Now = time.Now
	}
	return &Enricher{p: p, alarm: telemetry.NewThrottle(p.Log, 10*time.Second), shelf: scratch.New(shelfBytes)}
}

// room is how many bytes a message that we write may hold.
func (e *Enricher) room() int { return e.p.Stream.MaxPayload() - headerRoom }

// work is the state of one message.
type work struct {
	*Enricher
	message *stream.Message
	begin   time.Time // of the work, for its duration
	now     time.Time
	builder *parts.Builder
	ready   []stream.Outgoing    // documents that are not on disk yet
	letters []*deadletter.Letter // that are not on disk yet
	*desk
	space  endpoint.Namespace // of the delivery in hand, as it is known at this element
	behind map[string]int     // bytes of the bodies behind the delivery in hand, as they came, by namespace
	body   []byte             // of the delivery in hand, decompressed
	key    string             // of the letters of the delivery in hand
	counts counts
	newest time.Time     // event of the delivery in hand
	became stream.Counts // events by endpoint and what they became
}

// counts is what became of the elements of one message.
type counts struct{ mapped, dead, expired, unknown int }

// Handle does one message, however long the stream is full or away. It maps every event once, and stores what is ready
// until that is on disk. It returns an error when ctx ended, delivery.ErrNewer for a message of a later version, and
// endpoint.ErrUnreadable while a namespace's record cannot be read: nothing is lost then, and the same message may be
// handled again, perhaps by a later build.
func (e *Enricher) Handle(ctx context.Context, m *stream.Message) error {
	w := &work{Enricher: e, message: m, begin: time.Now(), now: e.p.Now(), desk: e.freeDesk()}
	defer e.leave(w.desk)
	deliveries, err := delivery.Decode(m.Header, m.Data)
	if errors.Is(err, delivery.ErrNewer) {
		e.p.Metrics.newer.Inc()
		e.alarm.Log(ctx, slog.LevelError, "newer", "a delivery of a later version waits for an enricher that can read it: start the later version again, or another one beside this",
			slog.Uint64("sequence", m.Sequence), slog.String("error", err.Error()))
		return err
	}
	if err != nil {
		w.foreign(err)
		err = w.store(ctx)
	} else {
		err = w.all(ctx, deliveries)
	}
	if errors.Is(err, endpoint.ErrUnreadable) {
		w.givenBack(ctx, err)
	}
	if err != nil {
		return err
	}
	w.account()
	w.report(ctx, deliveries)
	return nil
}

// account says what became of the events, so that it is stored with the verdict.
func (w *work) account() { w.message.Count(stream.Part{}, w.became.All()) }

// all handles the deliveries of a message, one after another.
func (w *work) all(ctx context.Context, deliveries []delivery.Delivery) error {
	w.builder = parts.New(parts.Source{Created: w.p.Created, Sequence: w.message.Sequence, Received: oldest(deliveries), Bulk: w.message.Bulk()}, w.p.PartBytes, w.room())
	w.builder.Room = w.shelf.Take
	w.behind = make(map[string]int, 1)
	for i := range deliveries {
		w.behind[deliveries[i].Namespace] += len(deliveries[i].Body)
	}
	for i := range deliveries {
		w.newest = time.Time{}
		w.behind[deliveries[i].Namespace] -= len(deliveries[i].Body)
		if err := w.delivery(ctx, &deliveries[i]); err != nil {
			return err
		}
		w.p.Metrics.seen(deliveries[i].Endpoint, w.newest)
		// Letters share memory with the body that they come from: with them on disk nothing holds it any more.
		if err := w.store(ctx); err != nil {
			return err
		}
		w.body = nil
		w.event.Forget()
	}
	return w.finish(ctx)
}

func oldest(all []delivery.Delivery) time.Time {
	first := all[0].Received
	for _, d := range all[1:] {
		if d.Received.Before(first) {
			first = d.Received
		}
	}
	return first
}

// delivery handles one delivery, or one part of one. The error says that ctx ended, or is endpoint.ErrUnreadable.
func (w *work) delivery(ctx context.Context, d *delivery.Delivery) error {
	w.key, w.body = "", d.Body
	if err := check(d); err != nil {
		w.foreign(err)
		return nil
	}
	if d.Fragment != "" {
		w.fragment(d)
		return nil
	}
	body, err := d.Plain(w.p.MaxBody)
	if err != nil {
		w.sealed(d, err)
		return nil
	}
	w.body = body
	known, err := w.hear(ctx, d.Namespace)
	if err != nil {
		return err
	}
	if !known {
		w.setAside(d, auth0.Element{Index: d.First, Raw: w.body}, reasonNamespace, "the registry has no namespace "+d.Namespace+", so it is not known how its indices are cut")
		return nil
	}
	return w.split(ctx, d)
}

// split handles the elements of the delivery in hand, until its namespace's record cannot be read any more.
func (w *work) split(ctx context.Context, d *delivery.Delivery) error {
	w.builder.Expect(2 * (len(w.body) + w.behind[d.Namespace])) // few documents are larger than that beside their events
	broken := 0
	for element := range auth0.Split(w.body) {
		if ctx.Err() != nil {
			return fmt.Errorf("enriching delivery %s: %w", d.ID, ctx.Err())
		}
		var known bool
		if w.space, known = w.p.Directory.Namespace(d.Namespace); !known { // hear has seen to it, but that was a while ago
			return fmt.Errorf("enriching delivery %s: namespace %s: %w", d.ID, d.Namespace, endpoint.ErrUnreadable)
		}
		at := element.At
		element.Index += d.First
		reason, detail := w.element(d, element)
		if reason != "" {
			broken++
		}
		switch {
		case broken > auth0.MaxBroken:
			element.Raw = w.body[at:]
			w.setAside(d, element, reason, fmt.Sprintf("more than %d elements of this delivery are broken; this is all the rest of it", auth0.MaxBroken))
			return nil
		case reason != "":
			w.setAside(d, element, reason, detail)
		case w.builder.Waiting() >= w.most():
			if err := w.finish(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// element maps one element; reason is empty when it became a document or is expired.
func (w *work) element(d *delivery.Delivery, el auth0.Element) (reason, detail string) {
	err := el.Broken
	if err == nil {
		err = auth0.Parse(el.Raw, &w.event)
	}
	if err == nil {
		err = w.document(d, el)
	}
	if err != nil {
		return err.Error(), describe(err, el)
	}
	return "", ""
}

func (w *work) document(d *delivery.Delivery, el auth0.Element) error {
	line, known, err := w.p.Mapper.Document(w.line[:0], &w.event, mapping.Receipt{
		Endpoint: d.Endpoint, Namespace: d.Namespace, Delivery: d.ID, Item: el.Index, Received: d.Received, Ingested: w.now,
	})
	w.line = line
	if err != nil {
		return err
	}
	at := indexTime(&w.event)
	if w.space.Retention > 0 && !at.IsZero() && at.Before(w.arrived().Add(-w.space.Retention)) {
		w.counts.expired++
		w.became.Add(d.Endpoint, stream.BecameExpired)
		return nil
	}
	tenant := w.event.Tenant()
	if tenant == "" {
		tenant = d.Endpoint
	}
	index := w.names.Index(d.Namespace, w.space.Calendar, at)
	w.builder.Of(d.Endpoint)
	if !w.builder.Add(d.Namespace, index, auth0.DocumentID(tenant, w.event.LogID), line) {
		return errTooLarge
	}
	w.counts.mapped++
	w.became.Add(d.Endpoint, stream.BecameDocument)
	if at.After(w.newest) {
		w.newest = at
	}
	if !known {
		w.counts.unknown++
		w.p.Metrics.drift(w.p.Log, w.event.Text("type"))
	}
	return nil
}

// arrived is the moment by which an event counts as expired: when its message was stored, or now where that is earlier. So
// an event is given up only when two clocks say so, and the same message has the same events in it whenever it is handled.
// What expires while it waits meets the indexer, which makes no index that retention deletes.
func (w *work) arrived() time.Time {
	if stored := w.message.Stored; !stored.IsZero() && stored.Before(w.now) {
		return stored
	}
	return w.now
}

// founded is before the first event that any tenant of Auth0 can have.
var founded = time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)

// indexTime is the time whose index takes the event. One from before Auth0 existed is none, so that made-up years make
// no indices.
func indexTime(e *auth0.Event) time.Time {
	if at := e.Period(); !at.Before(founded) {
		return at
	}
	return time.Time{}
}

// report counts and writes the one line of a message.
func (w *work) report(ctx context.Context, deliveries []delivery.Delivery) {
	w.p.Metrics.done(w.counts, len(deliveries), time.Since(w.begin))
	level := slog.LevelInfo
	if w.counts.dead > 0 {
		level = slog.LevelWarn
	}
	if !w.p.Log.Enabled(ctx, level) {
		return
	}
	w.p.Log.LogAttrs(ctx, level, "enriched", slog.Uint64("sequence", w.message.Sequence), slog.Int("deliveries", len(deliveries)),
		slog.Int("mapped", w.counts.mapped), slog.Int("dead", w.counts.dead), slog.Int("expired", w.counts.expired),
		slog.Int("unknown_codes", w.counts.unknown), slog.Int("attempt", w.message.Delivered),
		slog.Float64("duration_ms", float64(time.Since(w.begin).Microseconds())/1000))
}
