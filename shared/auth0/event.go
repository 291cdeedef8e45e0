package auth0

import (
	"bytes"
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
	Raw     []byte  // the element as received
	LogID   string  // Auth0's id, never empty
	Fields  []Field // members of `data`, or of the element itself where there is no `data` (exports), in their order
	Flat    bool    // the element had no `data`
	OuterID bool    // the log id stood beside `data`
	Outer   []Field // members beside `data`, but for log_id

	period period
}

// period is the time that decides about an event's index, once somebody has asked for it.
type period struct {
	at    time.Time
	known bool
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
	end, err := e.outer(raw, at)
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

// outer reads the members of the element at at and, on the way, those of its first data that is an object.
func (e *Event) outer(b []byte, at int) (int, error) {
	e.Flat = true
	return eachMember(b, at, func(key []byte, from int) (int, error) {
		if e.Flat && b[from] == '{' && string(key) == "data" {
			e.Flat = false
			return members(b, from, 2, &e.Fields)
		}
		return member(b, key, from, 1, &e.Outer)
	})
}

// arrange finds the log id, and the data of an export, which lies flat.
func (e *Event) arrange() error {
	var outer []byte
	for i := range e.Outer {
		if f := &e.Outer[i]; string(f.Key) == "log_id" && len(f.Value) > 2 && f.Value[0] == '"' {
			outer = f.Value
		}
	}
	e.LogID, e.OuterID = text(outer), outer != nil
	if e.Flat {
		e.Fields, e.Outer = append(e.Fields, e.Outer...), e.Outer[:0]
	} else if outer != nil {
		e.Outer = slices.DeleteFunc(e.Outer, func(f Field) bool { return string(f.Key) == "log_id" && bytes.Equal(f.Value, outer) })
	}
	for _, key := range [...]string{"log_id", "_id"} {
		if e.LogID == "" {
			e.LogID = e.Text(key)
		}
	}
	if e.LogID == "" {
		return ErrNoLogID
	}
	return nil
}

// members appends the members of the object at at and returns the place behind it.
func members(b []byte, at, depth int, fields *[]Field) (int, error) {
	return eachMember(b, at, func(key []byte, from int) (int, error) { return member(b, key, from, depth, fields) })
}

// member appends one member whose value is at from and returns the place behind that.
func member(b, key []byte, from, depth int, fields *[]Field) (int, error) {
	to, err := checkValue(b, from, depth)
	if err != nil {
		return to, err
	}
	*fields = append(*fields, Field{Key: key, Value: b[from:to:to]})
	return to, nil
}

// eachMember calls take for each member of the object at at with its key and the place of its value; take returns the
// place behind the value. eachMember returns the place behind the object.
func eachMember(b []byte, at int, take func(key []byte, from int) (int, error)) (int, error) {
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
		if from >= len(b) {
			return from, ErrNotJSON
		}
		to, err := take(b[at+1:keyEnd-1], from)
		if err != nil {
			return to, err
		}
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

// Period is the time that decides which index the event belongs to: the log_id's, else data.date, else zero.
func (e *Event) Period() time.Time {
	if !e.period.known {
		at, ok := LogIDTime(e.LogID)
		if !ok {
			at, _ = e.Time()
		}
		e.period = period{at, true}
	}
	return e.period.at
}
