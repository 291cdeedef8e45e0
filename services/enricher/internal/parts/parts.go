// Package parts cuts documents into messages that are ready for Elasticsearch's _bulk.
//
// The cut depends on the documents alone, so the same delivery gives the same parts whenever it is enriched again, and
// the stream recognises most of them by their id. The id names the documents in the part too: should the cut ever come
// out differently (another setting, another build), no part is taken for one that it is not.
package parts

import (
	"fmt"
	"hash"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// Headers of a message of documents.
const (
	HeaderCount    = "Sluice-Count"       // documents in the message
	HeaderOrigin   = "Sluice-Origin"      // stream and sequence of the delivery
	HeaderReceived = "Sluice-Received-At" // of the oldest delivery in it
	HeaderPart     = "Sluice-Part"        // what it was made from: stream.Part
	HeaderOwners   = "Sluice-Endpoints"   // whose documents it holds, in their order: endpoint=count, separated by commas
)

// Source is the message of deliveries that the documents come from.
type Source struct {
	Created  time.Time // of its stream: with the sequence it names the message for ever
	Sequence uint64
	Received time.Time // of the oldest delivery in it
	Bulk     bool      // its class, which the documents keep
}

// Builder gathers the documents of one message of deliveries. It is not safe for concurrent use.
type Builder struct {
	// Room returns memory for size bytes of documents, where it is set; what Finish hands out lies in it.
	Room   func(size int) []byte
	source Source
	limit  int
	room   int
	open   map[string]*part
	order  []string
	done   []stream.Outgoing
	cut    int // parts so far
	size   int // bytes added since Finish
	expect int // bytes that a part will hold, as far as is known
	spare  int // bytes of room that may be made before they are needed
	owner  string
}

// part is the open part of a namespace.
type part struct {
	ndjson []byte
	count  int
	names  hash.Hash64 // of the index and id of every document
	owners []run
}

// run is some documents in a row of one endpoint.
type run struct {
	endpoint string
	count    int
}

// own counts a document of an endpoint.
func (p *part) own(endpoint string) {
	if n := len(p.owners); n == 0 || p.owners[n-1].endpoint != endpoint {
		p.owners = append(p.owners, run{endpoint: endpoint})
	}
	p.owners[len(p.owners)-1].count++
}

// owned writes whose documents a part holds.
func (p *part) owned() string {
	var out strings.Builder
	for i, r := range p.owners {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%s=%d", r.endpoint, r.count)
	}
	return out.String()
}

// Expect says about how many bytes of documents will be added from now on, so that a part gets its room at once: one that
// grows is copied each time, and leaves what it had to the garbage collector. The parts that are open at once, one for each
// namespace, share the room of a single one: nobody who sends little for many can take more.
func (b *Builder) Expect(bytes int) { b.expect = bytes }

// begin makes room for a part of which size bytes are there.
func (b *Builder) begin(size int) []byte {
	early := max(0, min(b.expect, b.limit, b.spare)-size)
	b.spare -= early
	if b.Room != nil {
		return b.Room(size + early)
	}
	return make([]byte, 0, size+early)
}

// Of says whose documents are added from now on.
func (b *Builder) Of(endpoint string) { b.owner = endpoint }

// New returns a builder for the documents of source. Parts are cut at limit bytes; a document that alone is larger gets
// a part of its own, as long as that stays within room.
func New(source Source, limit, room int) *Builder {
	return &Builder{source: source, limit: min(limit, room), room: room, open: map[string]*part{}, spare: min(limit, room)}
}

// Add appends one document for a namespace; ok is false when it is larger than a message may be.
func (b *Builder) Add(namespace, index, id string, document []byte) (ok bool) {
	const action = `{"create":{"_index":"","_id":""}}` + "\n\n"
	size := len(action) + len(index) + len(id) + len(document)
	if size > b.room {
		return false
	}
	p := b.open[namespace]
	if p == nil {
		p = &part{names: fnv.New64a()}
		b.open[namespace] = p
		b.order = append(b.order, namespace)
	}
	if len(p.ndjson)+size > b.limit {
		b.close(namespace, p)
	}
	b.size += size
	if p.ndjson == nil {
		p.ndjson = b.begin(size)
	}
	b.expect -= size
	head := len(p.ndjson)
	p.ndjson = append(p.ndjson, `{"create":{"_index":"`...)
	p.ndjson = append(p.ndjson, index...)
	p.ndjson = append(p.ndjson, `","_id":"`...)
	p.ndjson = append(p.ndjson, id...)
	p.ndjson = append(p.ndjson, "\"}}\n"...)
	_, _ = p.names.Write(p.ndjson[head:]) // a hash takes every byte
	p.ndjson = append(append(p.ndjson, document...), '\n')
	p.count++
	p.own(b.owner)
	return true
}

// close turns an open part into a message.
func (b *Builder) close(namespace string, p *part) {
	if p.count == 0 {
		return
	}
	b.done = append(b.done, stream.Outgoing{
		Subject: stream.SubjectDocuments(namespace), Data: p.ndjson, Pack: true, Bulk: b.source.Bulk,
		ID: fmt.Sprintf("%d-%d-%d-%016x", b.source.Created.UnixNano(), b.source.Sequence, b.cut, p.names.Sum64()),
		Header: stream.Header{
			stream.SchemaHeader: strconv.Itoa(stream.DocumentsSchema), HeaderCount: strconv.Itoa(p.count), HeaderOrigin: fmt.Sprintf("%s:%d", stream.Deliveries, b.source.Sequence),
			HeaderReceived: b.source.Received.UTC().Format(time.RFC3339Nano), HeaderOwners: p.owned(),
			HeaderPart: stream.NewPart(b.source.Created, b.source.Sequence, b.cut).String(),
		},
	})
	b.cut++
	*p = part{names: fnv.New64a()}
}

// Waiting is how many bytes have been added since the builder was made, or last finished.
func (b *Builder) Waiting() int { return b.size }

// Finish closes what is open and hands out all messages that it has not handed out before. More may be added then.
func (b *Builder) Finish() []stream.Outgoing {
	for _, namespace := range b.order {
		b.close(namespace, b.open[namespace])
	}
	done := b.done
	b.done, b.size, b.spare = nil, 0, b.limit
	return done
}
