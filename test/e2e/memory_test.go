package e2e_test

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// TestMemoryLimit sends more to an all-in-one than it may keep in memory for the next ten seconds: it answers later, and keeps
// within its limit and everything that it was sent. What is sent is no JSON and does not pack, so that Elasticsearch has nothing
// to do with it: it is stored as deliveries and again as dead letters.
func TestMemoryLimit(t *testing.T) {
	t.Parallel() // it mostly waits
	const (
		deliveries, bytes = 96, 600_000
		senders           = 8
		limit             = 192 << 20
		outside           = 40 << 20 // of the limit: the program itself, and pages of files
	)
	i := upOnShared(t, "GOMEMLIMIT="+strconv.Itoa(limit))
	bodies := make(chan []byte)
	go func() {
		defer close(bodies)
		for range deliveries {
			noise := make([]byte, bytes*3/4)
			_, _ = rand.Read(noise) // never fails
			bodies <- append([]byte("{"), base64.StdEncoding.EncodeToString(noise)...)
		}
	}()
	var all sync.WaitGroup
	var again atomic.Int64
	for range senders {
		all.Go(func() {
			for body := range bodies {
				again.Add(sendLikeAuth0(t, i, body))
			}
		})
	}
	sent := make(chan struct{})
	go func() { all.Wait(); close(sent) }()
	most, letters := 0.0, 0
	harness.Await(t, 4*time.Minute, "a dead letter of each delivery", func() bool {
		most = max(most, metric(t, i, "process_resident_memory_bytes"))
		letters = int(metric(t, i, `sluice_enricher_dead_lettered_total{reason="not_json"}`))
		return letters >= deliveries
	})
	<-sent
	waited := metric(t, i, "sluice_stream_cache_wait_seconds_total")
	t.Logf("at most %.0f MiB were resident, messages waited %.1f s all together, and %d deliveries came again", most/(1<<20), waited, again.Load())
	if most < 1 || most > limit+outside {
		t.Errorf("%.0f MiB were resident, with a limit of %d", most/(1<<20), limit>>20)
	}
	if waited < 1 {
		t.Errorf("messages waited %.3f s: nothing was slowed down, so nothing is shown", waited)
	}
	if letters > deliveries+int(again.Load()) { // what was refused may be stored all the same
		t.Errorf("%d dead letters of %d deliveries, of which %d came again", letters, deliveries, again.Load())
	}
}

// sendLikeAuth0 sends a delivery until it is taken, and returns how often it came again. Nothing but too little room may be the
// reason.
func sendLikeAuth0(t *testing.T, i *harness.Instance, body []byte) (again int64) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); again++ {
		switch code, answer, _ := i.Post(body, nil); code {
		case http.StatusOK:
			return again
		case http.StatusTooManyRequests, http.StatusServiceUnavailable: // each after seconds of its own
		default:
			t.Errorf("%d %s", code, answer)
			return again
		}
	}
	t.Error("a delivery was not taken within three minutes")
	return again
}
