package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/auth0test"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/test/harness"
)

// again is an event under a log id of its own, with everything else as it was.
func again(t *testing.T, e auth0test.Event, number int) simulator.Event {
	t.Helper()
	var known struct {
		LogID string `json:"log_id"`
	}
	if err := json.Unmarshal(e.JSON, &known); err != nil || len(known.LogID) != 56 {
		t.Fatalf("%s: log id %q %v", e.Name, known.LogID, err)
	}
	id := known.LogID[:17] + fmt.Sprintf("%039d", number)
	return simulator.Event{LogID: id, Code: e.Code, Time: time.Now(), JSON: bytes.ReplaceAll(e.JSON, []byte(known.LogID), []byte(id))}
}

// volume is how many events the ledger is kept for: SLUICE_TEST_VOLUME changes it.
func volume(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SLUICE_TEST_VOLUME")
	if text == "" {
		return 20_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1000 {
		t.Fatalf("SLUICE_TEST_VOLUME=%s is no number from 1000", text)
	}
	return n
}

// TestEveryCodeAtVolume keeps the ledger over events of every code, simulated and sampled; then codes that nobody has
// published arrive.
func TestEveryCodeAtVolume(t *testing.T) {
	published, err := auth0test.Events()
	if err != nil {
		t.Fatal(err)
	}
	d, tn, total, sent := ownNamespace(t), tenant(t), volume(t), 0
	codes := map[string]bool{}
	ledger, begin := harness.NewLedger(), time.Now()
	load(t.Context(), t, d.Instance, simulator.StreamOptions{Batch: 100, Concurrency: 4, OnResult: ledger.Note}, func() (simulator.Event, bool) {
		if sent++; sent > total {
			return simulator.Event{}, false
		}
		e := again(t, published[sent/2%len(published)], sent)
		if sent%2 == 1 {
			e = tn.Next()
		}
		codes[e.Code] = true
		return e, true
	})
	t.Logf("%d events of %d codes acknowledged after %v", ledger.Acked(), len(codes), time.Since(begin))
	ledger.Check(t, d.Instance, 5*time.Minute)
	t.Logf("all of them searchable after %v", time.Since(begin))
	allKnown(t, d, codes, total)
	t.Run("codes that nobody has published", func(t *testing.T) { drift(t, d, published, total) })
}

// allKnown checks that every published code was among the events and none was strange.
func allKnown(t *testing.T, d *desk, codes map[string]bool, total int) {
	t.Helper()
	known, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	answer := d.search(t, object{"size": 0, "aggs": object{"code": object{"terms": object{"field": "event.code", "size": 1000}}}})
	stored := answer.counts("code")
	for _, code := range known.Codes() {
		if !codes[code.ID] || stored[code.ID] == 0 {
			t.Errorf("%s: sent %t, %d documents", code.ID, codes[code.ID], stored[code.ID])
		}
	}
	if answer.Hits.Total.Value != total || sum(stored) != total || len(stored) != len(known.Codes()) {
		t.Errorf("%d documents of %d codes, want %d of %d", answer.Hits.Total.Value, len(stored), total, len(known.Codes()))
	}
	for series, want := range map[string]float64{
		"sluice_enricher_unknown_codes": 0, `sluice_enricher_events_total{result="unknown_code"}`: 0, `sluice_enricher_events_total{result="dead"}`: 0,
		`sluice_indexer_documents_total{verdict="dead"}`: 0,
	} {
		if got := metric(t, d.Instance, series); got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	if letters := d.letters(t); len(letters) > 0 {
		t.Errorf("%d dead letters: %+v", len(letters), letters[:min(len(letters), 5)])
	}
}

// drift sends a thousand events of ten codes that Auth0 may publish one day.
func drift(t *testing.T, d *desk, published []auth0test.Event, total int) {
	t.Helper()
	codes := []string{"sxyz", "f2", "passkey_renamed", "gd_new_factor", "sapi2", "New Code!", "ß", "organization_member_lost", "9", "s-s"}
	var body [][]byte
	for n := range 1000 {
		e := published[n%len(published)]
		raw := again(t, e, total+n+1).JSON
		body = append(body, bytes.Replace(raw, []byte(`"type":"`+e.Code+`"`), []byte(`"type":"`+codes[n%len(codes)]+`"`), 1))
	}
	for chunk := range slices.Chunk(body, 100) {
		if status, answer, _ := d.Post(bytes.Join(chunk, []byte("\n")), nil); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	d.awaitVerdicts(t, total+len(body), time.Minute)
	answer := d.search(t, object{
		"size": 0, "query": kql(t, "sluice.flags:unknown_code"),
		"aggs": object{"code": object{"terms": object{"field": "event.code", "size": 100}}},
	})
	got := answer.counts("code")
	for _, code := range codes {
		if got[code] != 100 {
			t.Errorf("code %s: %d documents, want 100", code, got[code])
		}
	}
	if answer.Hits.Total.Value != 1000 || len(got) != len(codes) {
		t.Errorf("%d documents of unknown codes: %v", answer.Hits.Total.Value, got)
	}
	if got := metric(t, d.Instance, "sluice_enricher_unknown_codes"); got != 10 {
		t.Errorf("sluice_enricher_unknown_codes is %v, want 10", got)
	}
	if letters := d.letters(t); len(letters) > 0 {
		t.Errorf("%d dead letters: %+v", len(letters), letters[:min(len(letters), 5)])
	}
}
