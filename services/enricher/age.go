package enricher

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/stream"
)

// How long a look at the stream may take, and for how long it is good.
const (
	lookTime = time.Second
	lookGood = 2 * time.Second
)

// age knows the oldest delivery that has no verdict: in this process, or in the stream where nobody may have taken it yet.
type age struct {
	conn *stream.Conn
	held func() time.Time // when the oldest in this process was stored, zero when there is none

	mu     sync.Mutex
	looked time.Time
	stored time.Time // of the oldest in the stream, zero when nothing waits; stays while the stream gives no answer
}

// collector reports the age as a gauge.
func (a *age) collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sluice_enricher_oldest_unprocessed_age_seconds",
		Help: "Age of the oldest message of deliveries without a verdict, in the stream or held here; 0 when there is none.",
	}, func() float64 {
		at := a.waiting()
		if held := a.held(); at.IsZero() || !held.IsZero() && held.Before(at) {
			at = held
		}
		if at.IsZero() {
			return 0
		}
		return max(time.Since(at).Seconds(), 0)
	})
}

func (a *age) waiting() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.looked) > lookGood {
		ctx, cancel := context.WithTimeout(context.Background(), lookTime)
		defer cancel()
		if at, err := a.conn.OldestOverall(ctx, stream.Deliveries, stream.Enricher); err == nil {
			a.stored = at
		}
		a.looked = time.Now()
	}
	return a.stored
}
