// Package e2e_test proves, with real processes, a real NATS and a real Elasticsearch, what the README promises.
package e2e_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/test/harness"
)

// seed is printed, so that a failure can be repeated.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := rand.Uint64()
	t.Logf("seed %d", s)
	return s
}

func tenant(t *testing.T) *simulator.Tenant {
	t.Helper()
	s := seed(t)
	return simulator.NewTenant(simulator.TenantOptions{Seed: s, Name: fmt.Sprintf("tenant-%x", s), Start: time.Now().Add(-time.Hour), Step: 20 * time.Millisecond})
}

func take(tn *simulator.Tenant, n int) []simulator.Event {
	events := make([]simulator.Event, n)
	for i := range events {
		events[i] = tn.Next()
	}
	return events
}

// upOnShared starts an all-in-one on the Elasticsearch that all tests share.
func upOnShared(t *testing.T, env ...string) *harness.Instance {
	t.Helper()
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	return harness.Up(t, harness.Options{Args: []string{"--elasticsearch", elastictest.Start(t).URL}, Env: env})
}

// load runs a log stream against the instance until ctx ends or the source is empty; every attempt is noted.
func load(ctx context.Context, t *testing.T, i *harness.Instance, o simulator.StreamOptions, source func() (simulator.Event, bool)) simulator.Report {
	t.Helper()
	o.URL, o.Authorization = i.LocalURL, i.Authorization
	o.RetryWait, o.CycleWait = 50*time.Millisecond, 200*time.Millisecond
	s, err := simulator.NewStream(o)
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Run(ctx, source)
	if err != nil && ctx.Err() == nil && !errors.Is(err, simulator.ErrUndelivered) {
		t.Fatal(err)
	}
	return report
}

func TestTheSameEventsInEveryShapeAreIndexedOnce(t *testing.T) {
	i := upOnShared(t)
	events := take(tenant(t), 5000)
	for _, c := range []struct {
		shape    simulator.Shape
		encoding string
		batch    int
	}{{simulator.Lines, "", 100}, {simulator.Array, "", 250}, {simulator.Object, "", 500}, {simulator.Lines, "gzip", 1000}, {simulator.Array, "zstd", 5000}} {
		report := load(t.Context(), t, i, simulator.StreamOptions{Shape: c.shape, Encoding: c.encoding, Batch: c.batch, Concurrency: 4}, simulator.FromSlice(events))
		if report.Acked != len(events) {
			t.Fatalf("%s %s: %+v", c.shape, c.encoding, report)
		}
		i.AwaitCount(5000, time.Minute)
	}
	// The last bodies may still be on their way: wait for their verdicts, then count once more.
	harness.Await(t, time.Minute, "all verdicts", func() bool {
		return metric(t, i, `sluice_indexer_documents_total{verdict="indexed"}`)+metric(t, i, `sluice_indexer_documents_total{verdict="duplicate"}`) >= 25000
	})
	i.AwaitCount(5000, time.Second)
	for id, n := range i.Searchable() {
		if n != 1 {
			t.Fatalf("%s is there %d times", id, n)
		}
	}
}

// metric reads one series from the metrics page, 0 when it is not there.
func metric(t *testing.T, i *harness.Instance, series string) float64 {
	t.Helper()
	page, status := get(t, i.AdminURL+"/metrics")
	if status != 200 {
		t.Fatalf("metrics answer %d", status)
	}
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			var value float64
			if _, err := fmt.Sscan(rest, &value); err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	return 0
}

func TestBrokenLinesBecomeDeadLettersAndCostNothingElse(t *testing.T) {
	i := upOnShared(t)
	events := take(tenant(t), 97)
	var lines []string
	for _, e := range events {
		lines = append(lines, string(e.JSON))
	}
	broken := map[int]string{9: `{"log_id":"broken`, 49: `not json at all`, 99: `{"data":{"type":"s"}}`}
	for _, at := range []int{9, 49, 99} {
		lines = append(lines[:at], append([]string{broken[at]}, lines[at:]...)...)
	}
	body := []byte(strings.Join(lines, "\n"))
	for round := range 2 {
		status, answer, _ := i.Post(body, nil)
		if status != 200 {
			t.Fatalf("round %d: %d %s", round, status, answer)
		}
		i.AwaitCount(97, time.Minute)
		harness.Await(t, 30*time.Second, "both streams empty", func() bool {
			return metric(t, i, "sluice_enricher_deliveries_total") == float64(round+1) &&
				metric(t, i, `sluice_indexer_documents_total{verdict="indexed"}`)+metric(t, i, `sluice_indexer_documents_total{verdict="duplicate"}`) == float64(97*(round+1))
		})
		i.AwaitCount(97, time.Second)
		out, errs, code := i.Command("deadletter", "list", "--all", "--json")
		if code != 0 {
			t.Fatalf("deadletter list: %d %s", code, errs)
		}
		for _, want := range []string{`"line": 10`, `"line": 50`, `"line": 100`, "not_json", "no_log_id"} {
			if !strings.Contains(out, want) {
				t.Errorf("round %d: %s is missing in %s", round, want, out)
			}
		}
		if n := strings.Count(out, `"line":`); n != 3 {
			t.Errorf("round %d: %d dead letters, want 3: %s", round, n, out)
		}
	}
}

