// Package bulk writes messages of documents to Elasticsearch and decides what became of each document.
//
// Its promise: a message is acknowledged only when every document in it is indexed, was there already, or lies among
// the dead letters with its reason. Whatever else an answer says keeps the message.
package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/scratch"
	"github.com/sluicelog/sluice/shared/stream"
)

// document is one document with its action line, as they stand in a message.
type document struct {
	lines   []byte // both lines with their newlines
	at      int    // where they begin in the joined bytes of its batch
	index   string
	id      []byte // within lines
	message *pending
	tries   int
	blocked bool   // it waits for a reason of its own or of its index: others could be written
	owner   string // its endpoint, empty where the message does not say
	unsure  bool   // it was sent, and no answer came: it may be there
}

// pending is a message with documents that have no final verdict yet.
type pending struct {
	message *stream.Message
	left    int
	became  stream.Counts // documents by endpoint and what they became
	joined  []byte        // the whole batch in one piece; nil where it lies in several
}

// became is what a verdict makes of a document. One that was there already, and that its message may have written before a
// crash or a lost answer, is taken for its own.
func (d *document) became(v verdict) string {
	switch {
	case v == dead:
		return stream.BecameDead
	case v == duplicate && !d.unsure && !d.message.message.Again():
		return stream.BecameDuplicate
	}
	return stream.BecameIndexed
}

// count notes what became of a document.
func (p *pending) count(d *document, became string) { p.became.Add(d.owner, became) }

// done gives the message its verdict, together with what became of its documents.
func (p *pending) done() {
	counts := p.became.All()
	if p.message.Header[replayHeader] == "true" { // no enricher has counted them as made
		for _, c := range p.became.All() {
			counts = append(counts, stream.Count{Endpoint: c.Endpoint, Became: stream.BecameReplayed, Events: c.Events})
		}
	}
	p.message.Count(stream.ParsePart(p.message.Header[partHeader]), counts)
	p.message.Done()
}

// The only form of an action line: the enricher writes it. Anything else could spoil a whole request, or reach an index
// that is not ours.
const (
	actionHead   = `{"create":{"_index":"`
	actionMiddle = `","_id":"`
	actionTail   = "\"}}\n"
)

// errMessage says that a message is no message of documents.
var errMessage = errors.New("bad_message")

// errNewer says that a later enricher wrote the message: it is whole, and has to wait for an indexer that can read it.
var errNewer = errors.New("message of a later version")

// Headers of a message of documents beside its version: how many documents it holds, and more.
const (
	countHeader  = "Sluice-Count"
	partHeader   = "Sluice-Part"      // what the message was made from
	ownersHeader = "Sluice-Endpoints" // whose documents it holds, in their order: endpoint=count, separated by commas
	replayHeader = "Sluice-Replay"    // "true" for a dead letter that was sent again
)

// parse takes a message apart; it begins at at in the joined bytes of its batch, if there are any.
func parse(m *stream.Message, joined []byte, at int) ([]*document, error) {
	if v := m.Header[stream.SchemaHeader]; v != strconv.Itoa(stream.DocumentsSchema) {
		if number, err := strconv.ParseUint(v, 10, 16); err == nil && number > stream.DocumentsSchema {
			return nil, fmt.Errorf("%w: %d, this build reads %d", errNewer, number, stream.DocumentsSchema)
		}
		return nil, fmt.Errorf("%w: its version is %.64q, this build reads %d", errMessage, v, stream.DocumentsSchema)
	}
	docs, err := split(m)
	if err != nil {
		return nil, err
	}
	if want := m.Header[countHeader]; want != strconv.Itoa(len(docs)) || len(docs) == 0 {
		return nil, fmt.Errorf("%w: it says it has %.64q documents and has %d", errMessage, want, len(docs))
	}
	own(docs, m.Header[ownersHeader])
	docs[0].message.joined = joined
	for _, d := range docs {
		d.at += at
	}
	return docs, nil
}

