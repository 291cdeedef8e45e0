package auth0

import (
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"
)

// Field is one member of an event's data: the key without its quotes and the value, both as written.
type Field struct {
	Key   []byte
	Value []byte
}

// Event is a parsed element. It shares memory with the body and may be used again for the next one.
type Event struct {
	Raw    []byte  // the element as received
	LogID  string  // Auth0's id, never empty
	Fields []Field // members of `data`, or of the element itself where there is no `data` (exports), in their order
	Flat   bool    // the element had no `data`
	Outer  []Field // members beside `data`, but for log_id
}

// Parse checks one element and takes it apart, one level deep. The error is one of this package's; e is then unusable.
func Parse(raw []byte, e *Event) error {
	*e = Event{Raw: raw, Fields: e.Fields[:0], Outer: e.Outer[:0]}
	at := skipSpace(raw, 0)
	if at >= len(raw) {
		return ErrNotJSON
	}
	if raw[at] != '{' {
		if err := valid(raw); err != nil {
			return err
		}
		return ErrNotObject
	}
	end, err := members(raw, at, 1, &e.Outer)
	if err != nil {
		return err
	}
	if skipSpace(raw, end) != len(raw) {
		return ErrNotJSON
	}
	if !utf8.Valid(raw) {
		return ErrInvalidUTF8
	}
	return e.arrange()
}

// arrange finds data and log_id among the members.
func (e *Event) arrange() error {
	var outerID, data []byte
	for i := range e.Outer {
		switch f := &e.Outer[i]; {
		case string(f.Key) == "log_id":
			outerID = f.Value
		case string(f.Key) == "data" && f.Value[0] == '{':
			data = f.Value
		}
	}
	if data == nil { // an export: what lies beside is the data
		e.Flat = true
		e.Fields, e.Outer = append(e.Fields, e.Outer...), e.Outer[:0]
	} else {
		if _, err := members(data, 0, 2, &e.Fields); err != nil {
			return err
		}
		e.Outer = slices.DeleteFunc(e.Outer, func(f Field) bool { return string(f.Key) == "log_id" || string(f.Key) == "data" && f.Value[0] == '{' })
	}
	for _, id := range []string{text(outerID), e.Text("log_id"), e.Text("_id")} {
		if id != "" {
			e.LogID = id
			return nil
		}
	}
	return ErrNoLogID
}

// members appends the members of the object at at and returns the place behind it.
func members(b []byte, at, depth int, fields *[]Field) (int, error) {
	at = skipSpace(b, at+1)
	if at < len(b) && b[at] == '}' {
		return at + 1, nil
	}
	for {
		if at >= len(b) || b[at] != '"' {
			return at, ErrNotJSON
		}
		keyEnd, err := checkString(b, at)
		if err != nil {
			return keyEnd, err
		}
		colon := skipSpace(b, keyEnd)
		if colon >= len(b) || b[colon] != ':' {
			return colon, ErrNotJSON
		}
		from := skipSpace(b, colon+1)
		to, err := checkValue(b, from, depth)
		if err != nil {
			return to, err
		}
		*fields = append(*fields, Field{Key: b[at+1 : keyEnd-1], Value: b[from:to:to]})
		at = skipSpace(b, to)
		switch {
		case at < len(b) && b[at] == ',':
			at = skipSpace(b, at+1)
		case at < len(b) && b[at] == '}':
			return at + 1, nil
		default:
			return at, ErrNotJSON
		}
	}
}

// Get returns the value of a member of data, nil when there is none.
func (e *Event) Get(key string) []byte {
	for i := range e.Fields {
		if string(e.Fields[i].Key) == key {
			return e.Fields[i].Value
		}
	}
	return nil
}

// Text returns a member of data that is a string, decoded; empty when it is none.
func (e *Event) Text(key string) string { return text(e.Get(key)) }

// text decodes a JSON string; empty for every other value.
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return ""
	}
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			if json.Unmarshal(value, &s) != nil {
				return ""
			}
			return s
		}
	}
	return string(inner)
}

// Time is when the event happened according to its own data; ok is false when data.date says nothing readable.
func (e *Event) Time() (t time.Time, ok bool) {
	value := e.Get("date")
	if len(value) < 2 || value[0] != '"' {
		return time.Time{}, false
	}
	return ParseTime(string(value[1 : len(value)-1]))
}

// ParseTime reads a time as Auth0 writes it: RFC 3339, with or without fractions of a second.
func ParseTime(s string) (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t.UTC(), true
}

// logIDLength is the length of every log_id of Auth0's present form.
const logIDLength = 56

// LogIDTime reads the time at which Auth0 received the event from digits 4 to 17 of a log_id of 56 digits; ok is false
// for ids of another form.
func LogIDTime(id string) (t time.Time, ok bool) {
	if len(id) != logIDLength {
		return time.Time{}, false
	}
	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return time.Time{}, false
		}
	}
	t, err := time.Parse("20060102150405", id[3:17])
	return t, err == nil
}

// Period is the time that decides which index the event belongs to: the log_id's, else data.date, else zero.
func (e *Event) Period() time.Time {
	if t, ok := LogIDTime(e.LogID); ok {
		return t
	}
	t, _ := e.Time()
	return t
}
