package mapping

import (
	"bytes"
	"strconv"
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

// appendTime writes a moment with milliseconds in UTC.
func appendTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
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
	start := 0
	for i, c := range s {
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
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
	}
	return append(append(b, s[start:]...), '"')
}

// appendValue copies a JSON value onto our line: a newline in it can only stand between tokens, where a space will do.
func appendValue(b, value []byte) []byte {
	start := len(b)
	b = append(b, value...)
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
