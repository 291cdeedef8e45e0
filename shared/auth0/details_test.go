package auth0_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/shared/auth0"
)

// checkDetails compares what Parse has found in details with what Go's own decoder finds there.
func checkDetails(t *testing.T, e *auth0.Event) {
	t.Helper()
	d := &e.Details
	var first []byte
	for _, f := range e.Fields {
		if first == nil && string(f.Key) == "details" && f.Value[0] == '{' {
			first = f.Value
		}
	}
	if !bytes.Equal(first, d.Value) || first == nil && len(d.Members) > 0 {
		t.Fatalf("%q has the details %q and %d members, not %q", e.Raw, d.Value, len(d.Members), first)
	}
	if first == nil {
		return
	}
	if diff := cmp.Diff(auth0.Measure(first), d.Extent); diff != "" {
		t.Fatalf("%q measured by itself: %s", first, diff)
	}
	decoder := json.NewDecoder(bytes.NewReader(first))
	leaves, depth, members := walk(t, decoder, 0)
	if d.Extent.Leaves != leaves || d.Extent.Depth != depth || len(d.Members) != members {
		t.Fatalf("%q: %+v with %d members, not %d leaves, %d deep, %d members", first, d.Extent, len(d.Members), leaves, depth, members)
	}
	for _, m := range d.Members {
		key := append(append([]byte{'"'}, m.Key...), '"')
		rest, ok := bytes.CutPrefix(first[m.At:], key)
		if _, value, colon := bytes.Cut(rest, []byte{':'}); !ok || !colon || !bytes.HasPrefix(bytes.TrimLeft(value, " \t\r\n"), m.Value) {
			t.Fatalf("%q: at %d there is no member %q of %q", first, m.At, m.Key, m.Value)
		}
	}
}

// walk reads one value and tells what it holds.
func walk(t *testing.T, decoder *json.Decoder, at int) (leaves, depth, members int) {
	t.Helper()
	decoder.UseNumber()
	token, err := decoder.Token()
	if err != nil {
		t.Fatal(err)
	}
	open, nested := token.(json.Delim)
	if !nested {
		return 1, at, 0
	}
	depth = at + 1
	for ; decoder.More(); members++ {
		if open == '{' {
			if _, err := decoder.Token(); err != nil {
				t.Fatal(err)
			}
		}
		more, deep, _ := walk(t, decoder, at+1)
		leaves, depth = leaves+more, max(depth, deep)
	}
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	return leaves, depth, members
}

func TestParseTellsWhatDetailsHold(t *testing.T) {
	for raw, want := range map[string]auth0.Extent{
		`{"log_id":"1","data":{}}`:                                                   {},
		`{"log_id":"1","data":{"details":"none"}}`:                                   {},
		`{"log_id":"1","data":{"details":{}}}`:                                       {Depth: 1},
		`{"log_id":"1","data":{"details":{ "a" : [1, {"bc":"x"}, []], "d":null } }}`: {Leaves: 3, Depth: 3, Key: 4},
		`{"log_id":"1","data":{"details":{"a":"\u0000"}}}`:                           {Leaves: 1, Depth: 1, Key: 3, NUL: true},
		`{"log_id":"1","data":{"details":{"a":"\\u0000","b\u0001":true}}}`:           {Leaves: 2, Depth: 1, Key: 9},
		`{"log_id":"1","data":{"details":[1],"details":{"a":1},"details":{"b":{}}}}`: {Leaves: 1, Depth: 1, Key: 3},
		`{"_id":"1","details":{"a":{"b":2}}}`:                                        {Leaves: 1, Depth: 2, Key: 3},
		`{"details":{"outer":1},"log_id":"1","data":{"details":{"a":[2]}}}`:          {Leaves: 1, Depth: 2, Key: 3},
		`{"details":{"outer":1},"log_id":"1","data":{"x":{"details":{"no":1}}}}`:     {},
		`{"log_id":"1","data":{"x":1},"details":{"outer":1}}`:                        {},
	} {
		var e auth0.Event
		if err := auth0.Parse([]byte(raw), &e); err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if diff := cmp.Diff(want, e.Details.Extent); diff != "" {
			t.Errorf("%s: %s", raw, diff)
		}
		checkDetails(t, &e)
	}
}
