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
	Details Details // of the first member of data by that name that is an object

	rest   Extent // of all that is not in Details
	period period
}

// Details is what the member `details` holds, found on the one walk that proves that the event is JSON.
type Details struct {
	Value   []byte  // as received; nil when the event has none
	Members []Inner // in their order
	Extent  Extent  // of the whole object, so that its Depth is at least 1
}

// Inner is a member of an object and where its key begins in it, in bytes.
type Inner struct {
	Field

	At int
}

// period is the time that decides about an event's index, once somebody has asked for it.
type period struct {
	at    time.Time
	known bool
}

// keptMembers is for how many members room is kept: a usual event has a tenth of them.
const keptMembers = 512

// Forget lets go of the element, and keeps the room for the members of the next one, unless it is much.
func (e *Event) Forget() {
	*e = Event{Fields: kept(e.Fields), Outer: kept(e.Outer), Details: Details{Members: kept(e.Details.Members)}}
}

// kept is the room of members without what it held.
func kept[M any](members []M) []M {
	if cap(members) > keptMembers {
		return nil
	}
	clear(members[:cap(members)])
	return members[:0]
}

// Parse checks one element and takes it apart, one level deep. The error is one of this package's; e is then unusable.
func Parse(raw []byte, e *Event) error {
	*e = Event{Raw: raw, Fields: e.Fields[:0], Outer: e.Outer[:0], Details: Details{Members: e.Details.Members[:0]}}
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
	return eachMember(b, at, &e.rest, func(key []byte, _, from int) (int, error) {
		if e.Flat && b[from] == '{' && string(key) == "data" {
			e.Flat = false
			e.Details.forget()
			return e.data(b, from)
		}
		return e.member(b, key, from, 1, &e.Outer)
	})
}

// data appends the members of the object at at and returns the place behind it.
func (e *Event) data(b []byte, at int) (int, error) {
	return eachMember(b, at, &e.rest, func(key []byte, _, from int) (int, error) { return e.member(b, key, from, 2, &e.Fields) })
}

// member appends one member whose value is at from and returns the place behind that.
func (e *Event) member(b, key []byte, from, depth int, fields *[]Field) (to int, err error) {
	if b[from] == '{' && e.Details.Value == nil && string(key) == "details" && (e.Flat || fields == &e.Fields) {
		to, err = e.Details.take(b, from, depth+1)
	} else {
		to, err = checkValue(b, from, depth, &e.rest)
	}
	if err != nil {
		return to, err
	}
	*fields = append(*fields, Field{Key: key, Value: b[from:to:to]})
	return to, nil
}

// take reads the object at start, which lies depth deep, and returns the place behind it.
func (d *Details) take(b []byte, start, depth int) (int, error) {
	d.Extent = Extent{}
	end, err := eachMember(b, start, &d.Extent, func(key []byte, at, from int) (int, error) {
		to, err := checkValue(b, from, depth, &d.Extent)
		if err != nil {
			return to, err
		}
		d.Members = append(d.Members, Inner{Field{Key: key, Value: b[from:to:to]}, at - start})
		return to, nil
	})
	if err != nil {
		return end, err
	}
	d.Extent.Depth = max(d.Extent.Depth, depth) - depth + 1
	d.Value = b[start:end:end]
	return end, nil
}

// forget makes d that of an event without details.
func (d *Details) forget() { *d = Details{Members: d.Members[:0]} }

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

// eachMember calls take for each member of the object at at with its key and the places of key and value; take returns the
// place behind the value. eachMember returns the place behind the object. What the keys are is added to x.
func eachMember(b []byte, at int, x *Extent, take func(key []byte, at, from int) (int, error)) (int, error) {
	at = skipSpace(b, at+1)
	if at < len(b) && b[at] == '}' {
		return at + 1, nil
	}
	for {
		keyEnd, from, err := checkKey(b, at, x)
		if err != nil {
			return keyEnd, err
		}
		if from >= len(b) {
			return from, ErrNotJSON
		}
		to, err := take(b[at+1:keyEnd-1], at, from)
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
