// Package enrich is the enricher's work on one message: take the deliveries apart, map their events, publish the
// documents, set aside what is none.
//
// Its promise: a message is acknowledged only when every element in it is on disk again, as a document or as a dead
// letter. Doing it twice changes nothing.
package enrich

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/services/enricher/internal/parts"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// publisher stores documents.
type publisher interface {
	PublishAll(ctx context.Context, outs []stream.Outgoing) error
	MaxPayload() int
}

// box keeps dead letters.
type box interface {
	Put(ctx context.Context, l *deadletter.Letter) (added bool, err error)
}

// directory knows the namespaces.
type directory interface {
	Namespace(name string) (endpoint.Namespace, bool)
}

// Parts are what an Enricher works with.
type Parts struct {
	Stream    publisher
	Letters   box
	Directory directory
	Mapper    *mapping.Mapper
	Metrics   *Metrics
	Log       *slog.Logger
	Created   time.Time // of the stream of deliveries: with a sequence it names a message for ever
	MaxBody   int64     // bytes of one delivery after decompression
	PartBytes int       // where messages of documents are cut
}

// Enricher works on messages. It is safe for concurrent use; every call has its own scratch space.
type Enricher struct{ p Parts }

// headerRoom is what the headers of our messages may take of the server's largest message, in bytes.
const headerRoom = 64 << 10

// New returns an enricher. The server must take messages of clearly more than 64 KiB.
func New(p Parts) *Enricher { return &Enricher{p} }

// room is how many bytes a message that we write may hold.
func (e *Enricher) room() int { return e.p.Stream.MaxPayload() - headerRoom }

// work is the state of one message.
type work struct {
	*Enricher
	message *stream.Message
	now     time.Time
	builder *parts.Builder
	letters []*deadletter.Letter
	event   auth0.Event
	line    []byte
	body    []byte // of the delivery in hand, decompressed
	key     string // of the letters of the delivery in hand
	counts  counts
}

// counts is what became of the elements of one message.
type counts struct{ mapped, dead, expired, unknown int }

// Handle does one message. After an error nothing is lost: the same message may be handled again.
func (e *Enricher) Handle(ctx context.Context, m *stream.Message) error {
	w := &work{Enricher: e, message: m, now: time.Now()}
	deliveries, err := delivery.Decode(m.Header, m.Data)
	if err != nil {
		w.foreign(err)
	} else {
		w.builder = parts.New(parts.Source{Created: e.p.Created, Sequence: m.Sequence, Received: oldest(deliveries)}, e.p.PartBytes, e.room())
		for i := range deliveries {
			w.delivery(&deliveries[i])
		}
	}
	if err := w.store(ctx); err != nil {
		return err
	}
	w.report(ctx, deliveries)
	return nil
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

// store puts documents and letters on disk.
func (w *work) store(ctx context.Context) error {
	if w.builder != nil {
		if outs := w.builder.Finish(); len(outs) > 0 {
			if err := w.p.Stream.PublishAll(ctx, outs); err != nil {
				return err
			}
		}
	}
	for _, l := range w.letters {
		added, err := w.p.Letters.Put(ctx, l)
		if err != nil {
			return err
		}
		if added {
			w.p.Metrics.dead.WithLabelValues(l.Reason).Inc()
		}
	}
	return nil
}

// delivery handles one delivery, or one part of one.
func (w *work) delivery(d *delivery.Delivery) {
	w.key, w.body = "", d.Body
	whole := auth0.Element{Index: d.First, Raw: d.Body}
	if err := check(d); err != nil {
		w.foreign(err)
		return
	}
	if d.Fragment != "" {
		w.fragment(d)
		return
	}
	body, reason, err := inflate(d, w.p.MaxBody)
	if err != nil {
		w.setAside(d, whole, reason, err.Error())
		return
	}
	w.body = body
	broken := 0
	for element := range auth0.Split(body) {
		at := element.At
		element.Index += d.First
		reason, detail := w.element(d, element)
		if reason == "" {
			continue
		}
		if broken++; broken > maxBroken {
			element.Raw = body[at:]
			w.setAside(d, element, reason, "more than 1000 elements of this delivery are broken; this is all the rest of it")
			return
		}
		w.setAside(d, element, reason, detail)
	}
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
	ns, ok := w.p.Directory.Namespace(d.Namespace)
	if !ok {
		ns.Calendar = period.Daily()
	}
	at := indexTime(&w.event)
	if ns.Retention > 0 && !at.IsZero() && at.Before(w.now.Add(-ns.Retention)) {
		w.counts.expired++
		return nil
	}
	tenant := w.event.Tenant()
	if tenant == "" {
		tenant = d.Endpoint
	}
	index := period.Index(d.Namespace, ns.Calendar.Name(at))
	if !w.builder.Add(d.Namespace, index, auth0.DocumentID(tenant, w.event.LogID), line) {
		return errTooLarge
	}
	w.counts.mapped++
	w.p.Metrics.seen(d.Endpoint, at)
	if !known {
		w.counts.unknown++
		w.p.Metrics.drift(w.p.Log, w.event.Text("type"))
	}
	return nil
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
	w.p.Metrics.done(w.counts, len(deliveries), time.Since(w.now))
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
		slog.Float64("duration_ms", float64(time.Since(w.now).Microseconds())/1000))
}