func TestFiveCrashesUnderLoadLoseAndDoubleNothing(t *testing.T) {
	t.Parallel() // it mostly waits
	i := upOnShared(t)
	s := seed(t)
	rng := rand.New(rand.NewPCG(s, 2))
	ledger, tn := harness.NewLedger(), tenant(t)
	for crash := range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		done, batch := make(chan struct{}), 1+rng.IntN(100)
		go func() {
			defer close(done)
			load(ctx, t, i, simulator.StreamOptions{Batch: batch, Concurrency: 8, OnResult: ledger.Note}, func() (simulator.Event, bool) { return tn.Next(), true })
		}()
		pause := time.Duration(300+rng.IntN(1500)) * time.Millisecond
		<-time.After(pause)
		i.Kill()
		cancel()
		<-done
		t.Logf("crash %d after %v: %d acknowledged so far", crash+1, pause, ledger.Acked())
		i.Start()
	}
	if ledger.Acked() < 1000 {
		t.Fatalf("only %d events were acknowledged: no load worth its name", ledger.Acked())
	}
	ledger.Check(t, i, 2*time.Minute)
}

func TestElasticsearchAwayIsNotNoticedByTheSender(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	calm, away := outage(t)
	options := node.Options{Dir: harness.Dir(t)}
	es, err := node.Ensure(t.Context(), options)
	if errors.Is(err, node.ErrUnavailable) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = es.Stop(context.Background()) })
	i := harness.Up(t, harness.Options{Args: []string{"--elasticsearch", es.URL()}})
	ledger, tn := harness.NewLedger(), tenant(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		load(ctx, t, i, simulator.StreamOptions{Batch: 50, Concurrency: 4, Rate: 500, OnResult: ledger.Note}, func() (simulator.Event, bool) { return tn.Next(), true })
	}()
	<-time.After(calm)
	with := ledger.P99() // of the deliveries since the last call
	if err := es.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = ledger.P99() // what came while it stopped belongs to neither
	<-time.After(away)
	without := ledger.P99()
	if _, status := get(t, i.AdminURL+"/livez"); status != 200 {
		t.Errorf("live: %d", status)
	}
	if es, err = node.Ensure(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-done
	if es.URL() != i.ElasticsearchURL {
		t.Fatalf("elasticsearch came back at %s, not %s", es.URL(), i.ElasticsearchURL)
	}
	t.Logf("p99 of a delivery: %v with Elasticsearch for %v, %v while it was away for %v", with, calm, without, away)
	if without > max(2*with, 250*time.Millisecond) {
		t.Errorf("the sender noticed: p99 %v, with Elasticsearch %v", without, with)
	}
	for _, status := range []int{0, 429, 500, 503} {
		if n := ledger.Refused(status); n > 0 && (status != 0 || n > 4) { // the last ones were cut by the test's own end
			t.Errorf("%d deliveries were answered %d", n, status)
		}
	}
	ledger.Check(t, i, 5*time.Minute)
}

// outage is how long Elasticsearch is there and then away: a minute in CI, less at a desk; SLUICE_TEST_OUTAGE changes it.
func outage(t *testing.T) (calm, away time.Duration) {
	t.Helper()
	text := os.Getenv("SLUICE_TEST_OUTAGE")
	switch {
	case text == "" && os.Getenv("CI") != "":
		text = "1m"
	case text == "":
		text = "10s"
	}
	away, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return min(away, 20*time.Second), away
}

func TestAFullStreamRefusesWithRetryAfterAndLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	proxy := harness.NewGate(t, elastictest.Start(t).URL)
	i := harness.Up(t, harness.Options{
		Args: []string{"--elasticsearch", proxy.URL},
		Env:  []string{"STREAM_DELIVERIES_MAX_BYTES=8MiB", "STREAM_DOCUMENTS_MAX_BYTES=8MiB"},
	})
	proxy.Close()
	ledger, tn := harness.NewLedger(), tenant(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	go func() {
		defer cancel()
		for ledger.Refused(503) < 5 && ctx.Err() == nil {
			<-time.After(20 * time.Millisecond)
		}
	}()
	load(ctx, t, i, simulator.StreamOptions{Batch: 100, Concurrency: 2, OnResult: ledger.Note}, func() (simulator.Event, bool) { return tn.Next(), true })
	if ledger.Refused(503) == 0 {
		t.Fatal("the stream never got full")
	}
	status, answer, header := i.Post(simulator.Body(simulator.Lines, take(tn, 200)), nil)
	if status != 503 || header.Get("Retry-After") == "" || !strings.Contains(answer, "stream_full") {
		t.Fatalf("%d %s Retry-After %q", status, answer, header.Get("Retry-After"))
	}
	proxy.Open()
	ledger.Check(t, i, 2*time.Minute)
	harness.Await(t, time.Minute, "room again", func() bool { status, _, _ := i.Post(tn.Next().JSON, nil); return status == 200 })
}

func TestWhatIsPostedIsAnsweredWithItsDeliveryAndBytes(t *testing.T) {
	i := upOnShared(t)
	body := simulator.Body(simulator.Object, take(tenant(t), 3))
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(body)
	_ = z.Close()
	status, answer, _ := i.Post(packed.Bytes(), map[string]string{"Content-Encoding": "gzip", "Content-Type": "text/odd"})
	var say struct {
		Delivery string
		Bytes    int
	}
	if err := json.Unmarshal([]byte(answer), &say); err != nil || status != 200 || len(say.Delivery) != 26 || say.Bytes != packed.Len() {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	i.AwaitCount(3, time.Minute)
	out, errs, code := i.Command("delivery", "show", say.Delivery)
	if code != 0 || strings.Count(out, "searchable") < 3 {
		t.Fatalf("delivery show: %d\n%s%s", code, out, errs)
	}
}
