package receiver_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/stream"
)

// Nobody listens on NATS's port any more while deliveries come in: the log tells it in summaries, not per refusal.
func TestALostNATSFillsNoLog(t *testing.T) {
	r := start(t, func(cfg *receiver.Config, _ *stream.Topology) { cfg.CommitTimeout = 100 * time.Millisecond })
	if err := r.nats.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	const failures, perLine, senders = 400, 10, 100
	before := strings.Count(r.logs.String(), "\n")
	var left atomic.Int64
	left.Store(failures)
	var load sync.WaitGroup
	for range senders {
		load.Go(func() {
			for left.Add(-1) >= 0 {
				r.expect(r.post(strings.NewReader(oneEvent), nil), intake.StreamAway)
			}
		})
	}
	load.Wait()
	text := r.logs.String()
	lines := strings.Count(text, "\n") - before
	t.Logf("%d lines for %d refusals", lines, failures)
	if lines == 0 || lines > failures/perLine {
		t.Errorf("%d lines for %d refusals, want one for %d at most:\n%.4000s", lines, failures, perLine, text)
	}
	if !strings.Contains(text, intake.StreamAway.Name) {
		t.Error("the log does not say what is wrong")
	}
}
