// Package enrich is the enricher's work on one message: take the deliveries apart, map their events, publish the
// documents, set aside what is none.
//
// Its promise: a message is acknowledged only when every element in it is on disk again, as a document or as a dead
// letter. Doing it twice changes nothing.
package enrich

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/services/enricher/internal/parts"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// Reasons of dead letters that are not the event's own fault. The others are auth0's and mapping's errors.
const (
	reasonEnvelope    = "bad_envelope"
	reasonCompression = "bad_compression"
	reasonTooLarge    = "too_large"
)

// maxBroken is how many broken elements of one delivery get a letter each; the rest share one.
const maxBroken = 1000

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
	PartBytes int       // how large a message of documents may get
}

// Enricher works on messages. It is safe for concurrent use; every call has its own scratch space.
type Enricher struct{ p Parts }

// New returns an enricher.
func New(p Parts) *Enricher {
	p.PartBytes = min(p.PartBytes, p.Stream.MaxPayload()-64<<10)
	return &Enricher{p}
}

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
		w.letters = append(w.letters, w.foreign(err))
	} else {
		w.builder = parts.New(e.p.Created, m.Sequence, oldest(deliveries), e.p.PartBytes)
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
		if _, err := w.p.Letters.Put(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// foreign sets aside a message that is no envelope of ours.
func (w *work) foreign(err error) *deadletter.Letter {
	id := w.message.Header[delivery.HeaderID]
	if id == "" || len(id) > 64 {
		id = fmt.Sprintf("seq-%d", w.message.Sequence)
	}
	w.counts.dead++
	w.p.Metrics.dead.WithLabelValues(reasonEnvelope).Inc()
	return &deadletter.Letter{
		Stage: deadletter.StageEnricher, Reason: reasonEnvelope, Detail: err.Error(), Attempts: w.message.Delivered,
		FirstSeen: w.now, Delivery: id, Key: id, Origin: w.origin(), Body: w.message.Data,
	}
}

func (w *work) origin() string { return fmt.Sprintf("%s:%d", stream.Deliveries, w.message.Sequence) }

// delivery handles one delivery, or one part of one.
func (w *work) delivery(d *delivery.Delivery) {
	w.key, w.body = "", d.Body
	if d.Fragment != "" {
		l := w.letter(d, auth0.Element{Index: d.First, Raw: d.Body}, d.Fragment, "one event, too large or too broken to stand with others")
		l.Piece = d.Part
		w.letters = append(w.letters, l)
		return
	}
	body, err := w.inflate(d)
	if err != nil {
		w.letters = append(w.letters, w.letter(d, auth0.Element{Index: d.First, Raw: d.Body}, reasonCompression, err.Error()))
		return
	}
	w.body = body
	broken := 0
	for element := range auth0.Split(body) {
		element.Index += d.First
		reason, detail := w.element(d, element)
		if reason == "" {
			continue
		}
		if broken++; broken > maxBroken {
			rest := body[element.At:]
			w.letters = append(w.letters, w.letter(d, auth0.Element{Index: element.Index, Line: element.Line, Raw: rest}, reason,
				"more than 1000 elements of this delivery are broken; this is all the rest of it"))
			return
		}
		w.letters = append(w.letters, w.letter(d, element, reason, detail))
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

// errTooLarge says that a document fits no message.
var errTooLarge = errors.New(reasonTooLarge)

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
	at := w.event.Period()
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

// describe says for people what is wrong and where.
func describe(err error, el auth0.Element) string {
	say := map[error]string{
		auth0.ErrNotJSON: "this is no JSON", auth0.ErrNotObject: "an event is an object, this is another value",
		auth0.ErrInvalidUTF8: "the text is no valid UTF-8", auth0.ErrTooDeep: "objects lie too deep in one another",
		auth0.ErrNoLogID:  "there is no log_id, by which an event is known",
		mapping.ErrFuture: "log_id or date is later than tomorrow", errTooLarge: "the document is larger than a message may be",
	}[err]
	return fmt.Sprintf("event %d, line %d: %s", el.Index, el.Line, say)
}

// letter makes the dead letter of an element. Its body is cut to what a message can hold.
func (w *work) letter(d *delivery.Delivery, el auth0.Element, reason, detail string) *deadletter.Letter {
	w.counts.dead++
	w.p.Metrics.dead.WithLabelValues(reason).Inc()
	if w.key == "" {
		w.key = deadletter.KeyOf(d.Endpoint, w.body)
	}
	return &deadletter.Letter{
		Stage: deadletter.StageEnricher, Key: w.key, Reason: reason, Detail: detail, Attempts: w.message.Delivered, FirstSeen: d.Received,
		Endpoint: d.Endpoint, Namespace: d.Namespace, Delivery: d.ID, Item: el.Index, Line: el.Line, Origin: w.origin(),
		Body: bytes.Clone(el.Raw),
	}
}

// inflate undoes the compression of a body, bounded.
func (w *work) inflate(d *delivery.Delivery) ([]byte, error) {
	if d.Encoding == "" || len(d.Body) == 0 {
		return d.Body, nil
	}
	source, err := open(d)
	if err != nil {
		return nil, fmt.Errorf("decompressing %s: %w", d.Encoding, err)
	}
	defer func() { _ = source.Close() }()
	body, err := io.ReadAll(io.LimitReader(source, w.p.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("decompressing %s: %w", d.Encoding, err)
	}
	if int64(len(body)) > w.p.MaxBody {
		return nil, fmt.Errorf("decompressing %s: more than %d bytes", d.Encoding, w.p.MaxBody)
	}
	return body, nil
}

func open(d *delivery.Delivery) (io.ReadCloser, error) {
	switch d.Encoding {
	case "gzip":
		return gzip.NewReader(bytes.NewReader(d.Body))
	case "zstd":
		z, err := zstd.NewReader(bytes.NewReader(d.Body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("encoding %q is unknown", d.Encoding)
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
