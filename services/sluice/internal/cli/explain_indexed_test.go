package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/auth0test"
	"github.com/sluicelog/sluice/shared/period"
)

// TestAnIndexedEventIsExplainedAndCompared has two events indexed: one as it is made now, one made otherwise.
func TestAnIndexedEventIsExplainedAndCompared(t *testing.T) {
	a := newArchive(t)
	sample := func(code string) auth0test.Event {
		all := samples(t)
		return all[slices.IndexFunc(all, func(e auth0test.Event) bool { return e.Code == code })]
	}
	same, other := sample("sapi"), sample("f")
	lookup := func(id string, args ...string) (string, string, error) {
		var stdout, stderr bytes.Buffer
		err := a.start(t.Context(), &stdout, &stderr, append([]string{"explain", "--namespace", a.namespace, "--log-id", id}, args...)...)
		return stdout.String(), stderr.String(), err
	}
	for i, original := range []bool{false, true} {
		id := a.storeEvent(same, strconv.Itoa(i), original, nil)
		out, note, err := lookup(id, "--json")
		e := decode[explained](t, out)
		if err != nil || note != "" || e.Indexed == nil || len(e.Indexed.Differences) != 0 || e.Item != 5 || valueOf(e, "sluice.delivery") != `"D1"` || e.Indexed.Index == "" {
			t.Errorf("%v, %s, %+v", err, note, e.Indexed)
		}
		if out, _, err := lookup(id); err != nil || !strings.Contains(out, "item 5 of delivery D1") || !strings.Contains(out, "Indexed   as it would be made now") {
			t.Errorf("%v\n%s", err, out)
		}
		rebuilt, _, err := lookup(id, "--event")
		if err != nil || !sameJSON(t, rebuilt, string(same.JSON), e.LogID) {
			t.Errorf("%v: the event came back as %s", err, rebuilt)
		}
	}
	id := a.storeEvent(other, "7", false, func(doc map[string]any) {
		doc["source"] = map[string]any{"ip": "203.0.113.9", "geo": map[string]any{"city_name": "Köln\x1b[2J", "location": map[string]any{"lat": 1.5, "lon": 2.5}}}
		doc["event"].(map[string]any)["action"] = "older-action" //nolint:errcheck,forcetypeassert // it is one
		delete(doc, "log")
	})
	out, _, err := lookup(id, "--json")
	e := decode[explained](t, out)
	var fields []string
	for _, d := range e.Indexed.Differences {
		fields = append(fields, d.Field)
	}
	if want := []string{"event.action", "log.level", "source.geo.city_name", "source.geo.location.lat", "source.geo.location.lon"}; err != nil || !slices.Equal(fields, want) {
		t.Errorf("%v: %q differ, want %q", err, fields, want)
	}
	out, _, err = lookup(id)
	for _, want := range []string{"with 5 fields that would be made otherwise", "indexed as older-action, now failed-login", "indexed as nothing, now error", `indexed as Köln\x1b[2J, now nothing`} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", err, want, out)
		}
	}
	if out, note, err := lookup("nobody"); cli.ExitCode(err) != 1 || out != "" || !strings.Contains(note, "no event with this log id") {
		t.Errorf("%v, %q, %q", err, out, note)
	}
	a.store(`"@timestamp":"2026-11-23T12:00:00Z","message":"no event of Auth0","event":{"code":"s","id":""}`, `"event":{"id":["two","ids"]}`)
	if _, _, err := lookup("ids"); cli.ExitCode(err) != 2 || !strings.Contains(fmt.Sprint(err), "no document of an Auth0 event") {
		t.Errorf("a foreign document: %v", err)
	}
}

// storeEvent indexes a sample under a log id of its own, as the enricher makes it; change makes it another one.
func (a *archive) storeEvent(sample auth0test.Event, digit string, original bool, change func(map[string]any)) (logID string) {
	a.t.Helper()
	var parsed auth0.Event
	if err := auth0.Parse(sample.JSON, &parsed); err != nil {
		a.t.Fatal(err)
	}
	logID = parsed.LogID[:len(parsed.LogID)-1] + digit
	maker, err := enricher.NewExplainer("", original)
	if err != nil {
		a.t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 9, 0, 0, 123e6, time.UTC)
	raw := strings.ReplaceAll(string(sample.JSON), parsed.LogID, logID)
	document, _, err := maker.Explain([]byte(raw), enricher.Way{Endpoint: "k3m9", Namespace: a.namespace, Delivery: "D1", Item: 5, Received: at, Ingested: at.Add(time.Second)})
	if err != nil {
		a.t.Fatal(err)
	}
	if change != nil {
		doc := decode[map[string]any](a.t, string(document))
		change(doc)
		if document, err = json.Marshal(doc); err != nil {
			a.t.Fatal(err)
		}
	}
	a.store(strings.TrimSuffix(strings.TrimPrefix(string(document), "{"), "}"))
	return logID
}

// sameJSON compares a rebuilt event with a sample that was given another log id.
func sameJSON(t *testing.T, got, sample, logID string) bool {
	t.Helper()
	var parsed auth0.Event
	if err := auth0.Parse([]byte(sample), &parsed); err != nil {
		t.Fatal(err)
	}
	want := decode[any](t, strings.ReplaceAll(sample, parsed.LogID, logID))
	return fmt.Sprint(decode[any](t, got)) == fmt.Sprint(want)
}

// TestElasticsearchRefusesWhatIsSaidToBeRefused compares the reason with Elasticsearch's own.
func TestElasticsearchRefusesWhatIsSaidToBeRefused(t *testing.T) {
	a := newArchive(t)
	event := `{"log_id":"twice","data":{"type":"s","tenant_name":"t","details":{"a":1,"a":2}}}`
	maker, err := enricher.NewExplainer("", false)
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := maker.Explain([]byte(event), enricher.Way{Endpoint: "e", Namespace: a.namespace, Delivery: "d", Received: time.Now(), Ingested: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	index := period.Index(a.namespace, period.Undated)
	if _, err := a.client.EnsureIndex(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	line := fmt.Sprintf(`{"create":{"_index":%q}}`+"\n%s\n", index, document)
	items, err := a.client.Bulk(t.Context(), []byte(line), 1)
	if err != nil {
		t.Fatal(err)
	}
	out, _, _ := explain(t, event, "--json")
	if e := decode[explained](t, out); items[0].Status != 400 || items[0].Cause == nil || e.Dead == nil || items[0].Cause.Type != e.Dead.Reason {
		t.Errorf("Elasticsearch answers %d %+v, explain %+v", items[0].Status, items[0].Cause, e.Dead)
	}
}
