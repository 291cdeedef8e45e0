package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// receiver is a real HTTP server that remembers what it answered 2xx.
type receiver struct {
	*httptest.Server
	mu      sync.Mutex
	posts   int
	order   []string
	counts  map[string]int
	headers http.Header
}

// newReceiver answers post number n (from 1) with the status answer(n).
func newReceiver(t *testing.T, answer func(n int) int) *receiver {
	t.Helper()
	r := &receiver{counts: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		ids, err := read(request)
		if errors.Is(err, net.ErrClosed) {
			return // the sender was stopped while it sent
		}
		if err != nil {
			t.Errorf("reading a delivery: %v", err)
		}
		w.WriteHeader(r.take(ids, request.Header, answer))
		_, _ = io.WriteString(w, `{"delivery":"d-1"}`)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) take(ids []string, headers http.Header, answer func(n int) int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts++
	r.headers = headers
	status := answer(r.posts)
	if status == http.StatusOK {
		r.order = append(r.order, ids...)
		for _, id := range ids {
			r.counts[id]++
		}
	}
	return status
}

func (r *receiver) stored() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.counts)
}

func read(request *http.Request) ([]string, error) {
	body := io.Reader(request.Body)
	switch request.Header.Get("Content-Encoding") {
	case "gzip":
		unpacked, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = unpacked
	case "zstd":
		unpacked, err := zstd.NewReader(body)
		if err != nil {
			return nil, err
		}
		defer unpacked.Close()
		body = unpacked
	}
	var ids []string
	for decoder := json.NewDecoder(body); ; {
		var e element
		if err := decoder.Decode(&e); errors.Is(err, io.EOF) {
			return ids, nil
		} else if err != nil {
			return nil, err
		}
		ids = append(ids, e.LogID)
	}
}

func always(status int) func(int) int { return func(int) int { return status } }

func newStream(t *testing.T, opts simulator.StreamOptions) *simulator.Stream {
	t.Helper()
	opts.RetryWait, opts.CycleWait = time.Millisecond, 2*time.Millisecond
	stream, err := simulator.NewStream(opts)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

// soon bounds a test that would otherwise hang.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func checkAllStored(t *testing.T, r *receiver, all []simulator.Event) {
	t.Helper()
	for _, e := range all {
		if r.counts[e.LogID] == 0 {
			t.Fatalf("event %s never arrived", e.LogID)
		}
	}
	if len(r.counts) != len(all) {
		t.Fatalf("%d events arrived, want %d", len(r.counts), len(all))
	}
}

