package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/period"
)

// explanation is what explain says of one event.
type explanation struct {
	Item     int               `json:"item"`
	Line     int               `json:"line,omitempty"` // of the input, from 1
	LogID    string            `json:"log_id,omitempty"`
	Index    string            `json:"index,omitempty"`
	ID       string            `json:"id,omitempty"` // _id; absent where it depends on the endpoint
	Code     *explainedCode    `json:"code,omitempty"`
	Flags    []string          `json:"flags,omitempty"`
	Document json.RawMessage   `json:"document,omitempty"`
	Fields   []enricher.Origin `json:"fields,omitempty"`
	Indexed  *explainedIndex   `json:"indexed,omitempty"` // with --log-id
	Dead     *explainedDead    `json:"dead_letter,omitempty"`
	decoded  map[string]any    // the document
	arrived  bool              // came from the index: the fields about its way are real
}

// explainedCode is what the catalogue says of the event's code.
type explainedCode struct {
	codeRow
	Published bool `json:"published"`
}

// explainedDead is why an event would become a dead letter.
type explainedDead struct {
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
}

// event explains one event; line is where it begins in the input.
func (x *explaining) event(raw []byte, line int, way enricher.Way) *explanation {
	e := &explanation{Item: way.Item, Line: line}
	var parsed auth0.Event
	if err := auth0.Parse(raw, &parsed); err != nil {
		e.Dead = x.deadLetter(raw, line, err)
		return e
	}
	e.LogID, e.Code = parsed.LogID, x.code(parsed.Text("type"))
	e.Index = period.Index(way.Namespace, period.Daily().Name(indexTime(&parsed)))
	if tenant := parsed.Tenant(); tenant != "" {
		e.ID = auth0.DocumentID(tenant, parsed.LogID)
	} else if way.Endpoint != notArrived {
		e.ID = auth0.DocumentID(way.Endpoint, parsed.LogID)
	}
	document, fields, err := x.maker.Explain(raw, way)
	if err != nil {
		e.Dead = x.deadLetter(raw, line, err)
		return e
	}
	if twice := repeatedKey(document); twice != "" {
		e.Dead = &explainedDead{Reason: "document_parsing_exception", Detail: fmt.Sprintf("the key %q stands twice in one object, and Elasticsearch refuses such a document", twice)}
		return e
	}
	if e.decoded, err = decodeEvent(document); err != nil {
		e.Dead = &explainedDead{Reason: err.Error()}
		return e
	}
	e.Document, e.Fields = document, fields
	if flags := plainValue(valueAt(e.decoded, "sluice.flags")); flags != "" {
		e.Flags = strings.Split(flags, ",")
	}
	return e
}

func (x *explaining) code(id string) *explainedCode {
	code, published := x.codes.Lookup(id)
	if !published {
		code = x.codes.Unknown(id)
	}
	return &explainedCode{codeRow: shownCode(code, x.compared), Published: published}
}

// indexTime is the time whose index takes an event. One from before Auth0 existed is none, as for the enricher.
func indexTime(e *auth0.Event) time.Time {
	if at := e.Period(); at.Year() >= 2013 {
		return at
	}
	return time.Time{}
}

// deadReasons are the reasons that an event itself can give, with their words.
func deadReasons() []struct {
	reason error
	text   string
} {
	return []struct {
		reason error
		text   string
	}{
		{auth0.ErrNotJSON, "this is no JSON"},
		{auth0.ErrNotObject, "an event is an object, this is another value"},
		{auth0.ErrInvalidUTF8, "the text is no valid UTF-8"},
		{auth0.ErrTooDeep, "objects lie too deep in one another"},
		{auth0.ErrNoLogID, "there is no log_id, by which an event is known"},
	}
}

// whereBroken says where in the input text stops being JSON; raw begins at line. Empty when that cannot be said.
func whereBroken(raw []byte, line int, reason error) string {
	var value any
	syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(raw, &value))
	if !ok || !errors.Is(reason, auth0.ErrNotJSON) {
		return ""
	}
	before := raw[:min(int(syntax.Offset), len(raw))]
	return fmt.Sprintf(" from line %d on: %s", line+bytes.Count(before, []byte{'\n'}), syntax)
}

// repeatedKey is the first key that stands twice in one object of a JSON text; empty when there is none.
func repeatedKey(text []byte) string {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	type level struct {
		keys map[string]bool // nil in an array
		key  bool            // a key comes next
	}
	var open []level
	for {
		token, err := decoder.Token()
		if err != nil { // io.EOF: everything was read; anything else is said by who reads the text
			return ""
		}
		at := len(open) - 1
		if name, ok := token.(string); ok && at >= 0 && open[at].key {
			if open[at].keys[name] {
				return name
			}
			open[at].keys[name], open[at].key = true, false
			continue
		}
		switch token {
		case json.Delim('{'):
			open = append(open, level{keys: map[string]bool{}, key: true})
			continue
		case json.Delim('['):
			open = append(open, level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:at]
			at--
		}
		if at >= 0 {
			open[at].key = open[at].keys != nil
		}
	}
}

// show prints an explanation in the way that was asked for.
func (x *explaining) show(e *explanation) error {
	x.shown++
	switch {
	case x.document && e.Dead != nil:
		fmt.Fprintln(x.Err, e.deadLine())
		return nil
	case x.document:
		return x.writeJSON(e.Document)
	case x.json:
		return x.writeJSON(e)
	}
	if x.shown > 1 {
		fmt.Fprintln(x.Out)
	}
	return x.writeText(e)
}

// writeJSON prints a value: for people in many lines, of several in one line each.
func (x *explaining) writeJSON(value any) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if !x.all {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("printing the explanation: %w", err)
	}
	_, err := io.Copy(x.Out, bytes.NewReader(harmlessJSON(out.Bytes())))
	return err
}
