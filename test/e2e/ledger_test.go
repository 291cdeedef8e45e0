package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/test/harness"
)

// books is what the tests read of `ledger --json`.
type books struct {
	Total sums
	Wrong []struct {
		What    string
		LogID   string `json:"log_id"`
		Item    int
		Indices []string
	}
}

// sums are the counts of one endpoint, or of all.
type sums struct {
	Deliveries, Received, Searchable, Duplicate, Dead, Expired, Waiting, Missing, Doubled int
}

func (b sums) adds() bool {
	return b.Received == b.Searchable+b.Duplicate+b.Dead+b.Expired+b.Waiting+b.Missing
}

// kept reads the ledger until nothing is on its way.
func kept(t *testing.T, d *desk) (b books, code int) {
	t.Helper()
	harness.Await(t, 30*time.Second, "nothing waits", func() bool {
		b, code = read[books](t, d, "ledger")
		if !b.Total.adds() {
			t.Fatalf("the books do not add up: %+v", b.Total)
		}
		return b.Total.Received > 0 && b.Total.Waiting == 0
	})
	return b, code
}

// ask sends a request to Elasticsearch behind the product's back.
func ask(t *testing.T, method, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode > 299 {
		t.Fatalf("%s %s: %s", method, url, res.Status)
	}
}

func TestTheLedgerNamesWhatIsMissingAndWhatIsThereTwice(t *testing.T) {
	d := ownNamespace(t)
	today := time.Now().UTC()
	event := func(i int) string {
		return fmt.Sprintf(`{"log_id":"900%s%039d","data":{"type":"s","tenant_name":"acme"}}`, today.Format("20060102150405"), i)
	}
	id := func(i int) string { return fmt.Sprintf("900%s%039d", today.Format("20060102150405"), i) }
	var lines []string
	for i := range 2500 {
		lines = append(lines, event(i))
	}
	lines = append(lines, `{"broken":`, `{"data":{"type":"s"}}`, event(7))
	for range 2 { // the second time all of it is a duplicate
		if status, answer, _ := d.Post([]byte(strings.Join(lines, "\n")), nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	b, code := kept(t, d)
	want := sums{Deliveries: b.Total.Deliveries, Received: 5006, Searchable: 2500, Duplicate: 2502, Dead: 4}
	if b.Total != want || code != 0 || len(b.Wrong) != 0 {
		t.Fatalf("exit %d: %+v, want %+v", code, b, want)
	}
	index := d.Index + "-" + today.Format("2006.01.02")
	document := func(i int) string { return auth0.DocumentID("acme", id(i)) }
	ask(t, http.MethodDelete, d.ElasticsearchURL+"/"+index+"/_doc/"+document(11)+"?refresh=true", "")
	ask(t, http.MethodPut, d.ElasticsearchURL+"/"+d.Index+"-2001.01.01", "")
	ask(t, http.MethodPut, d.ElasticsearchURL+"/"+d.Index+"-2001.01.01/_doc/"+document(12)+"?refresh=true", `{"event":{"id":"`+id(12)+`"}}`)
	b, code = kept(t, d)
	if code != 1 || b.Total.Missing != 2 || b.Total.Doubled != 2 || len(b.Wrong) != 4 {
		t.Fatalf("exit %d: %+v", code, b)
	}
	for _, w := range b.Wrong {
		if w.What == "missing" && (w.LogID != id(11) || w.Item != 11) || w.What == "doubled" && (w.LogID != id(12) || len(w.Indices) != 2) {
			t.Errorf("%+v", w)
		}
	}
	if out := d.fails(t, "ledger"); !strings.Contains(out, id(11)) || !strings.Contains(out, "MISSING") {
		t.Errorf("printed: %s", out)
	}
}
