package elastic_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/period"
)

func open(t *testing.T, url string) *elastic.Client {
	t.Helper()
	c, err := elastic.Open(elastic.Config{ElasticsearchURL: config.URL(url)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// prepared opens a client on a real node with a namespace that is set up.
func prepared(t *testing.T) (c *elastic.Client, namespace string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Elasticsearch: not with -short")
	}
	cluster := elastictest.Start(t)
	namespace = cluster.Namespace(t)
	c = open(t, cluster.URL)
	if changed, err := c.SetupNamespace(t.Context(), namespace, elastic.Index{}); err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	return c, namespace
}

func TestSetupIsRepeatableAndIndicesCarryTheAlias(t *testing.T) {
	c, ns := prepared(t)
	if changed, err := c.SetupNamespace(t.Context(), ns, elastic.Index{}); err != nil || changed {
		t.Fatalf("again: %v, %v", changed, err)
	}
	if changed, err := c.SetupNamespace(t.Context(), ns, elastic.Index{Refresh: "5s"}); err != nil || !changed {
		t.Fatalf("another refresh: %v, %v", changed, err)
	}
	index := period.Index(ns, "2026.11.23")
	for i, want := range []bool{true, false} {
		if created, err := c.EnsureIndex(t.Context(), index); err != nil || created != want {
			t.Fatalf("try %d: %v, %v", i, created, err)
		}
	}
	if names, err := c.Indices(t.Context(), ns); err != nil || len(names) != 1 || names[0] != index {
		t.Fatalf("%v, %v", names, err)
	}
	line := fmt.Sprintf(`{"create":{"_index":%q,"_id":"a"}}`+"\n"+`{"@timestamp":"2026-11-23T00:00:00Z","event":{"id":"a"}}`+"\n", index)
	for i, want := range []int{201, 409} {
		items, err := c.Bulk(t.Context(), []byte(line), 1)
		if err != nil || items[0].Status != want {
			t.Fatalf("try %d: %+v, %v", i, items, err)
		}
	}
	if err := c.Refresh(t.Context(), period.Alias(ns)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count(t.Context(), period.Alias(ns), nil); err != nil || n != 1 {
		t.Fatalf("%d through the alias, %v", n, err)
	}
	found, err := c.Search(t.Context(), period.Alias(ns), map[string]any{"query": map[string]any{"term": map[string]any{"event.id": "a"}}})
	if err != nil || found.Total != 1 || found.Hits[0].Index != index {
		t.Fatalf("%+v, %v", found, err)
	}
	if err := c.DeleteIndex(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Count(t.Context(), period.Alias(ns), nil); err != nil || n != 0 {
		t.Fatalf("%d without an index, %v", n, err)
	}
}

func TestWhatIsNotOursIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Elasticsearch: not with -short")
	}
	cluster := elastictest.Start(t)
	c, ns := open(t, cluster.URL), cluster.Namespace(t)
	request(t, cluster.URL, http.MethodPut, "/_index_template/"+elastic.TemplateName(ns), `{"index_patterns":["nothing-like-`+ns+`"],"priority":1}`)
	if _, err := c.SetupNamespace(t.Context(), ns, elastic.Index{}); !errors.Is(err, elastic.ErrForeign) {
		t.Fatalf("a foreign template: %v", err)
	}
	other := cluster.Namespace(t)
	request(t, cluster.URL, http.MethodPut, "/"+period.Alias(other), "")
	t.Cleanup(func() { request(t, cluster.URL, http.MethodDelete, "/"+period.Alias(other), "") })
	if _, err := c.SetupNamespace(t.Context(), other, elastic.Index{}); !errors.Is(err, elastic.ErrForeign) {
		t.Fatalf("an index with the alias's name: %v", err)
	}
}

func TestHowFarDetailsAreIndexedIsASetting(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Elasticsearch: not with -short")
	}
	cluster := elastictest.Start(t)
	c := open(t, cluster.URL)
	for setting, want := range map[string]struct{ found, grouped bool }{"store": {}, "search": {found: true}, "aggregate": {true, true}, "": {found: true}} {
		ns := cluster.Namespace(t)
		if _, err := c.SetupNamespace(t.Context(), ns, elastic.Index{Refresh: "1s", Details: setting}); err != nil {
			t.Fatal(err)
		}
		index := period.Index(ns, "2026.11.23")
		if _, err := c.EnsureIndex(t.Context(), index); err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf(`{"create":{"_index":%q,"_id":"a"}}`+"\n"+`{"@timestamp":"2026-11-23T00:00:00Z","auth0":{"logs":{"data":{"details":{"x":{"y":"z"}}}}}}`+"\n", index)
		if items, err := c.Bulk(t.Context(), []byte(line), 1); err != nil || items[0].Status != 201 {
			t.Fatalf("%s: %+v, %v", setting, items, err)
		}
		if err := c.Refresh(t.Context(), period.Alias(ns)); err != nil {
			t.Fatal(err)
		}
		const leaf = "auth0.logs.data.details.x.y"
		found, err := c.Search(t.Context(), period.Alias(ns), map[string]any{"query": map[string]any{"term": map[string]any{leaf: "z"}}})
		if err != nil || (found.Total == 1) != want.found {
			t.Errorf("%q: %d found, want %v: %v", setting, found.Total, want.found, err)
		}
		page, err := c.Page(t.Context(), []string{period.Alias(ns)}, map[string]any{"size": 0, "aggs": map[string]any{"leaves": map[string]any{"terms": map[string]any{"field": leaf}}}})
		if grouped := err == nil && strings.Contains(string(page.Aggregations), `"z"`); grouped != want.grouped {
			t.Errorf("%q: grouped %v, want %v: %v", setting, grouped, want.grouped, err)
		}
	}
	if _, err := c.SetupNamespace(t.Context(), cluster.Namespace(t), elastic.Index{Details: "all"}); err == nil || !strings.Contains(err.Error(), "INDEXER_DETAILS") {
		t.Errorf("an unknown word: %v", err)
	}
}

func request(t *testing.T, base, method, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, base+path, strings.NewReader(body))
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
		t.Fatalf("%s %s: %s", method, path, res.Status)
	}
}

