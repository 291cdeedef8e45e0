package delivery

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func someFacts() []Delivery {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	return []Delivery{
		{},
		{ID: "01J", Endpoint: "ep", Namespace: "default", Received: at},
		{ID: "01J", Endpoint: "ep", Namespace: "default", Received: at.Truncate(time.Second), ContentType: "application/json; charset=utf-8", Encoding: Gzip},
		{ID: "01J", Endpoint: "ep", Namespace: "default", Received: at, Part: 3, Parts: 12, First: 4711, Fragment: "too_large", Replay: true},
		{ID: "01J", Endpoint: `"`, Namespace: `\`, Received: at, ContentType: "a <b> & \x00 \x7f é \xff \u2028", Part: -1},
		{ID: "01J", Received: at.In(time.FixedZone("", 3600)), First: 1 << 40, Replay: true},
	}
}

func TestFactsAreWrittenAsJSONWritesThem(t *testing.T) {
	for _, d := range someFacts() {
		want, err := json.Marshal(&d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := appendFacts([]byte("before"), &d)
		if err != nil || string(got) != "before"+string(want) {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	if _, err := appendFacts(nil, &Delivery{Received: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}); err == nil {
		t.Error("a year that JSON cannot hold was written")
	}
}

// The facts that our receivers write are read without reflection: else this would be of no use.
func TestUsualFactsAreReadAtOnce(t *testing.T) {
	for _, want := range someFacts()[:4] {
		raw, err := appendFacts(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		var got Delivery
		if !readFacts(raw, &got) {
			t.Errorf("%s is left to encoding/json", raw)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// Whatever is read at once is what encoding/json reads.
func FuzzFacts(f *testing.F) {
	for _, d := range someFacts() {
		raw, err := appendFacts(nil, &d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
		f.Add(raw[:len(raw)-1])
		f.Add(append(raw, ' '))
	}
	f.Add([]byte(`{"id":"","endpoint":"","namespace":"","received":"2026-01-02T03:04:05,6Z","part":01}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var got, want Delivery
		if !readFacts(raw, &got) {
			return
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%q: encoding/json says %v", raw, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", raw, diff)
		}
	})
}
