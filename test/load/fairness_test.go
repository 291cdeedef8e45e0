package load_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/period"
)

// What BenchmarkFairness does.
const (
	fairEvents   = 100_000 // of the large endpoint
	fairRounds   = 3
	fairAlone    = 5 * time.Second
	fairEvery    = 50 * time.Millisecond // the small endpoint posts an event
	fairSlow     = 10_000                // documents a second of a slow sink
	fairBound    = 1000.0                // milliseconds that the small endpoint's p99 may grow by
	fairDaysBack = 3                     // of the small endpoint's events, which makes their index another one
)

// way is one way in which the two endpoints meet.
type way struct {
	name  string
	rate  float64 // of the sink
	apart bool    // the small endpoint has a namespace of its own
}

func ways() []way {
	return []way{
		{"the enricher is the slowest, one namespace", 0, false},
		{"the sink is the slowest, one namespace", fairSlow, false},
		{"the sink is the slowest, two namespaces", fairSlow, true},
	}
}

// fair is what a round found.
type fair struct {
	alone, beside []time.Duration // from POST to indexed, shortest first
	replay        time.Duration   // from the first POST of the large endpoint until all of it was indexed
}

// BenchmarkFairness has one endpoint send a large replay, 100,000 events as fast as they are acknowledged, and another one a
// single event every 50 ms. It measures the small one's freshness, from POST until its document was indexed, with and
// without the replay beside it. The fake sink stands in for Elasticsearch; where it is to be the slowest, it takes 10,000
// documents a second. What is not handed out fairly waits for the whole replay, and longer the larger that is: the target
// is a bound that does not depend on its size.
//
// LOAD_ROUNDS and LOAD_EVENTS change how much; LOAD_ANYWAY and LOAD_RESULTS as for BenchmarkSearchable.
func BenchmarkFairness(b *testing.B) {
	n, rounds := events(b, fairEvents), number(b, "LOAD_ROUNDS", fairRounds)
	var all sheet
	for round := range inRounds(b, rounds) {
		for _, w := range ways() {
			f := w.measure(b, &all, n)
			tell(b, "round %d, %s: p99 %s alone, %s beside a replay of %s", round+1, w.name, part(f.alone, 0.99), part(f.beside, 0.99), f.replay)
			f.add(&all, w.name)
		}
	}
	about := fmt.Sprintf("an endpoint's freshness, POST to indexed, beside the replay of another, fake sink (where it is the slowest it takes %d documents a second): %d rounds, a replay of %d events, a single event every %s beside it",
		fairSlow, rounds, n, fairEvery)
	first := ways()[0].name
	all.publish(b, openMachine(b), about, metric{"alone-p99-ms", first + lineAlone}, metric{"beside-p99-ms", first + lineBeside})
}

// Lines that are looked up by name, after that of the way.
const (
	lineAlone  = ": alone p99, ms"
	lineBeside = ": beside p99, ms"
)

func (f fair) add(all *sheet, name string) {
	all.add(name+": alone p50, ms", "", millis(part(f.alone, 0.5)))
	all.add(name+lineAlone, "", millis(part(f.alone, 0.99)))
	all.add(name+": beside p50, ms", "", millis(part(f.beside, 0.5)))
	all.add(name+lineBeside, "", millis(part(f.beside, 0.99)))
	all.add(name+": p99 grown by, ms", fmt.Sprintf("≤ %.0f", fairBound), millis(part(f.beside, 0.99)-part(f.alone, 0.99)))
	all.add(name+": the replay took, ms", "", millis(f.replay))
}

// measure runs one round in a Sluice of its own.
func (w way) measure(b *testing.B, all *sheet, n int) (f fair) {
	b.Helper()
	p := newProbe()
	a := startApart(b, startSink(b, func(s *sink) { s.rate, s.seen = w.rate, p.seen }))
	defer a.stop(b)
	large := a.endpoint(b, "large")
	namespace := "large"
	if w.apart {
		namespace = "small"
	}
	small := a.endpoint(b, namespace)
	p.index = period.Index(namespace, p.start.UTC().Format("2006.01.02"))
	for _, stage := range []string{stageReceiver, stageEnricher, stageIndexer} {
		a.run(b, stage, 1)
	}
	a.post(b, made(backlogWarmUp, 1), backlogWindow, large)
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	until, stop := context.WithTimeout(ctx, fairAlone)
	f.alone = p.run(ctx, until, b, a, small)
	stop()
	start, begin := a.now(b), time.Now()
	until, stop = context.WithCancel(ctx)
	done := make(chan []time.Duration, 1)
	go func() { done <- p.run(ctx, until, b, a, small) }()
	a.post(b, made(n, 1), 0, large)
	err := a.sink.until(ctx, func() bool {
		have := a.sink.in(period.Index("large", ""))
		if !w.apart {
			have -= a.sink.in(p.index)
		}
		return have >= backlogWarmUp+n
	})
	f.replay = time.Since(begin)
	d, took := a.now(b).since(start)
	stop()
	if f.beside = <-done; err != nil {
		b.Fatal(err)
	}
	a.indexed(b)
	all.watch(w.name, d.spent, took)
	return f
}

// probe sends single events and notes when each was indexed.
type probe struct {
	start  time.Time // of the events
	index  string    // where they arrive
	tenant *simulator.Tenant

	mu      sync.Mutex
	waiting map[string]time.Time // when it was sent, by log_id
	took    []time.Duration
	arrived chan struct{} // gets a token when one was indexed
}

func newProbe() *probe {
	start := time.Now().Add(-fairDaysBack * 24 * time.Hour)
	return &probe{
		start: start, tenant: simulator.NewTenant(simulator.TenantOptions{Seed: 2, Name: "small", Start: start, Step: time.Millisecond}),
		waiting: map[string]time.Time{}, arrived: make(chan struct{}, 1),
	}
}

// seen is told of every document that was indexed.
func (p *probe) seen(action, document []byte) {
	if !bytes.Contains(action, []byte(p.index)) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, sent := range p.waiting {
		if bytes.Contains(document, []byte(id)) {
			p.took = append(p.took, time.Since(sent))
			delete(p.waiting, id)
			break
		}
	}
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

// run sends until a context ends, waits for what is under way, and returns how long each took, shortest first.
func (p *probe) run(ctx, until context.Context, b *testing.B, a *apart, to target) []time.Duration {
	b.Helper()
	tick := time.NewTicker(fairEvery)
	defer tick.Stop()
	var posts sync.WaitGroup
	for until.Err() == nil {
		posts.Go(func() { p.send(b, a, to) })
		select {
		case <-tick.C:
		case <-until.Done():
		}
	}
	posts.Wait()
	for {
		p.mu.Lock()
		left, took := len(p.waiting), p.took
		if left == 0 {
			p.took = nil
		}
		p.mu.Unlock()
		if left == 0 {
			slices.Sort(took)
			return took
		}
		select {
		case <-p.arrived:
		case <-ctx.Done():
			b.Errorf("%d single events were not indexed", left)
			return []time.Duration{0}
		}
	}
}

// send posts one event.
func (p *probe) send(b *testing.B, a *apart, to target) {
	b.Helper()
	wire, err := dialWire(a.of(stageReceiver)[0].public+to.path, to.token)
	if err != nil {
		b.Error(err)
		return
	}
	defer func() { _ = wire.conn.Close() }()
	p.mu.Lock()
	event := p.tenant.Next()
	p.waiting[event.LogID] = time.Now()
	p.mu.Unlock()
	if err := wire.post(append(event.JSON, '\n')); err != nil {
		b.Error(err)
		return
	}
	a.sent.Add(1)
}
