package mapping

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
)

// unquoted is the inside of a JSON string, escapes as written; nil for nil.
func unquoted(value []byte) []byte {
	if len(value) < 2 {
		return nil
	}
	return value[1 : len(value)-1]
}

// decoded is the text of a JSON string, empty for nil.
func decoded(value []byte) string {
	inner := unquoted(value)
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return string(inner)
	}
	return s
}

// appendValid writes a text that may not be UTF-8 as a JSON string.
func appendValid(b []byte, s string) []byte { return appendText(b, strings.ToValidUTF8(s, "\ufffd")) }

// appendTime writes a moment of the years 0 to 9999 with milliseconds in UTC.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(appendTwo(appendTwo(b, year/100), year%100), '-')
	b = append(appendTwo(b, int(month)), '-')
	b = append(appendTwo(b, day), 'T')
	b = append(appendTwo(b, hour), ':')
	b = append(appendTwo(b, minute), ':')
	b = append(appendTwo(b, second), '.')
	milli := t.Nanosecond() / int(time.Millisecond)
	return append(appendTwo(append(b, byte('0'+milli/100)), milli%100), 'Z')
}

// stamp is a moment as appendTime writes it, kept because many documents in a row have it.
type stamp struct {
	at   time.Time
	text []byte
}

func (s *stamp) append(b []byte, t time.Time) []byte {
	if s.text == nil || !s.at.Equal(t) {
		s.at, s.text = t, appendTime(s.text[:0], t)
	}
	return append(b, s.text...)
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// appendComma separates a member from the one before it in the object that begins at start.
func appendComma(b []byte, start int) []byte {
	if len(b) > start {
		return append(b, ',')
	}
	return b
}

// labelled is a value with its key as it is written, `"id":`.
type labelled struct {
	key   string
	value []byte
}

// appendSome writes an object of the members that have a value; nothing when none has.
func appendSome(b []byte, open string, members ...labelled) []byte {
	before := len(b)
	b = append(b, open...)
	start := len(b)
	for _, m := range members {
		b = appendFirst(b, start, m.key, m.value)
	}
	if len(b) == start {
		return b[:before]
	}
	return append(b, '}')
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte { return appendQuoted(b, []byte(s)) }

func appendTexts(b []byte, all []string) []byte {
	b = append(b, '[')
	for i, s := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendQuoted writes valid UTF-8 as a JSON string, copying whole stretches that need no escape.
func appendQuoted(b, s []byte) []byte {
	b = append(b, '"')
	for len(s) > 0 {
		run := auth0.PlainRun(s, 0)
		b = append(b, s[:run]...)
		if run == len(s) {
			break
		}
		switch c := s[run]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		s = s[run+1:]
	}
	return append(b, '"')
}

// appendValue copies a JSON value onto our line: a newline in it can only stand between tokens, where a space will do.
func appendValue(b, value []byte) []byte {
	start := len(b)
	b = append(b, value...)
	if len(value) == 0 || value[0] != '{' && value[0] != '[' { // no token holds one
		return b
	}
	if bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\r') >= 0 {
		for i := start; i < len(b); i++ {
			if b[i] == '\n' || b[i] == '\r' {
				b[i] = ' '
			}
		}
	}
	return b
}

// appendMember writes `,key value` unless there is no value.
func appendMember(b []byte, key string, value []byte) []byte {
	if value == nil {
		return b
	}
	b = append(append(b, ','), key...)
	return appendValue(b, value)
}

// appendFirst is appendMember without the comma where the object, or array, that begins at start is still empty.
func appendFirst(b []byte, start int, key string, value []byte) []byte {
	if value == nil {
		return b
	}
	if len(b) > start {
		b = append(b, ',')
	}
	return appendValue(append(b, key...), value)
}

func appendField(b []byte, start int, f *auth0.Field) []byte {
	if len(b) > start {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), f.Key...), `":`...)
	return appendValue(b, f.Value)
}

// appendObject writes an object of fields, nothing when there are none.
func appendObject(b []byte, open string, fields []auth0.Field) []byte {
	if len(fields) == 0 {
		return b
	}
	b = append(b, open...)
	start := len(b)
	for i := range fields {
		b = appendField(b, start, &fields[i])
	}
	return append(b, '}')
}
