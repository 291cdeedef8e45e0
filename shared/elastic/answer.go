package elastic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// answers reads the answer to count documents.
func answers(body []byte, count int) ([]Item, error) {
	items, plain := plainAnswers(string(body), count)
	if !plain {
		var err error
		if items, err = decodedAnswers(body); err != nil {
			return nil, err
		}
	}
	if len(items) != count {
		return nil, fmt.Errorf("%d documents were sent and %d answered", count, len(items))
	}
	return items, nil
}

// decodedAnswers reads an answer in any form that is JSON.
func decodedAnswers(body []byte) ([]Item, error) {
	var doc struct {
		Items []map[string]struct {
			ID     string `json:"_id"`
			Status int    `json:"status"`
			Error  *Cause `json:"error"`
		} `json:"items"`
	}
	if err := decode(body, &doc); err != nil {
		return nil, err
	}
	items := make([]Item, len(doc.Items))
	for i, all := range doc.Items {
		if len(all) != 1 {
			return nil, fmt.Errorf("answer %d of %d has %d actions, not one", i+1, len(items), len(all))
		}
		for _, a := range all {
			items[i] = answered(a.ID, a.Status, a.Error)
		}
	}
	return items, nil
}

// answered is the answer to one document; a conflict says all by its status.
func answered(id string, status int, cause *Cause) Item {
	if status == http.StatusConflict {
		cause = nil
	}
	return Item{ID: id, Status: status, Cause: cause}
}

// plainAnswers reads an answer in the form in which Elasticsearch writes what bulkFilter leaves of it. Decoding it as JSON
// takes eight times as long and four allocations a document; ok is false for whatever has another form.
func plainAnswers(text string, count int) (items []Item, ok bool) {
	r := plainReader{text}
	if !r.skip(`{"items":[`) || count > len(text) {
		return nil, false
	}
	items = make([]Item, 0, count)
	for len(items) == 0 || r.skip(`,`) {
		item, good := r.item()
		if !good || len(items) == count {
			return nil, false
		}
		items = append(items, item)
	}
	return items, r.text == `]}`
}

// plainReader is what is left to read.
type plainReader struct{ text string }

// skip goes over text that must come next.
func (r *plainReader) skip(next string) (ok bool) {
	r.text, ok = strings.CutPrefix(r.text, next)
	return ok
}

func (r *plainReader) item() (item Item, ok bool) {
	if !r.skip(`{"create":{"_id":"`) {
		return item, false
	}
	end := strings.IndexFunc(r.text, quotes)
	if end < 0 {
		return item, false
	}
	item.ID, r.text = r.text[:end], r.text[end:]
	if !r.skip(`","status":`) || len(r.text) < 3 || r.text[0] == '0' {
		return item, false
	}
	for _, digit := range []byte(r.text[:3]) {
		if digit < '0' || digit > '9' {
			return item, false
		}
		item.Status = 10*item.Status + int(digit-'0')
	}
	r.text = r.text[3:]
	if r.skip(`,"error":`) && (item.Status != http.StatusConflict || !r.conflict()) {
		if item.Cause, ok = r.cause(); !ok {
			return item, false
		}
	}
	return answered(item.ID, item.Status, item.Cause), r.skip(`}}`)
}

// conflict goes over what is said of a document that was there already: a replay has nothing else.
func (r *plainReader) conflict() bool {
	rest, ok := strings.CutPrefix(r.text, `{"type":"version_conflict_engine_exception","reason":"`)
	if !ok {
		return false
	}
	end := strings.IndexFunc(rest, quotes)
	if end < 0 || !strings.HasPrefix(rest[end:], `"}`) {
		return false
	}
	r.text = rest[end+len(`"}`):]
	return true
}

// quotes reports whether a text with c in it may be written otherwise in JSON.
func quotes(c rune) bool { return c < ' ' || c == '"' || c == '\\' || c > '~' }

// cause reads an object whose end is found by its brackets; those in texts do not count.
func (r *plainReader) cause() (*Cause, bool) {
	depth, quoted := 0, false
	for i := 0; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		if depth == 0 {
			var cause Cause
			err := json.Unmarshal([]byte(r.text[:i+1]), &cause)
			r.text = r.text[i+1:]
			return &cause, err == nil
		}
	}
	return nil, false
}
