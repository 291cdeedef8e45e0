// Package delivery is the envelope in which a webhook POST travels from the receiver to the enricher.
//
// One message carries one delivery, its body as received and the receipt facts in headers; or several small deliveries
// that were committed to disk together, each with its own facts. The schema version in the header decides how a message
// is read, so that versions that stand side by side understand each other.
package delivery

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/scratch"
)

// Schema is the version that Encode writes.
const Schema = 1

// Header names of the envelope.
const (
	HeaderSchema   = "Sluice-Schema"
	HeaderID       = "Sluice-Delivery" // ids of all deliveries in the message, separated by commas
	headerCount    = "Sluice-Count"
	headerEndpoint = "Sluice-Endpoint"
	headerSpace    = "Sluice-Namespace"
	headerReceived = "Sluice-Received-At"
	headerType     = "Content-Type"
	headerEncoding = "Content-Encoding"
	headerPart     = "Sluice-Part" // part/parts/number of the first event
	headerFragment = "Sluice-Fragment"
	headerReplay   = "Sluice-Replay"
)

// Delivery is one POST, or one part of a POST that was larger than a message may be.
type Delivery struct {
	ID        string    `json:"id"`
	Endpoint  string    `json:"endpoint"`
	Namespace string    `json:"namespace"`
	Received  time.Time `json:"received"`
	// ContentType is what the sender claimed; nobody relies on it.
	ContentType string `json:"content_type,omitempty"`
	// Encoding is gzip, zstd or empty: how Body is compressed.
	Encoding string `json:"encoding,omitempty"`
	// Part of Parts, counted from 1; both 0 for a whole delivery. First is the number of the part's first event.
	Part  int `json:"part,omitempty"`
	Parts int `json:"parts,omitempty"`
	First int `json:"first,omitempty"`
	// Fragment is set on a piece of one single event that cannot become a document: why it cannot.
	Fragment string `json:"fragment,omitempty"`
	// Replay marks a dead letter that was sent again.
	Replay bool   `json:"replay,omitempty"`
	Body   []byte `json:"-"`
}

// ErrSchema says that a message is of a version this build cannot read.
var ErrSchema = errors.New("unknown envelope version")

// ErrNewer says that a later build wrote the message: it is whole, and has to wait for one that can read it.
var ErrNewer = fmt.Errorf("%w, of a later build", ErrSchema)

// Encode packs deliveries, at least one, into one message.
func Encode(all []Delivery) (header map[string]string, payload []byte, err error) {
	return EncodeIn(nil, all)
}

// EncodeIn is Encode with memory of a shelf for the payload, unless that is the body of the only delivery.
func EncodeIn(shelf *scratch.Shelf, all []Delivery) (header map[string]string, payload []byte, err error) {
	if len(all) == 1 {
		return single(&all[0]), all[0].Body, nil
	}
	ids, room := make([]string, len(all)), 0
	for i := range all {
		room += len(all[i].Body) + Overhead
	}
	payload = shelf.Take(room)
	var facts []byte
	for i := range all {
		facts, err = appendFacts(facts[:0], &all[i])
		if err != nil {
			return nil, nil, fmt.Errorf("packing delivery %s: %w", all[i].ID, err)
		}
		payload = binary.AppendUvarint(payload, uint64(len(facts)))
		payload = append(payload, facts...)
		payload = binary.AppendUvarint(payload, uint64(len(all[i].Body)))
		payload = append(payload, all[i].Body...)
		ids[i] = all[i].ID
	}
	header = map[string]string{
		HeaderSchema: strconv.Itoa(Schema), headerCount: strconv.Itoa(len(all)), HeaderID: strings.Join(ids, ","),
	}
	return header, payload, nil
}

// Overhead is what a delivery adds to a shared message besides its body, in bytes, at most.
const Overhead = 512

// single puts the facts of the only delivery into headers.
func single(d *Delivery) map[string]string {
	h := map[string]string{
		HeaderSchema: strconv.Itoa(Schema), HeaderID: d.ID, headerEndpoint: d.Endpoint, headerSpace: d.Namespace,
		headerReceived: d.Received.UTC().Format(time.RFC3339Nano),
	}
	optional := func(name, value string) {
		if value != "" {
			h[name] = value
		}
	}
	optional(headerType, d.ContentType)
	optional(headerEncoding, d.Encoding)
	if d.Parts > 0 {
		h[headerPart] = fmt.Sprintf("%d/%d/%d", d.Part, d.Parts, d.First)
	}
	optional(headerFragment, d.Fragment)
	if d.Replay {
		h[headerReplay] = "true"
	}
	return h
}

// Decode unpacks a message. The bodies share memory with payload. The error wraps ErrNewer or ErrSchema, or says what is
// broken.
func Decode(header map[string]string, payload []byte) ([]Delivery, error) {
	if v := header[HeaderSchema]; v != strconv.Itoa(Schema) {
		if number, err := strconv.ParseUint(v, 10, 16); err == nil && number > Schema {
			return nil, fmt.Errorf("%w: %d, this build reads %d", ErrNewer, number, Schema)
		}
		return nil, fmt.Errorf("%w: %q, this build reads %d", ErrSchema, v, Schema)
	}
	if header[headerCount] == "" {
		return decodeSingle(header, payload)
	}
	count, err := strconv.Atoi(header[headerCount])
	if err != nil || count < 1 || count > len(payload) {
		return nil, fmt.Errorf("reading envelope: %q deliveries in %d bytes", header[headerCount], len(payload))
	}
	all := make([]Delivery, count)
	for i := range all {
		if payload, err = decodeFrame(&all[i], payload); err != nil {
			return nil, fmt.Errorf("reading delivery %d of %d: %w", i+1, count, err)
		}
	}
	if len(payload) > 0 {
		return nil, fmt.Errorf("reading envelope: %d bytes too many", len(payload))
	}
	return all, nil
}

func decodeSingle(h map[string]string, body []byte) ([]Delivery, error) {
	received, err := time.Parse(time.RFC3339Nano, h[headerReceived])
	if err != nil {
		return nil, fmt.Errorf("reading header %s: %w", headerReceived, err)
	}
	d := Delivery{
		ID: h[HeaderID], Endpoint: h[headerEndpoint], Namespace: h[headerSpace], Received: received,
		ContentType: h[headerType], Encoding: h[headerEncoding],
		Fragment: h[headerFragment], Replay: h[headerReplay] == "true", Body: body,
	}
	if d.ID == "" || d.Namespace == "" {
		return nil, fmt.Errorf("reading envelope: header %s or %s is missing", HeaderID, headerSpace)
	}
	if part := h[headerPart]; part != "" {
		if _, err := fmt.Sscanf(part, "%d/%d/%d", &d.Part, &d.Parts, &d.First); err != nil {
			return nil, fmt.Errorf("reading header %s %q: %w", headerPart, part, err)
		}
	}
	return []Delivery{d}, nil
}

// decodeFrame reads one delivery off the front of payload and returns the rest.
func decodeFrame(d *Delivery, payload []byte) ([]byte, error) {
	facts, rest, err := chunk(payload)
	if err != nil {
		return nil, err
	}
	if !readFacts(facts, d) {
		*d = Delivery{}
		if err := json.Unmarshal(facts, d); err != nil {
			return nil, err
		}
	}
	d.Body, rest, err = chunk(rest)
	return rest, err
}

func chunk(b []byte) (piece, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, errors.New("the message ends too soon")
	}
	end := used + int(n)
	return b[used:end:end], b[end:], nil
}
