package mapping_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/services/enricher/internal/useragent"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

var update = flag.Bool("update", false, "rewrite testdata/documents from what the mapper makes of testdata/events")

var received = time.Date(2026, 11, 23, 10, 11, 14, 5e6, time.UTC)

func receipt() mapping.Receipt {
	return mapping.Receipt{Endpoint: "e1", Namespace: "default", Delivery: "01JDELIVERY", Item: 7, Received: received, Ingested: received.Add(20 * time.Millisecond)}
}

// place says the same of every address.
type place string

func (p place) Lookup(netip.Addr) []byte { return []byte(p) }

// enriching returns a mapper that knows a place and browsers.
func enriching(t testing.TB, original bool) *mapping.Mapper {
	t.Helper()
	m, err := mapping.New(mapping.Options{
		Original: original,
		Places:   place(`"geo":{"country_iso_code":"GB","city_name":"Leeds","location":{"lat":53.8,"lon":-1.5}},"as":{"number":64500,"organization":{"name":"Example Net"}}`),
		Agents:   useragent.New(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newMapper(t testing.TB, original bool) *mapping.Mapper {
	t.Helper()
	m, err := mapping.New(mapping.Options{Original: original})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func document(t testing.TB, m *mapping.Mapper, raw []byte) []byte {
	t.Helper()
	var e auth0.Event
	if err := auth0.Parse(raw, &e); err != nil {
		t.Fatalf("%.200s: %v", raw, err)
	}
	line, _, err := m.Document(nil, &e, receipt())
	if err != nil {
		t.Fatalf("%.200s: %v", raw, err)
	}
	return line
}

// decode reads JSON with its numbers as written.
func decode(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		t.Fatalf("%.300s: %v", raw, err)
	}
	return doc
}

// checkLine holds for every document: one line of valid JSON, out of which the event can be made again.
func checkLine(t testing.TB, raw, line []byte) {
	t.Helper()
	if !json.Valid(line) || bytes.ContainsAny(line, "\n\r") {
		t.Fatalf("no line of JSON: %.500q", line)
	}
	rebuilt, err := mapping.Rebuild(line)
	if err != nil {
		t.Fatalf("%v: %.500s", err, line)
	}
	if repeats(t, raw) {
		return // with a key twice, an object says nothing definite
	}
	if diff := cmp.Diff(plain(decode(t, raw)), plain(decode(t, rebuilt))); diff != "" {
		t.Fatalf("the rebuilt event differs (- event, + rebuilt): %s\nevent %s\ndocument %s", diff, raw, line)
	}
}

// plain makes numbers comparable: by their value, however they are written.
func plain(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			v[key] = plain(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = plain(inner)
		}
	case json.Number:
		if _, exponent, ok := strings.Cut(strings.ToLower(v.String()), "e"); len(v) > 40 || ok && len(exponent) > 3 {
			return "number " + v.String() // as long as it is the same text
		}
		if n, ok := new(big.Rat).SetString(v.String()); ok {
			return "number " + n.RatString()
		}
	}
	return value
}

// repeats reports whether an object in a JSON text has a key twice.
func repeats(t testing.TB, raw []byte) bool {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var twice bool
	var value func()
	token := func() json.Token {
		next, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	value = func() {
		switch token() {
		case json.Delim('{'):
			seen := map[string]bool{}
			for decoder.More() {
				key, _ := token().(string)
				twice = twice || seen[key]
				seen[key] = true
				value()
			}
			token()
		case json.Delim('['):
			for decoder.More() {
				value()
			}
			token()
		}
	}
	value()
	return twice
}

// at walks down keys; nil when there is nothing.
func at(doc map[string]any, path ...string) any {
	var value any = doc
	for _, key := range path {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	return value
}

func TestWhereTheCommonFieldsGo(t *testing.T) {
	raw, err := os.ReadFile("testdata/events/login_failed.json")
	if err != nil {
		t.Fatal(err)
	}
	doc := decode(t, document(t, newMapper(t, false), raw))
	for path, want := range map[string]any{
		"@timestamp": "2026-11-23T10:11:12.345Z", "event.code": "fp", "event.outcome": "failure",
		"user.email": "maria.lopez@example.com", "user.name": "maria.lopez", "user.domain": "example.com", "source.ip": "198.51.100.23",
		"network.type": "ipv4", "auth0.logs.data.client_name": "Shop", "auth0.logs.data.connection": "Username-Password-Authentication",
		"message": "Wrong email or password.", "sluice.item": json.Number("7"), "data_stream.namespace": "default",
		"event.module": "auth0", "event.created": "2026-11-23T10:11:14.005Z", "event.ingested": "2026-11-23T10:11:14.025Z",
	} {
		if diff := cmp.Diff(want, at(doc, strings.Split(path, ".")...)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestAnEventFromTheFutureIsRefused(t *testing.T) {
	var e auth0.Event
	for _, raw := range []string{
		`{"log_id":"90020991231235959` + strings.Repeat("0", 39) + `","data":{"type":"s"}}`,
		`{"log_id":"x","data":{"date":"2026-11-24T10:11:15Z"}}`,
		`{"log_id":"x","data":{"date":"9999-12-31T23:59:59Z"}}`,
	} {
		if err := auth0.Parse([]byte(raw), &e); err != nil {
			t.Fatal(err)
		}
		if _, _, err := newMapper(t, true).Document(nil, &e, receipt()); err != mapping.ErrFuture { //nolint:errorlint // it is the reason itself
			t.Errorf("%s: %v", raw, err)
		}
	}
	if line := document(t, newMapper(t, true), []byte(`{"log_id":"x","data":{"date":"2026-11-24T10:11:13Z"}}`)); len(line) == 0 {
		t.Error("an event of this day tomorrow is refused")
	}
}

func TestEverySimulatedEventMapsAndIsKnown(t *testing.T) {
	const seed = 4711
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: seed, Start: received.Add(-48 * time.Hour), Step: time.Second})
	m := newMapper(t, true)
	var e auth0.Event
	codes := map[string]bool{}
	for range 20_000 {
		event := tenant.Next()
		if err := auth0.Parse(event.JSON, &e); err != nil {
			t.Fatalf("seed %d: %s: %v", seed, event.JSON, err)
		}
		line, known, err := m.Document(nil, &e, receipt())
		if err != nil || !known {
			t.Fatalf("seed %d: known %v, %v: %s", seed, known, err, event.JSON)
		}
		checkLine(t, event.JSON, line)
		codes[event.Code] = true
		doc := decode(t, line)
		odd, _ := at(doc, "auth0", "logs", "odd").(map[string]any)
		for _, key := range []string{"log_id", "date", "type", "description", "ip", "user_agent", "user_id", "user_name", "organization_id", "details", "client_id"} {
			if odd[key] != nil && odd[key] != "" {
				t.Fatalf("seed %d: %s of a real-looking event does not fit its field: %s", seed, key, event.JSON)
			}
		}
		if flags := at(doc, "sluice", "flags"); flags != nil {
			t.Fatalf("seed %d: a real-looking event is doubtful: %v: %s", seed, flags, event.JSON)
		}
	}
	if len(codes) < 40 {
		t.Errorf("only %d codes were seen", len(codes))
	}
}

func TestTheOrderOfFieldsMakesNoDifference(t *testing.T) {
	const seed = 99
	dice := rand.New(rand.NewPCG(seed, 1))
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: seed, Start: received.Add(-time.Hour), Step: time.Millisecond})
	m := newMapper(t, false)
	for range 500 {
		raw := tenant.Next().JSON
		mixed := shuffled(t, dice, raw)
		if diff := cmp.Diff(decode(t, document(t, m, raw)), decode(t, document(t, m, mixed))); diff != "" {
			t.Fatalf("seed %d: %s and %s differ: %s", seed, raw, mixed, diff)
		}
	}
}

// shuffled writes an event with the members of its data in another order.
func shuffled(t *testing.T, dice *rand.Rand, raw []byte) []byte {
	t.Helper()
	var e auth0.Event
	if err := auth0.Parse(raw, &e); err != nil {
		t.Fatal(err)
	}
	var members []string
	for _, f := range e.Fields {
		members = append(members, `"`+string(f.Key)+`" : `+string(f.Value))
	}
	dice.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return []byte(`{"data":{` + strings.Join(members, ",") + `},"log_id":"` + e.LogID + `"}`)
}

func TestMappingTwiceGivesTheSame(t *testing.T) {
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: 3, Start: received.Add(-time.Hour), Step: time.Millisecond})
	m, again := newMapper(t, true), newMapper(t, true)
	for range 200 {
		raw := tenant.Next().JSON
		if one, two := document(t, m, raw), document(t, again, raw); !bytes.Equal(one, two) {
			t.Fatalf("%s\n%s", one, two)
		}
	}
}

func FuzzDocument(f *testing.F) {
	events, err := filepath.Glob("testdata/events/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range events {
		raw, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	m := newMapper(f, true)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e auth0.Event
		if auth0.Parse(raw, &e) != nil {
			return
		}
		line, _, err := m.Document(nil, &e, receipt())
		if err == nil {
			checkLine(t, raw, line)
		}
	})
}

func BenchmarkDocument(b *testing.B) {
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: 5, Start: received.Add(-time.Hour), Step: time.Millisecond})
	var events [][]byte
	size := 0
	for range 1000 {
		events = append(events, tenant.Next().JSON)
		size += len(events[len(events)-1])
	}
	for _, original := range []bool{false, true} {
		b.Run(map[bool]string{false: "lean", true: "original"}[original], func(b *testing.B) {
			m := enriching(b, original)
			b.SetBytes(int64(size / len(events)))
			b.ReportAllocs()
			var e auth0.Event
			var line []byte
			written, i := 0, 0
			for b.Loop() {
				if err := auth0.Parse(events[i%len(events)], &e); err != nil {
					b.Fatal(err)
				}
				var err error
				if line, _, err = m.Document(line[:0], &e, receipt()); err != nil {
					b.Fatal(err)
				}
				written += len(line)
				i++
			}
			b.ReportMetric(float64(written)/float64(i), "doc-bytes")
		})
	}
}
