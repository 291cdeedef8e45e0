// Package deadletter keeps what could not be mapped or indexed: whole, with the reason, browsable and replayable.
//
// Its promise: the same event set aside twice lies there once, however late the second time comes and by whichever
// delivery, because its place is named after what it is and not after the moment.
package deadletter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// Stages that set something aside.
const (
	StageEnricher = "enricher"
	StageIndexer  = "indexer"
)

// Schema is the version of the letters that this build writes; it reads all up to it.
const Schema = 1

// Letter is one event, or one body that is no event, with the reason why it is not searchable.
type Letter struct {
	Schema    int       `json:"schema"` // version it was written in; one above Schema can be shown, but not be replayed
	Stage     string    `json:"stage"`
	Reason    string    `json:"reason"`           // from a closed list per stage
	Detail    string    `json:"detail,omitempty"` // for people: what exactly, where
	Attempts  int       `json:"attempts"`
	FirstSeen time.Time `json:"first_seen"`
	Endpoint  string    `json:"endpoint,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Delivery  string    `json:"delivery"`
	Key       string    `json:"key"`             // what it belongs to: KeyOf its delivery's body, or the document's id
	Item      int       `json:"item"`            // number of the event in its delivery, from 0
	Piece     int       `json:"piece,omitempty"` // number of the piece, where the event was too large for one letter
	Line      int       `json:"line,omitempty"`  // line of the body on which it begins, from 1
	Origin    string    `json:"origin"`          // stream and sequence it came from
	Sequence  uint64    `json:"sequence,omitempty"`
	Body      []byte    `json:"-"` // the event as received (enricher) or the bulk lines of the document (indexer)
}

// Header names of a letter.
const (
	headerSchema    = "Sluice-Schema"
	headerStage     = "Sluice-Stage"
	headerReason    = "Sluice-Reason"
	headerDetail    = "Sluice-Detail"
	headerAttempts  = "Sluice-Attempts"
	headerFirstSeen = "Sluice-First-Seen"
	headerEndpoint  = "Sluice-Endpoint"
	headerSpace     = "Sluice-Namespace"
	headerKey       = "Sluice-Key"
	headerDelivery  = "Sluice-Delivery"
	headerItem      = "Sluice-Item"
	headerPiece     = "Sluice-Piece"
	headerLine      = "Sluice-Line"
	headerOrigin    = "Sluice-Origin"
)

// maxDetail bounds the text of a reason, in bytes.
const maxDetail = 2048

// Box is where the letters lie.
type Box struct {
	conn *stream.Conn
}

// Open returns the box behind a connection.
func Open(conn *stream.Conn) *Box { return &Box{conn: conn} }

// KeyOf names the letters of a delivery after its endpoint and its body, so that the same body sent again adds nothing.
func KeyOf(endpoint string, body []byte) string {
	h := sha256.New()
	_, _ = h.Write([]byte(endpoint))
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(body)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// subject is a letter's own place.
func subject(l *Letter) string {
	place := strconv.Itoa(l.Item)
	if l.Stage == StageIndexer {
		place = "0" // a document is the same one, whichever delivery brought it
	} else if l.Piece > 0 {
		place += "-" + strconv.Itoa(l.Piece)
	}
	return stream.SubjectDeadLetters + l.Stage + "." + token(l.Key) + "." + place
}

// token makes any text fit one part of a subject.
func token(s string) string {
	if s == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '_'
	}, s)
}

// Put stores a letter and waits until it is on disk; added is false when it lay there already.
func (b *Box) Put(ctx context.Context, l *Letter) (added bool, err error) {
	_, err = b.conn.Publish(ctx, stream.Outgoing{Subject: subject(l), Header: header(l), Data: l.Body, Absent: true})
	if errors.Is(err, stream.ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("setting aside event %d of delivery %s: %w", l.Item, l.Delivery, err)
	}
	return true, nil
}

func header(l *Letter) stream.Header {
	h := stream.Header{
		headerSchema: strconv.Itoa(Schema), headerStage: l.Stage, headerReason: clean(l.Reason), headerDetail: clean(l.Detail),
		headerAttempts: strconv.Itoa(l.Attempts), headerFirstSeen: l.FirstSeen.UTC().Format(time.RFC3339Nano),
		headerEndpoint: clean(l.Endpoint), headerSpace: clean(l.Namespace), headerDelivery: clean(l.Delivery), headerKey: clean(l.Key),
		headerItem: strconv.Itoa(l.Item), headerLine: strconv.Itoa(l.Line), headerPiece: strconv.Itoa(l.Piece), headerOrigin: clean(l.Origin),
	}
	for k, v := range h {
		if v == "" {
			delete(h, k)
		}
	}
	return h
}

// cutMark ends a value that was too long.
const cutMark = " …"

// clean keeps a value on one header line. What was cleaned before it leaves as it is.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxDetail {
		s = strings.ToValidUTF8(s[:maxDetail-len(cutMark)], "") + cutMark // within the bound, so that it is not cut again
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

func letter(s stream.Stored) *Letter {
	number := func(name string) int { n, _ := strconv.Atoi(s.Header[name]); return n }
	first, _ := time.Parse(time.RFC3339Nano, s.Header[headerFirstSeen])
	return &Letter{
		Schema: number(headerSchema), Stage: s.Header[headerStage], Reason: s.Header[headerReason], Detail: s.Header[headerDetail],
		Attempts: number(headerAttempts), FirstSeen: first, Endpoint: s.Header[headerEndpoint],
		Namespace: s.Header[headerSpace], Delivery: s.Header[headerDelivery], Key: s.Header[headerKey], Item: number(headerItem),
		Line: number(headerLine), Piece: number(headerPiece), Origin: s.Header[headerOrigin], Sequence: s.Sequence, Body: s.Data,
	}
}

// All yields the letters, oldest first.
func (b *Box) All(ctx context.Context) iter.Seq2[*Letter, error] {
	return b.scan(ctx, stream.Range{})
}

// OfKey yields the letters of one key.
func (b *Box) OfKey(ctx context.Context, key string) iter.Seq2[*Letter, error] {
	return b.scan(ctx, stream.Range{Subject: stream.SubjectDeadLetters + "*." + token(key) + ".*"})
}

// OfDelivery yields the letters that came with one delivery first. It looks at every letter.
func (b *Box) OfDelivery(ctx context.Context, id string) iter.Seq2[*Letter, error] {
	return func(yield func(*Letter, error) bool) {
		for l, err := range b.All(ctx) {
			if err == nil && l.Delivery != id {
				continue
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

func (b *Box) scan(ctx context.Context, r stream.Range) iter.Seq2[*Letter, error] {
	return func(yield func(*Letter, error) bool) {
		for s, err := range b.conn.Scan(ctx, stream.DeadLetters, r) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(letter(s), nil) {
				return
			}
		}
	}
}

// Get returns one letter by its sequence; stream.ErrNotFound when there is none.
func (b *Box) Get(ctx context.Context, sequence uint64) (*Letter, error) {
	s, err := b.conn.Get(ctx, stream.DeadLetters, sequence)
	if err != nil {
		return nil, err
	}
	return letter(s), nil
}

// Discard removes a letter for good.
func (b *Box) Discard(ctx context.Context, sequence uint64) error {
	return b.conn.Delete(ctx, stream.DeadLetters, sequence)
}

// Heap is how much lies in the box.
type Heap struct {
	Letters  uint64
	Bytes    uint64
	MaxBytes int64     // 0 or less: no limit
	Oldest   time.Time // when the oldest letter was stored; zero when there is none
}

// Heap returns how much lies in the box.
func (b *Box) Heap(ctx context.Context) (Heap, error) {
	state, err := b.conn.State(ctx, stream.DeadLetters)
	if err != nil {
		return Heap{}, err
	}
	h := Heap{Letters: state.Messages, Bytes: state.Bytes, MaxBytes: state.MaxBytes}
	if state.Messages > 0 {
		h.Oldest = state.FirstTime
	}
	return h, nil
}

// Headers yields the letters without their bodies, oldest first.
func (b *Box) Headers(ctx context.Context) iter.Seq2[*Letter, error] {
	return b.scan(ctx, stream.Range{HeadersOnly: true})
}