// own says of each document whose it is; of none where the header does not fit the documents.
func own(docs []*document, header string) {
	owned := 0
	for run := range strings.SplitSeq(header, ",") {
		owner, number, _ := strings.Cut(run, "=")
		count, err := strconv.Atoi(number)
		if err != nil || count < 1 || count > len(docs)-owned || endpoint.CheckID(owner) != nil {
			break
		}
		for _, d := range docs[owned : owned+count] {
			d.owner = owner
		}
		owned += count
	}
	if owned == len(docs) {
		return
	}
	for _, d := range docs {
		d.owner = ""
	}
}

// split cuts a message into its documents.
func split(m *stream.Message) ([]*document, error) {
	said, _ := strconv.Atoi(m.Header[countHeader]) // parse checks it afterwards
	most := min(max(said, 0), len(m.Data)/len(actionHead+actionMiddle+actionTail))
	docs, all := make([]*document, 0, most), make([]document, 0, most) // one allocation, not one for each
	p := &pending{message: m}
	index, usual := "", []byte(nil)                // of the document before: how the action line of its index begins
	home, _, _ := stream.SplitDocuments(m.Subject) // of either class
	for rest := m.Data; len(rest) > 0; {
		head := bytes.IndexByte(rest, '\n') + 1
		body := bytes.IndexByte(rest[head:], '\n') + 1
		if head < 1 || body < 1 {
			return nil, fmt.Errorf("%w: document %d is not whole", errMessage, len(docs)+1)
		}
		name, id, ok := names(rest[:head], usual)
		if !ok {
			return nil, fmt.Errorf("%w: document %d has no create action of ours: %.100q", errMessage, len(docs)+1, rest[:head])
		}
		if name != nil {
			index, usual = string(name), rest[:len(actionHead)+len(name)+len(actionMiddle)]
			if namespace, _, ok := period.Split(index); !ok || namespace != home || strings.ToLower(index) != index {
				return nil, fmt.Errorf("%w: document %d goes to index %s, but came on %s", errMessage, len(docs)+1, index, m.Subject)
			}
		}
		all = append(all, document{lines: rest[: head+body : head+body], at: len(m.Data) - len(rest), index: index, id: id, message: p})
		docs = append(docs, &all[len(all)-1])
		rest = rest[head+body:]
	}
	p.left = len(docs)
	return docs, nil
}

// names reads index and id of an action line; index is nil for one that begins as usual, which is that of a line before.
func names(line, usual []byte) (index, id []byte, ok bool) {
	if rest, same := bytes.CutPrefix(line, usual); same && usual != nil {
		id, ended := bytes.CutSuffix(rest, []byte(actionTail))
		return nil, id, ended && plain(id)
	}
	rest, begun := bytes.CutPrefix(line, []byte(actionHead))
	index, rest, parted := bytes.Cut(rest, []byte(actionMiddle))
	id, ended := bytes.CutSuffix(rest, []byte(actionTail))
	return index, id, begun && parted && ended && plain(index) && plain(id)
}

// maxName bounds the names of an action line, in bytes; Elasticsearch takes 255 for an index and 512 for an id.
const maxName = 200

// plain reports whether a name needs no quoting anywhere.
func plain(name []byte) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= maxName
}

// together is the request body of documents that lie behind one another, as those of a whole batch do; else nil.
func together(docs []*document) []byte {
	joined, end := docs[0].message.joined, docs[0].at
	if joined == nil {
		return nil
	}
	for _, d := range docs {
		if d.at != end {
			return nil
		}
		end += len(d.lines)
	}
	return joined[docs[0].at:end:end]
}

// join makes one request body in memory of a shelf.
func join(shelf *scratch.Shelf, docs []*document) []byte {
	body := shelf.Take(sizeOf(docs))
	for _, d := range docs {
		body = append(body, d.lines...)
	}
	return body
}
