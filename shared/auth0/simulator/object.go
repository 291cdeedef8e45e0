package simulator

import (
	"encoding/json"
	"strconv"
)

// object appends JSON. It puts the commas, its caller closes what it opens.
type object struct {
	b []byte
}

// key begins a member. Names are written as they are: all are constants.
func (o *object) key(name string) {
	o.comma()
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) comma() {
	if n := len(o.b); n > 0 && o.b[n-1] != '{' && o.b[n-1] != '[' && o.b[n-1] != ':' {
		o.b = append(o.b, ',')
	}
}

func (o *object) open(name string) {
	o.key(name)
	o.b = append(o.b, '{')
}

func (o *object) list(name string) {
	o.key(name)
	o.b = append(o.b, '[')
}

// item opens an object within a list.
func (o *object) item() {
	o.comma()
	o.b = append(o.b, '{')
}

func (o *object) end() { o.b = append(o.b, '}') }

func (o *object) endList() { o.b = append(o.b, ']') }

func (o *object) str(name, value string) {
	o.key(name)
	o.b = appendQuoted(o.b, value)
}

func (o *object) num(name string, value int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, value, 10)
}

func (o *object) flag(name string, value bool) {
	o.key(name)
	o.b = strconv.AppendBool(o.b, value)
}

// raw writes a value that is JSON already.
func (o *object) raw(name, value string) {
	o.key(name)
	o.b = append(o.b, value...)
}

// members writes prepared members, such as `"a":1,"b":2`.
func (o *object) members(prepared string) {
	if prepared == "" {
		return
	}
	o.comma()
	o.b = append(o.b, prepared...)
}

// appendQuoted appends a JSON string. Plain ASCII is copied, everything else
// goes the slow and certain way.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return append(b, quoted(s)...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		return `""` // unreachable: every string has a JSON form
	}
	return string(text)
}

// appendPadded appends a number with leading zeros.
func appendPadded(b []byte, value uint64, width int) []byte {
	at := len(b) + width
	for range width {
		b = append(b, '0')
	}
	for i := at - 1; i >= at-width && value > 0; i-- {
		b[i] = byte('0' + value%10)
		value /= 10
	}
	return b
}
