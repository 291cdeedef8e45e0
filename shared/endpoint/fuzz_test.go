package endpoint_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// FuzzRecord reads whatever may lie in the registry's bucket: an endpoint of the key's own name or an error. Such an
// endpoint takes no token but one whose hash it holds, and it can be written and read again.
func FuzzRecord(f *testing.F) {
	good := create(f, open(f), endpoint.NewToken())
	raw, err := json.Marshal(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.ID, raw)
	for _, seed := range []string{
		`{"id":"a"}`, `{"id":"a","tokens":null}`, `{"id":"a","tokens":[{}]}`, `{"id":"a","tokens":[{"salt":"","hash":""}]}`, `{"id":"a","tokens":[{"hash":"AA=="}]}`,
		`{"id":"b"}`, `{"ID":"a","id":"b"}`, `{"id":"a","tokens":{}}`, `{"id":"a","created":"yesterday"}`, `null`, `[]`, ``, "\x00", `{"id":"a","tokens":[{"expires":"9999-12-31T23:59:59Z"}],"revoked":true}`,
	} {
		f.Add("a", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, id string, value []byte) {
		e, err := endpoint.Decode("endpoint."+id, value)
		if err != nil {
			return
		}
		if e.ID != id {
			t.Fatalf("the record of %q says it is %q", id, e.ID)
		}
		for _, token := range []string{"", "Bearer ", "x", string(value)} {
			if which, ok := e.Match(token, time.Now()); ok {
				t.Fatalf("token %.40q is taken for %q", token, which)
			}
		}
		again, err := json.Marshal(e)
		if err != nil {
			return // a time that no text can say
		}
		if _, err := endpoint.Decode("endpoint."+id, again); err != nil {
			t.Fatalf("written again it cannot be read: %v", err)
		}
	})
}

// FuzzStatus merges what two receivers may have written.
func FuzzStatus(f *testing.F) {
	f.Add([]byte(`{"deliveries":1,"token_used":{"t":"2026-01-01T00:00:00Z"},"refusals":[{"time":"2026-01-01T00:00:00Z","reason":"x"}]}`), []byte(`{}`))
	f.Add([]byte(`null`), []byte(`{"refusals":[{},{},{},{},{},{},{},{},{},{},{},{}]}`))
	f.Add([]byte(`{"deliveries":-1}`), []byte(``))
	f.Fuzz(func(t *testing.T, one, other []byte) {
		s, err := endpoint.Merged(one, other)
		if err == nil && len(s.Refusals) > endpoint.MaxRefusals {
			t.Fatalf("%d refusals are kept", len(s.Refusals))
		}
	})
}
