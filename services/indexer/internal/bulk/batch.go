// Package bulk writes messages of documents to Elasticsearch and decides what became of each document.
//
// Its promise: a message is acknowledged only when every document in it is indexed, was there already, or lies among
// the dead letters with its reason. Whatever else an answer says keeps the message.
package bulk

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/sluicelog/sluice/shared/stream"
)

// document is one document with its action line, as they stand in a message.
type document struct {
	lines   []byte // both lines with their newlines
	index   string
	message *pending
	tries   int
}

// pending is a message with documents that have no final verdict yet.
type pending struct {
	message *stream.Message
	left    int
}

// The action line is ours (the enricher writes it), so its form is fixed.
const (
	actionHead   = `{"create":{"_index":"`
	actionMiddle = `","_id":"`
)

// errMessage says that a message is no message of documents.
var errMessage = errors.New("bad_message")

// schemaHeader names the version of a message of documents; schema is the one this build reads.
const (
	schemaHeader = "Sluice-Schema"
	schema       = "1"
)

// parse takes a message apart.
func parse(m *stream.Message) ([]*document, error) {
	if v := m.Header[schemaHeader]; v != schema {
		return nil, fmt.Errorf("%w: its version is %q, this build reads %s", errMessage, v, schema)
	}
	var docs []*document
	p := &pending{message: m}
	index := ""
	for rest := m.Data; len(rest) > 0; {
		head := bytes.IndexByte(rest, '\n') + 1
		body := bytes.IndexByte(rest[head:], '\n') + 1
		if head < 1 || body < 1 {
			return nil, fmt.Errorf("%w: document %d is not whole", errMessage, len(docs)+1)
		}
		name, err := indexOf(rest[:head])
		if err != nil {
			return nil, fmt.Errorf("%w: document %d: %w", errMessage, len(docs)+1, err)
		}
		if string(name) != index {
			index = string(name)
		}
		docs = append(docs, &document{lines: rest[: head+body : head+body], index: index, message: p})
		rest = rest[head+body:]
	}
	p.left = len(docs)
	return docs, nil
}

// indexOf reads the index of an action line.
func indexOf(line []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(line, []byte(actionHead))
	if !ok {
		return nil, errors.New("its first line is no create action")
	}
	name, _, ok := bytes.Cut(rest, []byte(actionMiddle))
	if !ok {
		return nil, errors.New("its action names no index and id")
	}
	return name, nil
}

// join makes one request body.
func join(docs []*document) []byte {
	size := 0
	for _, d := range docs {
		size += len(d.lines)
	}
	body := make([]byte, 0, size)
	for _, d := range docs {
		body = append(body, d.lines...)
	}
	return body
}

// idOf reads the document id of an action line that parse has accepted.
func idOf(lines []byte) string {
	_, rest, _ := bytes.Cut(lines, []byte(actionMiddle))
	id, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(id)
}
