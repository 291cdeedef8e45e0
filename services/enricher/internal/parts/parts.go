// Package parts cuts documents into messages that are ready for Elasticsearch's _bulk.
//
// The cut depends on the documents alone, so the same delivery gives the same parts whenever it is enriched again, and
// the stream recognises most of them by their id.
package parts

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// Headers of a message of documents.
const (
	HeaderSchema   = "Sluice-Schema"
	HeaderCount    = "Sluice-Count"       // documents in the message
	HeaderOrigin   = "Sluice-Origin"      // stream and sequence of the delivery
	HeaderReceived = "Sluice-Received-At" // of the oldest delivery in it
)

// Schema is the version of the messages.
const Schema = "1"

// Builder gathers the documents of one message of deliveries. It is not safe for concurrent use.
type Builder struct {
	origin   string // identifies the message of deliveries for ever
	source   string
	received time.Time
	limit    int
	open     map[string]*part
	order    []string
	done     []stream.Outgoing
	count    int
}

// part is the open part of a namespace.
type part struct {
	ndjson []byte
	count  int
}

// New returns a builder for the message at sequence of a stream that was created at a moment; parts stay under limit
// bytes.
func New(created time.Time, sequence uint64, received time.Time, limit int) *Builder {
	return &Builder{
		origin: fmt.Sprintf("%d-%d", created.UnixNano(), sequence), source: fmt.Sprintf("%s:%d", stream.Deliveries, sequence),
		received: received, limit: limit, open: map[string]*part{},
	}
}

// Add appends one document for a namespace; ok is false when it is larger than a message may be.
func (b *Builder) Add(namespace, index, id string, document []byte) (ok bool) {
	size := len(document) + len(index) + len(id) + 64
	if size > b.limit {
		return false
	}
	p := b.open[namespace]
	if p == nil {
		p = &part{}
		b.open[namespace] = p
		b.order = append(b.order, namespace)
	}
	if len(p.ndjson)+size > b.limit {
		b.close(namespace, p)
	}
	p.ndjson = append(p.ndjson, `{"create":{"_index":"`...)
	p.ndjson = append(p.ndjson, index...)
	p.ndjson = append(p.ndjson, `","_id":"`...)
	p.ndjson = append(p.ndjson, id...)
	p.ndjson = append(p.ndjson, "\"}}\n"...)
	p.ndjson = append(append(p.ndjson, document...), '\n')
	p.count++
	return true
}

// close turns an open part into a message.
func (b *Builder) close(namespace string, p *part) {
	if p.count == 0 {
		return
	}
	b.done = append(b.done, stream.Outgoing{
		Subject: stream.SubjectDocuments(namespace), ID: b.origin + "-" + strconv.Itoa(b.count), Data: p.ndjson,
		Header: stream.Header{
			HeaderSchema: Schema, HeaderCount: strconv.Itoa(p.count), HeaderOrigin: b.source,
			HeaderReceived: b.received.UTC().Format(time.RFC3339Nano),
		},
	})
	b.count++
	*p = part{}
}

// Finish closes what is open and returns all messages.
func (b *Builder) Finish() []stream.Outgoing {
	for _, namespace := range b.order {
		b.close(namespace, b.open[namespace])
	}
	return b.done
}
