package load_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/test/harness"
)

// sample is a document of Sluice's own index, cut where its log_id stands: each copy gets another one.
type sample struct{ parts [][]byte }

// samples sends n events through Sluice and reads back the documents.
func (r *rig) samples(b *testing.B, n int) []sample {
	b.Helper()
	url, token, namespace := r.endpoint(b)
	if _, err := postAll(url, token, r.deliveries(n, loadBatch), loadInFlight); err != nil {
		b.Fatal(err)
	}
	alias, all := period.Alias(namespace), make([]sample, 0, n)
	harness.Await(b, 5*time.Minute, "documents to copy", func() bool {
		found, err := r.elastic.Count(b.Context(), alias, nil)
		return err == nil && int(found) == n
	})
	search := object{"size": 5000, "sort": []any{object{"event.id": "asc"}}}
	for len(all) < n {
		page, err := r.elastic.Search(b.Context(), alias, search)
		if err != nil || len(page.Hits) == 0 {
			b.Fatalf("reading documents back after %d: %v", len(all), err)
		}
		for _, hit := range page.Hits {
			all = append(all, cut(b, hit))
		}
		search["search_after"] = page.Hits[len(page.Hits)-1].Sort
	}
	r.drop(b, namespace)
	return all
}

func cut(b *testing.B, hit elastic.Hit) sample {
	b.Helper()
	id, ok := hit.Sort[0].(string)
	var compact bytes.Buffer
	if err := json.Compact(&compact, hit.Source); err != nil || !ok || len(id) < 30 {
		b.Fatalf("a document with event.id %v: %v", hit.Sort[0], err)
	}
	return sample{bytes.Split(compact.Bytes(), []byte(id))}
}

// bodies are n copies as bulk requests, each with an _id as long as Sluice's own and a log_id of its own.
func (r *rig) bodies(docs []sample, index string, n int) (bodies [][]byte, size int) {
	r.runs++
	var open []byte
	for i := range n {
		id := fmt.Appendf(nil, "%056d", r.runs*100_000_000+i)
		open = fmt.Appendf(open, `{"create":{"_index":"%s","_id":"%s"}}`+"\n", index, id[34:])
		before := len(open)
		open = append(open, bytes.Join(docs[i%len(docs)].parts, id)...)
		size += len(open) - before
		if open = append(open, '\n'); len(open) > loadBodyBytes || i == n-1 {
			bodies, open = append(bodies, open), make([]byte, 0, loadBodyBytes+1<<16)
		}
	}
	return bodies, size
}

// direct loads n copies into a fresh index with the template and settings of Sluice.
func (r *rig) direct(b *testing.B, docs []sample, n int) stretch {
	b.Helper()
	r.runs++
	namespace := fmt.Sprintf("direct%d", r.runs)
	if _, err := r.elastic.SetupNamespace(b.Context(), namespace, elastic.Index{Shards: 1, Refresh: "1s", Codec: "best_compression"}); err != nil {
		b.Fatal(err)
	}
	index := period.Index(namespace, time.Now().UTC().Format("2006.01.02"))
	bodies, size := r.bodies(docs, index, n)
	start, begin := r.now(b), time.Now()
	if _, err := r.elastic.EnsureIndex(b.Context(), index); err != nil {
		b.Fatal(err)
	}
	if err := r.scale().load(b.Context(), "", bodies, loadDirect); err != nil {
		b.Fatal(err)
	}
	if err := r.elastic.Refresh(b.Context(), index); err != nil {
		b.Fatal(err)
	}
	s := stretch{events: n, took: time.Since(begin), bytes: float64(size) / float64(n)}
	s.spent = r.now(b).minus(start)
	if found, err := r.elastic.Count(b.Context(), index, nil); err != nil || int(found) != n {
		b.Fatalf("%d documents were sent and %d are searchable: %v", n, found, err)
	}
	r.drop(b, namespace)
	return s
}

// warmUp loads until the JVM has compiled what matters.
func (r *rig) warmUp(b *testing.B, docs []sample) {
	b.Helper()
	const step = 100_000
	all := number(b, "LOAD_WARMUP", loadWarmUp)
	for done := 0; done < all; done += step {
		s := r.direct(b, docs, step)
		tell(b, "warm-up, %d of %d documents: %.0f a second, %.0f CPU-s a million", min(done+step, all), all, s.rate(), s.million(s.spent.elastic))
	}
}
