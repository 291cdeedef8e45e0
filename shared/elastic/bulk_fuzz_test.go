package elastic_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/leaktest"
)

// FuzzAnswers reads whatever a server may call the answer to a bulk: there is one item per document or an error, and
// the text of a cause can always be said.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"items":[{"create":{"_id":"a","status":201}}]}`, `{"items":[{"create":{"_id":"a","status":409,"error":{"type":"version_conflict_engine_exception"}}}]}`,
		`{"items":[{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"x","caused_by":{"reason":"y","caused_by":null}}}}]}`,
		`{"items":[null]}`, `{"items":[{}]}`, `{"items":[{"create":null}]}`, `{"items":[201]}`, `{"items":{}}`, `{"items":[{"create":{"status":"201"}}]}`, `[]`, ``, `<html>`, `{"items":[],"items":[{"create":{"status":1e3}}]}`,
	} {
		f.Add([]byte(seed), 1)
	}
	f.Add([]byte(`{"items":[]}`), 0)
	f.Fuzz(func(t *testing.T, body []byte, count int) {
		if count < 0 || count > 1<<16 {
			t.Skip()
		}
		items, err := elastic.Answers(body, count)
		if err == nil && len(items) != count {
			t.Fatalf("%d items for %d documents", len(items), count)
		}
		if plain, ok := elastic.PlainAnswers(string(body), count); ok {
			if decoded, err := elastic.DecodedAnswers(body); err != nil || !reflect.DeepEqual(plain, decoded) {
				t.Fatalf("read plainly: %+v; decoded: %+v %v", plain, decoded, err)
			}
		}
		for _, item := range items {
			if item.Cause != nil {
				_ = item.Cause.Text()
			}
		}
	})
}

func TestAServerThatDoesNotCallItselfElasticsearchIsNotBelieved(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"items":[{"create":{"_id":"a","status":201}}]}`))
	}))
	defer other.Close()
	if items, err := open(t, other.URL).Bulk(t.Context(), []byte("{}\n{}\n"), 1); err == nil {
		t.Errorf("believed: %+v", items)
	}
}

func TestARedirectToAnotherHostIsNotFollowed(t *testing.T) {
	asked := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Get("Authorization")
	}))
	defer elsewhere.Close()
	password := leaktest.Secret()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.Header().Set("Location", elsewhere.URL+"/_bulk")
			w.WriteHeader(status)
		}))
		client, err := elastic.Open(elastic.Config{ElasticsearchURL: config.URL(server.URL), ElasticsearchUsername: "u", ElasticsearchPassword: config.Secret(password)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Bulk(t.Context(), []byte("{}\n{}\n"), 1)
		if err == nil || elastic.Status(err) != status || strings.Contains(err.Error(), password) {
			t.Errorf("%d: %v", status, err)
		}
		server.Close()
	}
	if len(asked) > 0 {
		t.Errorf("the other host was asked, with Authorization %.5q…", <-asked)
	}
}
