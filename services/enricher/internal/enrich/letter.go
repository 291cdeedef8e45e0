package enrich

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// Reasons of dead letters that are not the event's own fault. The others are auth0's and mapping's errors.
const (
	reasonEnvelope    = "bad_envelope"
	reasonCompression = "bad_compression"
	reasonTooLarge    = "too_large"
	reasonNamespace   = "unknown_namespace"
)

// errTooLarge says that a document fits no message.
var errTooLarge = errors.New(reasonTooLarge)

// maxID bounds the id of a delivery, in bytes.
const maxID = 64

// reasonPattern is what a reason looks like: it becomes a metric's label.
var reasonPattern = regexp.MustCompile(`^[a-z][a-z_]{0,31}$`)

// check refuses receipt facts that no receiver writes: they become parts of index names, subjects and metric labels.
func check(d *delivery.Delivery) error {
	if d.ID == "" || len(d.ID) > maxID || !utf8.ValidString(d.ID) {
		return fmt.Errorf("reading envelope: %.64q is no delivery's id", d.ID)
	}
	if d.First < 0 || d.Part < 0 || d.Part > d.Parts {
		return fmt.Errorf("reading envelope of delivery %s: there is no part %d of %d that begins at event %d", d.ID, d.Part, d.Parts, d.First)
	}
	if d.Fragment != "" && !reasonPattern.MatchString(d.Fragment) {
		return fmt.Errorf("reading envelope of delivery %s: %.64q is no reason", d.ID, d.Fragment)
	}
	if err := errors.Join(stream.CheckNamespace(d.Namespace), endpoint.CheckID(d.Endpoint)); err != nil {
		return fmt.Errorf("reading envelope of delivery %s: %w", d.ID, err)
	}
	return nil
}

// foreign sets aside a whole message, or a delivery in it, that is none of the receiver's.
func (w *work) foreign(err error) {
	data := w.message.Data
	if w.body != nil {
		data = w.body
	}
	id := w.message.Header[delivery.HeaderID]
	if id == "" || len(id) > maxID {
		id = fmt.Sprintf("seq-%d", w.message.Sequence)
	}
	w.put(deadletter.Letter{
		Reason: reasonEnvelope, Detail: err.Error(), FirstSeen: w.message.Stored, Delivery: id, Key: deadletter.KeyOf("", data),
	}, data)
}

// fragment sets aside a piece of an event that the receiver had to cut.
func (w *work) fragment(d *delivery.Delivery) {
	l := w.letter(d, auth0.Element{Index: d.First, Raw: d.Body})
	l.Reason, l.Detail, l.Piece = d.Fragment, "one event, too large or too broken to stand with others", d.Part
	w.put(l, d.Body)
}

// sealed sets aside a delivery whose body does not open.
func (w *work) sealed(d *delivery.Delivery, err error) {
	reason, detail := reasonCompression, err.Error()
	if errors.Is(err, delivery.ErrTooLarge) {
		reason, detail = reasonTooLarge, detail+"; ENRICHER_MAX_BODY may be larger"
	}
	w.setAside(d, auth0.Element{Index: d.First, Raw: d.Body}, reason, detail)
}

// setAside makes the dead letter of an element.
func (w *work) setAside(d *delivery.Delivery, el auth0.Element, reason, detail string) {
	l := w.letter(d, el)
	l.Reason, l.Detail = reason, detail
	w.put(l, el.Raw)
}

// letter says where an element came from.
func (w *work) letter(d *delivery.Delivery, el auth0.Element) deadletter.Letter {
	if w.key == "" {
		w.key = deadletter.KeyOf(d.Endpoint, w.body)
	}
	return deadletter.Letter{
		Key: w.key, FirstSeen: d.Received, Endpoint: d.Endpoint, Namespace: d.Namespace, Delivery: d.ID, Item: el.Index, Line: el.Line,
	}
}

// put adds a letter to those of the message, in pieces where body is larger than a message may be.
func (w *work) put(l deadletter.Letter, body []byte) {
	w.counts.dead++
	w.became.Add(l.Endpoint, stream.BecameDead)
	l.Stage, l.Attempts = deadletter.StageEnricher, w.message.Delivered
	l.Origin = fmt.Sprintf("%s:%d", stream.Deliveries, w.message.Sequence)
	room := w.room()
	if len(body) <= room {
		l.Body = body
		w.letters = append(w.letters, &l)
		return
	}
	for piece := range slices.Chunk(body, room) {
		l.Piece++
		one := l
		one.Body = piece
		w.letters = append(w.letters, &one)
	}
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
