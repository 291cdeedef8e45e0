package simulator

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// Report sums up a run. Every event and every repeat of one ends as acked or
// unacked: Events + Duplicates = Acked + Unacked.
type Report struct {
	// Events is how many the source yielded.
	Events int
	// Duplicates is how many of them were sent a second time on purpose.
	Duplicates int
	// Disordered is how many were held back to a later delivery on purpose.
	Disordered int
	// Sent is how many events, repeats included, were in at least one attempt.
	Sent int
	// Acked is how many events, repeats included, were answered 2xx.
	Acked int
	// Unacked is how many events, repeats included, were given up or were still
	// waiting when the run was stopped.
	Unacked int
	// Deliveries counts attempts, AckedDeliveries those answered 2xx.
	Deliveries, AckedDeliveries int
	// Refused counts the other attempts by HTTP status, or "error" where no answer came.
	Refused map[string]int
	// Bytes is what all attempts carried, compressed where they were.
	Bytes int64
	// Latency is that of the attempts that were answered 2xx.
	Latency Latency
	// Elapsed is the time of the whole run.
	Elapsed time.Duration
}

// Latency holds percentiles, exact to one part in 128.
type Latency struct {
	P50, P95, P99, Max time.Duration
}

// EventsPerSecond is how many acked events, repeats included, each second of
// the run brought.
func (r Report) EventsPerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Acked) / r.Elapsed.Seconds()
}

// MarshalJSON writes the report with latencies in milliseconds and the elapsed
// time in seconds.
func (r Report) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(map[string]any{
		"events": r.Events, "duplicates": r.Duplicates, "disordered": r.Disordered,
		"sent": r.Sent, "acked": r.Acked, "unacked": r.Unacked,
		"deliveries": r.Deliveries, "acked_deliveries": r.AckedDeliveries, "refused": r.Refused,
		"bytes": r.Bytes, "elapsed_seconds": r.Elapsed.Seconds(), "events_per_second": r.EventsPerSecond(),
		"latency_ms": map[string]float64{
			"p50": milliseconds(r.Latency.P50), "p95": milliseconds(r.Latency.P95),
			"p99": milliseconds(r.Latency.P99), "max": milliseconds(r.Latency.Max),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return text, nil
}

func milliseconds(d time.Duration) float64 {
	return float64(d) / float64(time.Millisecond)
}

// tally gathers a run's report from all its goroutines.
type tally struct {
	mu        sync.Mutex
	sum       Report
	latencies histogram
	telling   sync.Mutex
	onResult  func(Result)
}

func newTally(onResult func(Result)) *tally {
	return &tally{sum: Report{Refused: map[string]int{}}, onResult: onResult}
}

func (t *tally) taken() { t.add(func(r *Report) { r.Events++ }) }

func (t *tally) repeated() { t.add(func(r *Report) { r.Duplicates++ }) }

func (t *tally) heldBack() { t.add(func(r *Report) { r.Disordered++ }) }

func (t *tally) abandoned(n int) { t.add(func(r *Report) { r.Unacked += n }) }

func (t *tally) add(change func(*Report)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.sum)
}

// result counts an attempt and tells the caller of it.
func (t *tally) result(result Result) {
	t.add(func(r *Report) { t.count(r, result) })
	if t.onResult == nil {
		return
	}
	t.telling.Lock()
	defer t.telling.Unlock()
	t.onResult(result)
}

func (t *tally) count(r *Report, result Result) {
	r.Deliveries++
	r.Bytes += int64(result.Bytes)
	if result.Cycle == 1 && result.Attempt == 1 {
		r.Sent += len(result.Events)
	}
	switch {
	case result.Acked:
		r.AckedDeliveries++
		r.Acked += len(result.Events)
		t.latencies.add(result.Latency)
	case result.Err != nil:
		r.Refused["error"]++
	default:
		r.Refused[strconv.Itoa(result.Status)]++
	}
}

func (t *tally) report(elapsed time.Duration) Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.Elapsed = elapsed
	t.sum.Latency = Latency{
		P50: t.latencies.percentile(50), P95: t.latencies.percentile(95),
		P99: t.latencies.percentile(99), Max: t.latencies.max,
	}
	return t.sum
}
