package mapping

import (
	"bytes"

	"github.com/sluicelog/sluice/shared/auth0"
)

// pick sorts one member of data to its place; logID is what the event is known by.
func (p *picked) pick(f *auth0.Field, logID string) {
	text := len(f.Value) > 2 && f.Value[0] == '"' // an empty string says nothing
	switch string(f.Key) {
	case "log_id", "_id":
		if !text || string(unquoted(f.Value)) != logID { // else event.id says it
			p.keep(f)
		}
		return
	case "date":
		p.set(&p.date, f, text)
		return
	case "type":
		p.set(&p.code, f, text)
		return
	case "description":
		p.set(&p.description, f, text)
		return
	case "ip":
		p.set(&p.ip, f, text && address(f.Value))
		return
	case "user_agent":
		p.set(&p.userAgent, f, text)
		return
	case "user_id":
		p.set(&p.userID, f, text)
		return
	case "user_name":
		p.set(&p.userName, f, text)
		return
	case "organization_id":
		p.set(&p.orgID, f, text)
		return
	case "organization_name":
		p.set(&p.orgName, f, text)
		return
	case "details":
		p.set(&p.details, f, indexable(f.Value))
		return
	}
	p.rest(f)
}

// set gives a value to its field, or keeps it beside when it is of another type.
func (p *picked) set(field *[]byte, f *auth0.Field, fits bool) {
	if fits && *field == nil {
		*field = f.Value
	} else {
		p.keep(f)
	}
}

// keep puts a member beside, unless it says nothing.
func (p *picked) keep(f *auth0.Field) {
	if string(f.Value) != "null" && string(f.Value) != `""` {
		p.odd = append(p.odd, *f)
	}
}

// rest handles members without a field of their own: those with a plain key and a plain value stay where Elastic's
// integration has them.
func (p *picked) rest(f *auth0.Field) {
	if plainKey(f.Key) && !nested(f.Value) {
		p.plain = append(p.plain, *f)
		return
	}
	p.odd = append(p.odd, *f)
}

// plainKey reports whether a key can be a field's name: a dot would mean a path, and an empty part is refused.
func plainKey(key []byte) bool {
	return len(key) > 0 && len(key) < 256 && bytes.IndexByte(key, '.') < 0 && bytes.IndexByte(key, '\\') < 0 && len(bytes.TrimSpace(key)) == len(key)
}

// nested reports whether a value holds an object, which no keyword field takes.
func nested(value []byte) bool {
	return value[0] == '{' || value[0] == '[' && bytes.IndexByte(value, '{') >= 0
}

// What Elasticsearch's flattened field bears.
const (
	maxDepth = 18
	maxKey   = 512
)

// indexable reports whether details can go into a flattened field: an object, not too deep, no monstrous keys, no NUL.
func indexable(value []byte) bool {
	if len(value) == 0 || value[0] != '{' || bytes.Contains(value, []byte(`\u0000`)) {
		return false
	}
	depth := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return false
			}
		case '}', ']':
			depth--
		case '"':
			end := stringEnd(value, i)
			if end-i > maxKey && isKey(value, end) {
				return false
			}
			i = end - 1
		}
	}
	return true
}

// stringEnd returns the place behind the string that begins at at; the value is known to be valid JSON.
func stringEnd(b []byte, at int) int {
	for i := at + 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// isKey reports whether a colon follows.
func isKey(b []byte, at int) bool {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
		at++
	}
	return at < len(b) && b[at] == ':'
}