func TestOddAnswersAreErrorsAndNeverVerdicts(t *testing.T) {
	for name, answer := range map[string]string{
		"fewer items": `{"items":[]}`, "two actions": `{"items":[{"create":{"status":201},"index":{"status":201}}]}`, "no action": `{"items":[{}]}`,
		"more items": `{"items":[{"create":{"status":201}},{"create":{"status":201}}]}`,
		"cut":        `{"items":[{"create":`, "html": `<html>`, "nothing": ``,
	} {
		odd := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			_, _ = w.Write([]byte(answer))
		}))
		if items, err := open(t, odd.URL).Bulk(t.Context(), []byte("{}\n{}\n"), 1); err == nil {
			t.Errorf("%s: taken for %+v", name, items)
		}
		odd.Close()
	}
}

func TestAnAnswerSaysWhatIsWrongAndNoPassword(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"error":{"type":"security_exception","reason":"no","caused_by":{"type":"x","reason":"why"}},"status":403}`))
	}))
	defer refusing.Close()
	url := strings.Replace(refusing.URL, "http://", "http://someone:canary-word@", 1)
	_, err := open(t, url).Health(t.Context())
	if elastic.Status(err) != 403 || !elastic.IsType(err, "security_exception") || !strings.Contains(err.Error(), "no: why") {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "canary") {
		t.Fatal("the password is in the error")
	}
}

func TestAServerThatIsAwayIsAnErrorWithItsAddress(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := open(t, "http://127.0.0.1:1").Health(ctx)
	if err == nil || elastic.Status(err) != 0 || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Fatalf("got %v", err)
	}
}

func TestSettingsThatContradictAreRefused(t *testing.T) {
	for _, cfg := range []elastic.Config{
		{ElasticsearchURL: "http://127.0.0.1:1", ElasticsearchAPIKey: "a", ElasticsearchUsername: "b"},
		{ElasticsearchURL: "http://127.0.0.1:1", ElasticsearchCAFile: "/does/not/exist"},
	} {
		if _, err := elastic.Open(cfg); err == nil {
			t.Errorf("%v was accepted", cfg.ElasticsearchCAFile)
		}
	}
}
