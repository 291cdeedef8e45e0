// Package load_test measures how fast Sluice acknowledges and indexes on this machine, beside what the same
// Elasticsearch takes when it is fed the same documents directly. Machines differ and are noisy: read the ratios.
package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/test/harness"
)

// events is how many events a run takes; LOAD_EVENTS changes it.
func events(b *testing.B, usual int) int {
	b.Helper()
	text := os.Getenv("LOAD_EVENTS")
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("LOAD_EVENTS=%q: want a number", text)
	}
	return n
}

// BenchmarkBaseline runs the all-in-one with an Elasticsearch of its own: first a warm-up, then each size of delivery,
// then the ceiling on the documents that the runs have made.
func BenchmarkBaseline(b *testing.B) {
	i := harness.Up(b, harness.Options{})
	r := &rig{up: i, elastic: harness.Elastic(b, i.ElasticsearchURL)}
	r.pipeline(b, events(b, 40_000), 100, 8) // warm-up: a cold JVM is a third slower
	b.Logf("%d CPUs; warm-up done", runtime.NumCPU())
	var ceiling float64
	b.Run("ceiling", func(b *testing.B) {
		for b.Loop() {
			ceiling = r.ceiling(b, events(b, 60_000))
		}
		b.ReportMetric(ceiling, "docs/s")
		b.ReportMetric(0, "ns/op")
	})
	for _, size := range []struct{ batch, concurrency, events int }{{100, 8, 60_000}, {1, 32, 20_000}} {
		b.Run(fmt.Sprintf("events-per-delivery=%d", size.batch), func(b *testing.B) {
			var acks, searchable float64
			var p99 time.Duration
			for b.Loop() {
				acks, searchable, p99 = r.pipeline(b, events(b, size.events), size.batch, size.concurrency)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(acks, "acked-events/s")
			b.ReportMetric(searchable, "searchable-events/s")
			b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
			if ceiling > 0 {
				b.ReportMetric(searchable/ceiling, "of-ceiling")
			}
		})
	}
}

// rig is what the measurements share.
type rig struct {
	up      *harness.Instance
	elastic *elastic.Client
	runs    int
}

// tenant makes events that no other run has.
func (r *rig) tenant() *simulator.Tenant {
	r.runs++
	seed := uint64(time.Now().UnixNano())
	return simulator.NewTenant(simulator.TenantOptions{Seed: seed, Name: fmt.Sprintf("load-%d-%d", seed, r.runs), Start: time.Now().Add(-time.Hour), Step: time.Millisecond})
}

// pipeline sends n events and returns events per second until the last was acknowledged and until the last was
// searchable, and the 99th percentile of a delivery's latency.
func (r *rig) pipeline(b *testing.B, n, batch, concurrency int) (acks, searchable float64, p99 time.Duration) {
	b.Helper()
	before := r.up.Count()
	ledger, tenant := harness.NewLedger(), r.tenant()
	prepared := make([]simulator.Event, n)
	for i := range prepared {
		prepared[i] = tenant.Next()
	}
	s, err := simulator.NewStream(simulator.StreamOptions{
		URL: r.up.LocalURL, Authorization: r.up.Authorization, Batch: batch, Concurrency: concurrency, OnResult: ledger.Note, Timeout: 30 * time.Second,
	})
	if err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	report, err := s.Run(b.Context(), simulator.FromSlice(prepared))
	if err != nil || report.Acked != n {
		b.Fatalf("%v: %+v", err, report)
	}
	acked := time.Since(begin)
	r.awaitIndexed(b, before+n)
	took := time.Since(begin)
	return float64(n) / acked.Seconds(), float64(n) / took.Seconds(), ledger.P99()
}

// awaitIndexed polls without forcing refreshes, which would slow Elasticsearch down.
func (r *rig) awaitIndexed(b *testing.B, want int) {
	b.Helper()
	harness.Await(b, 10*time.Minute, "all events searchable", func() bool {
		n, err := r.elastic.Count(b.Context(), r.up.Index, nil)
		return err == nil && int(n) >= want
	})
}

// ceiling loads n documents, taken from our own index, directly into a fresh namespace and returns documents a second.
func (r *rig) ceiling(b *testing.B, n int) float64 {
	b.Helper()
	namespace := fmt.Sprintf("ceiling%d", time.Now().UnixNano())
	if _, err := r.elastic.SetupNamespace(b.Context(), namespace, elastic.Index{Shards: 1, Refresh: "1s", Codec: "best_compression"}); err != nil {
		b.Fatal(err)
	}
	index := period.Index(namespace, "2026.01.01")
	if _, err := r.elastic.EnsureIndex(b.Context(), index); err != nil {
		b.Fatal(err)
	}
	bodies := r.bodies(b, index, n)
	begin := time.Now()
	feed := make(chan body)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for body := range feed {
				if _, err := r.elastic.Bulk(b.Context(), body.ndjson, body.count); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for _, body := range bodies {
		feed <- body
	}
	close(feed)
	wg.Wait()
	if err := r.elastic.Refresh(b.Context(), index); err != nil {
		b.Fatal(err)
	}
	rate := float64(n) / time.Since(begin).Seconds()
	if err := r.elastic.DeleteIndex(context.WithoutCancel(b.Context()), index); err != nil {
		b.Fatal(err)
	}
	return rate
}

// body is one prepared bulk request.
type body struct {
	ndjson []byte
	count  int
}

// bodies reads documents back and packs them into requests of about 4 MB, each document with an id of its own.
func (r *rig) bodies(b *testing.B, index string, n int) []body {
	b.Helper()
	page, err := r.elastic.Search(b.Context(), r.up.Index, map[string]any{"size": 5000, "sort": []any{map[string]any{"@timestamp": "desc"}}})
	if err != nil || len(page.Hits) == 0 {
		b.Fatalf("reading documents back: %v", err)
	}
	var all []body
	var open bytes.Buffer
	count, size := 0, 0
	for i := range n {
		source := page.Hits[i%len(page.Hits)].Source
		compact := &bytes.Buffer{}
		if err := json.Compact(compact, source); err != nil {
			b.Fatal(err)
		}
		fmt.Fprintf(&open, "{\"create\":{\"_index\":\"%s\",\"_id\":\"%022d\"}}\n%s\n", index, i, compact)
		size += compact.Len()
		if count++; open.Len() > 4<<20 || i == n-1 {
			all = append(all, body{bytes.Clone(open.Bytes()), count})
			open.Reset()
			count = 0
		}
	}
	b.ReportMetric(float64(size)/float64(n), "bytes/doc")
	return all
}
