package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// found is one hit of a search.
type found struct {
	Source json.RawMessage  `json:"_source"`
	Fields map[string][]any `json:"fields"`
}

// searched is the answer to a search.
type searched struct {
	Hits struct {
		Total struct{ Value int }
		Hits  []found
	}
	Aggregations map[string]struct {
		Value   float64
		Buckets []bucket
		Other   int `json:"sum_other_doc_count"`
	}
}

// bucket is one value of an aggregation with the number of its documents.
type bucket struct {
	Key   any
	Count int `json:"doc_count"`
}

// counts are the buckets of an aggregation by key.
func (s *searched) counts(name string) map[string]int {
	all := map[string]int{}
	for _, b := range s.Aggregations[name].Buckets {
		key, ok := b.Key.(string)
		if !ok {
			raw, _ := json.Marshal(b.Key)
			key = string(raw)
		}
		all[key] = b.Count
	}
	return all
}

// object is a JSON object that is being written.
type object = map[string]any

// search sends a search as Kibana does: plain HTTP, none of our own code in between.
func (d *desk) search(t *testing.T, body object) (answer searched) {
	t.Helper()
	d.ask(t, http.MethodPost, "/_search?track_total_hits=true", body, &answer)
	return answer
}

// ask sends a request about the desk's alias.
func (d *desk) ask(t *testing.T, method, path string, body, answer any) {
	t.Helper()
	var raw []byte
	var err error
	if method != http.MethodGet {
		if raw, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, d.ElasticsearchURL+"/"+d.Index+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(out, answer) != nil {
		t.Fatalf("%s %s %s: %d %v %.2000s", method, path, raw, res.StatusCode, err, out)
	}
}

// documents are the documents of the desk's namespace by log id.
func (d *desk) documents(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	all := map[string]json.RawMessage{}
	var after []any
	for {
		search := object{"size": 500, "query": object{"match_all": object{}}, "sort": []any{object{"event.id": "asc"}}}
		if after != nil {
			search["search_after"] = after
		}
		page, err := harness.Elastic(t, d.ElasticsearchURL).Search(t.Context(), d.Index, search)
		if err != nil {
			t.Fatal(err)
		}
		for _, hit := range page.Hits {
			id, ok := hit.Sort[0].(string)
			if !ok || all[id] != nil {
				t.Fatalf("event.id %v has two documents or is no text", hit.Sort[0])
			}
			all[id], after = hit.Source, hit.Sort
		}
		if len(page.Hits) == 0 {
			return all
		}
	}
}

// letter is a dead letter as `deadletter list --json` has it.
type letter struct {
	Stage, Reason, Detail, Delivery string
	Item                            int
	Sequence                        int
}

// letters lists all dead letters of the instance.
func (d *desk) letters(t *testing.T) []letter {
	t.Helper()
	all, code := read[[]letter](t, d, "deadletter", "list", "--all")
	if code != 0 {
		t.Fatalf("deadletter list: exit %d", code)
	}
	return all
}

// awaitVerdicts waits until every event has its verdict: it is searchable, or it is a dead letter.
func (d *desk) awaitVerdicts(t *testing.T, events int, limit time.Duration) {
	t.Helper()
	harness.Await(t, limit, "a verdict on every event", func() bool {
		indexed := metric(t, d.Instance, `sluice_indexer_documents_total{verdict="indexed"}`)
		dead := metric(t, d.Instance, `sluice_indexer_documents_total{verdict="dead"}`) + metric(t, d.Instance, `sluice_enricher_events_total{result="dead"}`)
		return int(indexed+dead) >= events
	})
	if err := harness.Elastic(t, d.ElasticsearchURL).Refresh(t.Context(), d.Index); err != nil {
		t.Fatal(err)
	}
}
