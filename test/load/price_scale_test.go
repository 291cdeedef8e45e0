package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/test/harness"
)

// object is a JSON object.
type object = map[string]any

// scale is an Elasticsearch of the benchmark's own whose processor time can be read.
type scale struct {
	url    string
	pid    int
	client http.Client
	index  object // settings and mappings as our template gives them
	serial int
}

// startScale starts the node; it ends with the benchmark. When the benchmark failed, its folder stays.
func startScale(b *testing.B) *scale {
	b.Helper()
	dir := filepath.Join(harness.Dir(b), "elasticsearch")
	n, err := node.Ensure(b.Context(), node.Options{Dir: dir, Heap: "1g"})
	if errors.Is(err, node.ErrUnavailable) {
		b.Skip(err)
	}
	if err != nil {
		b.Fatalf("%v; logs: %s", err, filepath.Join(dir, "logs"))
	}
	b.Cleanup(func() {
		if err := n.Stop(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
		if b.Failed() {
			b.Logf("logs: %s", filepath.Join(dir, "logs"))
		}
	})
	s := &scale{url: n.URL(), pid: n.PID(), client: http.Client{Timeout: 3 * time.Minute}}
	if _, err := harness.ReadClock(s.pid); err != nil {
		b.Skipf("the processor time of Elasticsearch cannot be read here: %v", err)
	}
	s.index = s.template(b)
	return s
}

// template is what an index of ours gets, with the settings that are usual.
func (s *scale) template(b *testing.B) object {
	b.Helper()
	if _, err := harness.Elastic(b, s.url).SetupNamespace(b.Context(), "price", elastic.Index{Shards: 1, Refresh: "1s", Codec: "best_compression"}); err != nil {
		b.Fatal(err)
	}
	answer := s.must(b, http.MethodPost, "/_index_template/_simulate_index/"+period.Index("price", "2026.01.01"), nil)
	var doc struct {
		Template object `json:"template"`
	}
	if err := json.Unmarshal(answer, &doc); err != nil {
		b.Fatal(err)
	}
	delete(doc.Template, "aliases")
	setting("store.stats_refresh_interval", "0s").index(doc.Template) // else sizes are up to ten seconds old
	return doc.Template
}

// call sends one request; anything but 2xx is an error that quotes the answer.
func (s *scale) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %.600s", method, path, res.Status, answer)
	}
	return answer, err
}

func (s *scale) must(b *testing.B, method, path string, body []byte) []byte {
	b.Helper()
	answer, err := s.call(b.Context(), method, path, body)
	if err != nil {
		b.Fatal(err)
	}
	return answer
}

// takes tells whether this Elasticsearch makes the variant's index: a small distribution lacks field types.
func (s *scale) takes(b *testing.B, v variant) bool {
	b.Helper()
	if _, err := s.call(b.Context(), http.MethodPut, "/price-trial", v.settle(b, s.index)); err != nil {
		b.Logf("%s is left out: %v", v.name, err)
		return false
	}
	s.must(b, http.MethodDelete, "/price-trial", nil)
	return true
}

// warmUp loads documents until the JVM has compiled what matters, or a busy machine has had its time.
func (s *scale) warmUp(b *testing.B, docs *documents) {
	b.Helper()
	end := time.Now().Add(2 * time.Minute)
	for done := 0; done < priceWarmUp && time.Now().Before(end); done += len(docs.all) {
		w := s.weigh(b, variants()[0], docs)
		tell(b, "warm-up: %.0f CPU-s per million", w.cpuPerMillion())
	}
}

// weigh loads all documents of a variant into a fresh index.
func (s *scale) weigh(b *testing.B, v variant, docs *documents) weight {
	b.Helper()
	bodies, size := docs.bodies(b, v)
	s.serial++
	index := fmt.Sprintf("/price-%d", s.serial)
	s.must(b, http.MethodPut, index, v.settle(b, s.index))
	w := weight{documents: len(docs.all), source: size}
	start, begin := s.clock(b), time.Now()
	if err := s.load(b.Context(), index, bodies, priceInFlight); err != nil {
		b.Fatalf("%s: %v", v.name, err)
	}
	s.must(b, http.MethodPost, index+"/_refresh", nil)
	w.took = time.Since(begin)
	s.quiet(b, index)
	w.cpu, w.compiling = s.clock(b).Since(start)
	s.must(b, http.MethodPost, index+"/_flush", nil)
	w.stored = s.stats(b, index).Store.Size
	start = s.clock(b)
	s.must(b, http.MethodPost, index+"/_forcemerge?max_num_segments=1", nil)
	w.merge, _ = s.clock(b).Since(start)
	stats := s.stats(b, index)
	w.merged = stats.Store.Size
	if stats.Docs.Count != len(docs.all) {
		b.Fatalf("%s: %d documents were sent and %d stored", v.name, len(docs.all), stats.Docs.Count)
	}
	s.must(b, http.MethodDelete, index, nil)
	return w
}

// load sends the bodies, so many at a time.
func (s *scale) load(ctx context.Context, index string, bodies [][]byte, inFlight int) error {
	return inParallel(inFlight, bodies, func(_ int, body []byte) error {
		answer, err := s.call(ctx, http.MethodPost, index+"/_bulk?filter_path=errors,items.*.error", body)
		if err == nil && !bytes.HasPrefix(answer, []byte(`{"errors":false`)) {
			err = fmt.Errorf("refused: %.600s", answer)
		}
		return err
	})
}

// primaries are the figures of an index that we read.
type primaries struct {
	Docs struct {
		Count int `json:"count"`
	} `json:"docs"`
	Store struct {
		Size int64 `json:"size_in_bytes"`
	} `json:"store"`
	Merges struct {
		Current int `json:"current"`
	} `json:"merges"`
}

func (s *scale) stats(b *testing.B, index string) primaries {
	b.Helper()
	var doc struct {
		All struct {
			Primaries primaries `json:"primaries"`
		} `json:"_all"`
	}
	if err := json.Unmarshal(s.must(b, http.MethodGet, index+"/_stats/store,docs,merge", nil), &doc); err != nil {
		b.Fatal(err)
	}
	return doc.All.Primaries
}

// quiet waits until no merge runs.
func (s *scale) quiet(b *testing.B, index string) {
	b.Helper()
	harness.Await(b, 2*time.Minute, "the merges of "+index, func() bool { return s.stats(b, index).Merges.Current == 0 })
}