func TestARefusedDeliveryIsTriedThreeTimesAndThenInAFreshCycle(t *testing.T) {
	r := newReceiver(t, func(n int) int {
		if n <= 4 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	var seen []string
	stream := newStream(t, simulator.StreamOptions{URL: r.URL, OnResult: func(result simulator.Result) {
		seen = append(seen, fmt.Sprintf("%d.%d:%d", result.Cycle, result.Attempt, result.Status))
	}})
	all := events(newTenant(1), 10)
	report, err := stream.Run(soon(t), simulator.FromSlice(all))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(seen, " "), "1.1:503 1.2:503 1.3:503 2.1:503 2.2:200"; got != want {
		t.Errorf("attempts %s, want %s", got, want)
	}
	checkAllStored(t, r, all)
	if report.Acked != 10 || report.Sent != 10 || report.Refused["503"] != 4 || report.Deliveries != 5 || report.AckedDeliveries != 1 {
		t.Errorf("report %+v", report)
	}
}

func TestEveryEncodingArrivesWhole(t *testing.T) {
	all := events(newTenant(2), 1_000)
	for _, encoding := range []string{"", "gzip", "zstd"} {
		r := newReceiver(t, always(http.StatusOK))
		stream := newStream(t, simulator.StreamOptions{
			URL: r.URL, Encoding: encoding, Batch: 70, Concurrency: 4,
			Authorization: "Bearer open-sesame", ContentType: "application/json; charset=utf-8",
		})
		report, err := stream.Run(soon(t), simulator.FromSlice(all))
		if err != nil || report.Acked != 1_000 || report.Deliveries != 15 {
			t.Fatalf("encoding %q: %v, %+v", encoding, err, report)
		}
		checkAllStored(t, r, all)
		if r.headers.Get("Authorization") != "Bearer open-sesame" || r.headers.Get("Content-Type") != "application/json; charset=utf-8" {
			t.Errorf("headers %v", r.headers)
		}
	}
}

func TestRepeatsAndDisorderHappenAndNothingIsMissing(t *testing.T) {
	r := newReceiver(t, always(http.StatusOK))
	all := events(newTenant(3), 2_000)
	stream := newStream(t, simulator.StreamOptions{URL: r.URL, Batch: 50, DuplicateShare: 0.1, DisorderShare: 0.1, Seed: 5})
	report, err := stream.Run(soon(t), simulator.FromSlice(all))
	if err != nil {
		t.Fatal(err)
	}
	checkAllStored(t, r, all)
	if extra := len(r.order) - len(all); extra != report.Duplicates || extra < 100 || extra > 300 {
		t.Errorf("%d repeats arrived, the report says %d of 2,000 at one in ten", extra, report.Duplicates)
	}
	if report.Events != 2_000 || report.Acked != 2_000+report.Duplicates || report.Unacked != 0 {
		t.Errorf("report %+v", report)
	}
	place, last, behind := map[string]int{}, -1, 0
	for i, e := range all {
		place[e.LogID] = i
	}
	for _, id := range r.order {
		if place[id] < last {
			behind++
		}
		last = max(last, place[id])
	}
	if behind < 200 || report.Disordered < 100 {
		t.Errorf("%d events arrived behind a later one, %d were held back", behind, report.Disordered)
	}
}

func TestEverythingHeldBackStillArrives(t *testing.T) {
	r := newReceiver(t, always(http.StatusOK))
	all := events(newTenant(4), 500)
	stream := newStream(t, simulator.StreamOptions{URL: r.URL, Batch: 7, DuplicateShare: 1, DisorderShare: 1})
	if report, err := stream.Run(soon(t), simulator.FromSlice(all)); err != nil || report.Acked != 1_000 {
		t.Fatalf("%v, %+v", err, report)
	}
	checkAllStored(t, r, all)
}

func TestPauseHoldsEventsAndResumeDeliversThemAll(t *testing.T) {
	r := newReceiver(t, always(http.StatusOK))
	all := events(newTenant(5), 600)
	var stream *simulator.Stream
	paused := make(chan struct{})
	var once sync.Once
	stream = newStream(t, simulator.StreamOptions{URL: r.URL, Batch: 10, OnResult: func(simulator.Result) {
		if r.stored() >= 100 {
			once.Do(func() { stream.Pause(); close(paused) })
		}
	}})
	type outcome struct {
		report simulator.Report
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		report, err := stream.Run(soon(t), simulator.FromSlice(all))
		done <- outcome{report, err}
	}()
	<-paused
	select {
	case got := <-done:
		t.Fatalf("the paused stream ended: %+v", got)
	case <-time.After(100 * time.Millisecond):
	}
	if got := r.stored(); got != 100 {
		t.Errorf("%d events arrived although the stream was paused at 100", got)
	}
	stream.Resume()
	if got := <-done; got.err != nil || got.report.Acked != 600 {
		t.Fatalf("after resuming: %+v", got)
	}
	checkAllStored(t, r, all)
}

func TestMaxCyclesGivesUpAndSaysSo(t *testing.T) {
	r := newReceiver(t, always(http.StatusUnauthorized))
	stream := newStream(t, simulator.StreamOptions{URL: r.URL, Batch: 5, MaxCycles: 2})
	report, err := stream.Run(soon(t), simulator.FromSlice(events(newTenant(6), 10)))
	if !errors.Is(err, simulator.ErrUndelivered) || report.Unacked != 10 || report.Refused["401"] != 12 {
		t.Fatalf("%v, %+v", err, report)
	}
}

func TestAStoppedRunCountsWhatWasNotAcknowledged(t *testing.T) {
	r := newReceiver(t, always(http.StatusServiceUnavailable))
	ctx, cancel := context.WithCancel(soon(t))
	stream := newStream(t, simulator.StreamOptions{URL: r.URL, Concurrency: 3, DisorderShare: 0.2, DuplicateShare: 0.2, OnResult: func(result simulator.Result) {
		if result.Cycle == 3 {
			cancel()
		}
	}})
	report, err := stream.Run(ctx, simulator.Take(newTenant(7), -1))
	if !errors.Is(err, context.Canceled) || report.Acked != 0 || report.Unacked != report.Events+report.Duplicates || report.Events == 0 {
		t.Fatalf("%v, %+v", err, report)
	}
}

func TestAnErrorNamesNoSecret(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	const secret = "Bearer s3cr3t-token"
	var last simulator.Result
	stream := newStream(t, simulator.StreamOptions{
		URL: server.URL + "/?key=s3cr3t-query", Authorization: secret, MaxCycles: 1,
		OnResult: func(result simulator.Result) { last = result },
	})
	report, err := stream.Run(soon(t), simulator.Take(newTenant(8), 1))
	if err == nil || last.Err == nil || report.Refused["error"] != 3 {
		t.Fatalf("%v, %v, %+v", err, last.Err, report)
	}
	_, badHeader := simulator.NewStream(simulator.StreamOptions{URL: "http://127.0.0.1:1", Authorization: "s3cr3t\n"})
	if badHeader == nil {
		t.Fatal("a token with a line break was accepted")
	}
	if text := fmt.Sprint(err, last.Err, badHeader); strings.Contains(text, "s3cr3t") {
		t.Fatalf("a secret is in: %s", text)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := newReceiver(t, always(http.StatusOK))
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	report, _ := newStream(t, simulator.StreamOptions{URL: server.URL, MaxCycles: 1}).Run(soon(t), simulator.Take(newTenant(9), 1))
	if report.Refused["307"] != 3 || elsewhere.stored() != 0 {
		t.Fatalf("%+v, %d events elsewhere", report, elsewhere.stored())
	}
}

func TestRateIsKept(t *testing.T) {
	r := newReceiver(t, always(http.StatusOK))
	stream := newStream(t, simulator.StreamOptions{URL: r.URL, Rate: 1_000, Batch: 20})
	report, err := stream.Run(soon(t), simulator.Take(newTenant(10), 400))
	if err != nil || report.Elapsed < 370*time.Millisecond {
		t.Fatalf("400 events at 1,000 a second took %s: %v", report.Elapsed, err)
	}
}

func TestTheDeliveryOfAnAnswerIsTold(t *testing.T) {
	r := newReceiver(t, always(http.StatusOK))
	var got simulator.Result
	stream := newStream(t, simulator.StreamOptions{URL: r.URL, Shape: simulator.Single, OnResult: func(result simulator.Result) { got = result }})
	report, err := stream.Run(soon(t), simulator.Take(newTenant(11), 1))
	if err != nil || got.Delivery != "d-1" || !got.Acked || len(got.Events) != 1 || got.Bytes == 0 || got.Latency <= 0 {
		t.Fatalf("%v, %+v", err, got)
	}
	text, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(text), `"acked":1`) || !strings.Contains(string(text), `"latency_ms"`) {
		t.Fatalf("%v, %s", err, text)
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	const target = "http://127.0.0.1:1"
	for name, opts := range map[string]simulator.StreamOptions{
		"no url":       {},
		"other scheme": {URL: "ftp://127.0.0.1"},
		"shape":        {URL: target, Shape: "xml"},
		"encoding":     {URL: target, Encoding: "br"},
		"single batch": {URL: target, Shape: simulator.Single, Batch: 2},
		"batch":        {URL: target, Batch: -1},
		"share":        {URL: target, DuplicateShare: 1.5},
		"rate":         {URL: target, Rate: -1},
	} {
		if _, err := simulator.NewStream(opts); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
