package indexer

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// How long a look at the stream may take, and for how long it is good.
const (
	lookTime  = time.Second
	lookGood  = 2 * time.Second
	ageMetric = "sluice_indexer_oldest_unprocessed_age_seconds"
)

// age knows the oldest message of documents that has no verdict: in this process, or in the stream where nobody may have
// taken it yet.
type age struct {
	conn      *stream.Conn
	directory *endpoint.Directory
	held      func() time.Time // of the oldest message in this process

	mu     sync.Mutex
	looked time.Time
	stored map[string]time.Time // by namespace, zero where nothing waits
}

// collector reports the age as a gauge.
func (a *age) collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: ageMetric, Help: "Age of the oldest message of documents without a verdict, in the stream or held here; 0 when there is none.",
	}, func() float64 {
		at := earlier(a.held(), a.waiting())
		if at.IsZero() {
			return 0
		}
		return max(time.Since(at).Seconds(), 0)
	})
}

// waiting is when the oldest message that waits in the stream was stored. A namespace whose consumer gives no answer
// keeps what was last known of it.
func (a *age) waiting() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.looked) > lookGood {
		a.look()
		a.looked = time.Now()
	}
	var oldest time.Time
	for _, at := range a.stored {
		oldest = earlier(oldest, at)
	}
	return oldest
}

func (a *age) look() {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	names, _ := a.directory.Namespaces()
	before := a.stored
	a.stored = make(map[string]time.Time, len(names))
	for _, name := range names {
		at, err := a.conn.OldestOverall(ctx, stream.Documents, stream.Indexer(name))
		if err != nil {
			at = before[name]
		}
		a.stored[name] = at
	}
}

// earlier is the earlier of two times; zero stands for none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
