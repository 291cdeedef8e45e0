package load_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/test/harness"
)

// The sizes of a run.
const (
	freshProbes  = 200                    // events that are timed in a round
	freshRounds  = 3                      // of them, idle and under load in turns
	freshGap     = 150 * time.Millisecond // between two of them, on average
	freshLook    = 10 * time.Millisecond  // between two looks at Elasticsearch
	freshLimit   = 30 * time.Second       // after which an event counts as lost
	freshRefresh = time.Second            // the usual refresh interval
)

// BenchmarkFreshness measures how long a single event takes from the moment at which its delivery begins until a search
// finds it. Nothing forces a refresh: Elasticsearch makes one a second, as it is set up by default. The events come at
// random moments of that second, some at a time on their way, and one search every ten milliseconds asks for all of
// them, so a figure is up to ten milliseconds and a search too large. First there is nothing else to do, then a load of
// hundred-event deliveries at half of the rate at which events become searchable, measured before, in the same index.
//
// LOAD_ROUNDS, LOAD_PROBES (events timed in a round) and LOAD_EVENTS (for the rate) change how much.
func BenchmarkFreshness(b *testing.B) {
	r := startRig(b)
	n := events(b, loadEvents/2)
	r.pipeline(b, n, loadBatch, loadInFlight) // compiles what matters
	rate := r.pipeline(b, n, loadBatch, loadInFlight).rate()
	p := r.prober(b)
	s, rounds, probes := &sheet{}, number(b, "LOAD_ROUNDS", freshRounds), number(b, "LOAD_PROBES", freshProbes)
	p.probe(b, s, "warm-up", probes/4)
	for range inRounds(b, rounds) {
		idle := p.probe(b, s, "idle", probes)
		loaded := p.underLoad(b, s, rate/2, probes)
		s.add(lineFreshP50, fmt.Sprintf("≤ %d", (freshRefresh/2+100*time.Millisecond).Milliseconds()), millis(part(idle, 0.5)))
		s.add(lineFreshP99, fmt.Sprintf("≤ %d", (freshRefresh+150*time.Millisecond).Milliseconds()), millis(part(idle, 0.99)))
		s.add("longest, idle, ms", "", millis(part(idle, 1)))
		s.add("p50 until searchable, at half load, ms", "", millis(part(loaded, 0.5)))
		s.add("p99 until searchable, at half load, ms", "", millis(part(loaded, 0.99)))
		s.add("events a second at half load", "", rate/2)
	}
	about := fmt.Sprintf("freshness of single events, %d rounds of %d, idle and at half load; refreshes every %s", rounds, probes, freshRefresh)
	s.publish(b, r.machine, about, metric{"p50-ms", lineFreshP50}, metric{"p99-ms", lineFreshP99})
}

// Lines that are looked up by name.
const (
	lineFreshP50 = "p50 until searchable, idle, ms"
	lineFreshP99 = "p99 until searchable, idle, ms"
)

// prober sends events one by one and looks for them.
type prober struct {
	*rig
	url, token, alias string
	tenant            *simulator.Tenant
	sender            *wire
}

func (r *rig) prober(b *testing.B) *prober {
	b.Helper()
	url, token, namespace := r.endpoint(b)
	sender, err := dialWire(url, token)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = sender.conn.Close() })
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: uint64(time.Now().UnixNano()), Name: "load-probe", Start: time.Now().Add(-time.Hour), Step: time.Millisecond})
	return &prober{rig: r, url: url, token: token, alias: period.Alias(namespace), tenant: tenant, sender: sender}
}

// probe times n events and returns how long they took, shortest first.
func (p *prober) probe(b *testing.B, s *sheet, what string, n int) []time.Duration {
	b.Helper()
	begun, looked := make(chan sight, n), make(chan []time.Duration, 1)
	failed := make(chan error, 1)
	start, begin := p.now(b), time.Now()
	go func() {
		all, err := p.look(b.Context(), begun)
		failed <- err
		looked <- all
	}()
	for range n {
		time.Sleep(freshGap/3 + rand.N(freshGap*4/3))
		event := p.tenant.Next()
		begun <- sight{event.LogID, time.Now()}
		if err := p.sender.post(event.JSON); err != nil {
			b.Fatal(err)
		}
	}
	close(begun)
	if err := <-failed; err != nil {
		b.Fatal(err)
	}
	s.watch("freshness, "+what, p.now(b).minus(start), time.Since(begin))
	all := <-looked
	slices.Sort(all)
	return all
}

// sight is an event that is on its way, and when its delivery began.
type sight struct {
	id    string
	begun time.Time
}

// look asks for all events that are on their way until there will be no more.
func (p *prober) look(ctx context.Context, begun <-chan sight) (took []time.Duration, err error) {
	tick := time.NewTicker(freshLook)
	defer tick.Stop()
	waiting, more := map[string]time.Time{}, true
	for more || len(waiting) > 0 {
		select {
		case one, open := <-begun:
			if more = open; open {
				waiting[one.id] = one.begun
			} else {
				begun = nil
			}
			continue
		case <-tick.C:
		}
		found, err := p.find(ctx, waiting)
		if err != nil {
			return nil, err
		}
		now := time.Now()
		for _, id := range found {
			took = append(took, now.Sub(waiting[id]))
			delete(waiting, id)
		}
		for id, since := range waiting {
			if now.Sub(since) > freshLimit {
				return nil, fmt.Errorf("event %s is not searchable after %s", id, now.Sub(since))
			}
		}
	}
	return took, nil
}

// find returns which of the events a search finds now.
func (p *prober) find(ctx context.Context, waiting map[string]time.Time) (ids []string, err error) {
	if len(waiting) == 0 {
		return nil, nil
	}
	asked := make([]string, 0, len(waiting))
	for id := range waiting {
		asked = append(asked, id)
	}
	answered, err := p.elastic.Search(ctx, p.alias, object{
		"size": len(asked), "_source": false, "query": object{"terms": object{"event.id": asked}}, "sort": []any{object{"event.id": "asc"}},
	})
	if elastic.Status(err) == http.StatusServiceUnavailable {
		return nil, nil // the index is being made
	}
	if err != nil {
		return nil, err
	}
	for _, hit := range answered.Hits {
		if id, ok := hit.Sort[0].(string); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// underLoad times n events beside a load of so many events a second, to the same endpoint, and waits until that is gone.
func (p *prober) underLoad(b *testing.B, s *sheet, rate float64, n int) []time.Duration {
	b.Helper()
	before, seconds := p.indexed(b), (time.Duration(n+10) * freshGap * 5 / 4).Seconds()
	bodies := p.deliveries(int(rate*seconds), loadBatch)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	ended, failed := make(chan paced, 1), make(chan error, 1)
	go func() {
		seen, err := postPaced(ctx, p.url, p.token, bodies, rate/loadBatch, len(bodies))
		failed <- err
		ended <- seen
	}()
	all := p.probe(b, s, "at half load", n)
	cancel()
	if err := <-failed; err != nil {
		b.Fatal(err)
	}
	sent := len((<-ended).latencies) * loadBatch
	harness.Await(b, 5*time.Minute, "the load indexed", func() bool { return p.indexed(b)-before >= sent+n })
	return all
}
