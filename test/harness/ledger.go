package harness

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
)

// Ledger remembers which events were acknowledged. It is safe for concurrent use.
type Ledger struct {
	mu        sync.Mutex
	acked     map[string]bool
	refused   map[int]int
	latencies []time.Duration
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger { return &Ledger{acked: map[string]bool{}, refused: map[int]int{}} }

// Note takes the result of one attempt.
func (l *Ledger) Note(r simulator.Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !r.Acked {
		l.refused[r.Status]++
		return
	}
	l.latencies = append(l.latencies, r.Latency)
	for _, id := range r.Events {
		l.acked[id] = true
	}
}

// Acked is how many events were acknowledged.
func (l *Ledger) Acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// Refused is how many attempts were answered with status; 0 stands for no answer at all.
func (l *Ledger) Refused(status int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused[status]
}

// P99 is the latency that 99 of 100 acknowledged attempts since the last call stayed below.
func (l *Ledger) P99() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.latencies)
	if len(l.latencies) == 0 {
		return 0
	}
	p := l.latencies[len(l.latencies)*99/100]
	l.latencies = nil
	return p
}

// Elastic opens an Elasticsearch by its address.
func Elastic(tb testing.TB, url string) *elastic.Client {
	tb.Helper()
	c, err := elastic.Open(elastic.Config{ElasticsearchURL: config.URL(url)})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// Searchable reads the ids of all events of the instance's first endpoint, with how often each is there.
func (i *Instance) Searchable() map[string]int {
	i.tb.Helper()
	client := Elastic(i.tb, i.ElasticsearchURL)
	if err := client.Refresh(i.tb.Context(), i.Index); err != nil {
		i.tb.Fatal(err)
	}
	found, after := map[string]int{}, []any(nil)
	for {
		search := map[string]any{
			"size": 5000, "_source": false, "track_total_hits": false,
			"query": map[string]any{"term": map[string]any{"sluice.endpoint": i.Endpoint}},
			"sort":  []any{map[string]any{"event.id": "asc"}, map[string]any{"sluice.delivery": "asc"}, map[string]any{"sluice.item": "asc"}},
		}
		if after != nil {
			search["search_after"] = after
		}
		page, err := client.Search(i.tb.Context(), i.Index, search)
		if err != nil {
			i.tb.Fatal(err)
		}
		if len(page.Hits) == 0 {
			return found
		}
		for _, hit := range page.Hits {
			id, ok := hit.Sort[0].(string)
			if !ok {
				i.tb.Fatalf("event.id is %v", hit.Sort[0])
			}
			found[id]++
		}
		after = page.Hits[len(page.Hits)-1].Sort
	}
}

// Count is how many documents of the instance's first endpoint are searchable.
func (i *Instance) Count() int {
	i.tb.Helper()
	client := Elastic(i.tb, i.ElasticsearchURL) // no refresh: forcing them while waiting would slow Elasticsearch down
	n, err := client.Count(i.tb.Context(), i.Index, map[string]any{"term": map[string]any{"sluice.endpoint": i.Endpoint}})
	if err != nil {
		return -1
	}
	return int(n)
}

// CountNow is Count after a refresh, for a single look.
func (i *Instance) CountNow() int {
	i.tb.Helper()
	if err := Elastic(i.tb, i.ElasticsearchURL).Refresh(i.tb.Context(), i.Index); err != nil {
		i.tb.Fatal(err)
	}
	return i.Count()
}

// AwaitCount waits until exactly want documents are searchable.
func (i *Instance) AwaitCount(want int, limit time.Duration) {
	i.tb.Helper()
	last := 0
	Await(i.tb, limit, "all documents searchable", func() bool {
		if n := i.Count(); n != last {
			last = n
		}
		return last >= want
	})
	if last != want {
		i.tb.Fatalf("%d documents are searchable, want %d", last, want)
	}
}

// Check waits until every acknowledged event is searchable and fails unless each is there exactly once.
func (l *Ledger) Check(tb testing.TB, i *Instance, limit time.Duration) {
	tb.Helper()
	acked := l.Acked()
	Await(tb, limit, "acknowledged events searchable", func() bool { return i.Count() >= acked })
	var missing, doubled []string
	l.mu.Lock()
	defer l.mu.Unlock()
	found := i.Searchable()
	for id := range l.acked {
		if found[id] == 0 {
			missing = append(missing, id)
		}
	}
	for id, n := range found {
		if n > 1 {
			doubled = append(doubled, id)
		}
	}
	tb.Logf("ledger: %d acknowledged, %d searchable, %d missing, %d doubled", len(l.acked), len(found), len(missing), len(doubled))
	if len(missing)+len(doubled) > 0 {
		slices.Sort(missing)
		slices.Sort(doubled)
		raw, _ := json.Marshal(map[string]any{"missing": first(missing), "doubled": first(doubled)})
		tb.Fatalf("the promise is broken: %s", raw)
	}
}

func first(ids []string) []string { return ids[:min(len(ids), 10)] }
