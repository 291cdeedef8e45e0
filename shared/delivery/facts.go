package delivery

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// A message that many small deliveries share has the facts of each of them in JSON. To have them written and read by reflection
// took more of a processor's time than to map the event of such a delivery, so both are done here, member by member.

// Members of the facts, in the order in which encoding/json writes those of Delivery.
const (
	factID        = `{"id":`
	factEndpoint  = `,"endpoint":`
	factNamespace = `,"namespace":`
	factReceived  = `,"received":`
	factType      = `,"content_type":`
	factEncoding  = `,"encoding":`
	factPart      = `,"part":`
	factParts     = `,"parts":`
	factFirst     = `,"first":`
	factFragment  = `,"fragment":`
	factReplay    = `,"replay":`
)

// appendFacts appends the facts of a delivery as json.Marshal writes them.
func appendFacts(b []byte, d *Delivery) ([]byte, error) {
	if y := d.Received.Year(); y < 0 || y > 9999 {
		_, err := d.Received.MarshalJSON() // says what is wrong
		return b, err
	}
	b = appendQuoted(append(b, factID...), d.ID)
	b = appendQuoted(append(b, factEndpoint...), d.Endpoint)
	b = appendQuoted(append(b, factNamespace...), d.Namespace)
	b = append(d.Received.AppendFormat(append(append(b, factReceived...), '"'), time.RFC3339Nano), '"')
	b = appendOptional(b, factType, d.ContentType)
	b = appendOptional(b, factEncoding, d.Encoding)
	b = appendNumber(b, factPart, d.Part)
	b = appendNumber(b, factParts, d.Parts)
	b = appendNumber(b, factFirst, d.First)
	b = appendOptional(b, factFragment, d.Fragment)
	if d.Replay {
		b = append(append(b, factReplay...), "true"...)
	}
	return append(b, '}'), nil
}

func appendOptional(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(append(b, key...), value)
}

func appendNumber(b []byte, key string, n int) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), int64(n), 10)
}

// appendQuoted appends a JSON string.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain(s[i]) {
			quoted, _ := json.Marshal(s) // of a string
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// plain reports whether json.Marshal writes a character as it is.
func plain(c byte) bool {
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
}

// readFacts reads what appendFacts wrote; false where it is anything else, which may be facts all the same.
func readFacts(facts []byte, d *Delivery) bool {
	r := factReader{rest: facts, ok: true}
	d.ID = r.text(factID, true)
	d.Endpoint = r.text(factEndpoint, true)
	d.Namespace = r.text(factNamespace, true)
	err := d.Received.UnmarshalText([]byte(r.text(factReceived, true)))
	d.ContentType = r.text(factType, false)
	d.Encoding = r.text(factEncoding, false)
	d.Part, d.Parts, d.First = r.number(factPart), r.number(factParts), r.number(factFirst)
	d.Fragment = r.text(factFragment, false)
	d.Replay = r.after(factReplay + "true")
	return r.ok && err == nil && string(r.rest) == "}"
}

// factReader reads members one after another; ok turns false where something else stands.
type factReader struct {
	rest []byte
	ok   bool
}

// after skips what is expected, and reports whether it stood there.
func (r *factReader) after(expected string) bool {
	rest, found := bytes.CutPrefix(r.rest, []byte(expected))
	r.rest = rest
	return found
}

// text reads a member that is a string without escapes.
func (r *factReader) text(key string, required bool) string {
	if !r.after(key) {
		r.ok = r.ok && !required
		return ""
	}
	if len(r.rest) == 0 || r.rest[0] != '"' {
		r.ok = false
		return ""
	}
	n := 1
	for n < len(r.rest) && plain(r.rest[n]) {
		n++
	}
	if n == len(r.rest) || r.rest[n] != '"' {
		r.ok = false
		return ""
	}
	value := string(r.rest[1:n])
	r.rest = r.rest[n+1:]
	return value
}

// number reads a member that is a number greater than 0; 0 where there is none.
func (r *factReader) number(key string) int {
	if !r.after(key) {
		return 0
	}
	n, digits := 0, 0
	for ; digits < len(r.rest) && digits < 9 && r.rest[digits] >= '0' && r.rest[digits] <= '9'; digits++ {
		n = 10*n + int(r.rest[digits]-'0')
	}
	r.ok = r.ok && n > 0 && r.rest[0] != '0'
	r.rest = r.rest[digits:]
	return n
}
