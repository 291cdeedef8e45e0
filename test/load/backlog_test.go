package load_test

import (
	"fmt"
	"testing"
)

// What BenchmarkBacklog compares.
const (
	backlogEvents  = 100_000
	backlogWaiting = 500_000
	backlogRounds  = 3
	backlogWindow  = 2_000 // events on their way at most, where the streams are to be empty
	backlogWarmUp  = 10_000

	// backlogBound is the most that an event may cost more than with one endpoint, one index and empty streams. Rounds of the
	// same differ by some hundredths; a cost that grows with what is there would be far beyond a seventh at these numbers.
	backlogBound = "≤ 1.15"
)

// shape is how much there is of what the cost of an event must not depend on.
type shape struct {
	name                        string
	waiting                     bool // all is acknowledged before the workers start
	endpoints, namespaces, days int
}

func shapes() []shape {
	return []shape{
		{"empty streams, 1 endpoint, 1 index", false, 1, 1, 1},
		{"all events waiting", true, 1, 1, 1},
		{"1,000 endpoints", false, 1000, 1, 1},
		{"200 indices: days of 1 namespace", false, 1, 1, 200},
		{"200 indices: 10 days of 20 namespaces", false, 20, 20, 10},
	}
}

// BenchmarkBacklog measures what an event costs Sluice, NATS included, from the POST to the answer of the sink: with empty
// streams, with 500,000 events waiting when the workers start, with 1,000 endpoints and with 200 indices. Services and NATS
// are processes of their own, and a fake sink stands in for Elasticsearch, whose own cost is another matter. Target: the
// ratio to the first is about 1.
//
// LOAD_ROUNDS and LOAD_EVENTS change how much, LOAD_WAITING the backlog; LOAD_ANYWAY and LOAD_RESULTS as for
// BenchmarkSearchable.
func BenchmarkBacklog(b *testing.B) {
	var all sheet
	rounds := number(b, "LOAD_ROUNDS", backlogRounds)
	for round := range inRounds(b, rounds) {
		var first cost
		for i, s := range shapes() {
			c := s.measure(b, &all)
			tell(b, "round %d, %s: %s", round+1, s.name, c)
			if i > 0 {
				all.add("ratio to it: "+s.name, backlogBound, c.all/first.all)
				continue
			}
			first = c
			all.add("CPU-s a million: "+s.name, "", c.all)
			for _, stage := range stages() {
				all.add("of that, "+stage, "", c.stage[stage])
			}
		}
	}
	about := fmt.Sprintf("cost from POST to indexed against backlog, endpoints and indices, services and NATS as processes of their own, fake sink: %d rounds of %d events, %d where all are waiting, %d in a delivery",
		rounds, events(b, backlogEvents), number(b, "LOAD_WAITING", backlogWaiting), loadBatch)
	var ratios []metric
	for i, unit := range []string{"backlog-ratio", "endpoints-ratio", "days-ratio", "namespaces-ratio"} {
		ratios = append(ratios, metric{unit, "ratio to it: " + shapes()[i+1].name})
	}
	all.publish(b, openMachine(b), about, ratios...)
}

// measure sends the shape's events through a Sluice of its own.
func (s shape) measure(b *testing.B, all *sheet) cost {
	b.Helper()
	n := events(b, backlogEvents)
	if s.waiting {
		n = number(b, "LOAD_WAITING", backlogWaiting)
	}
	sink := startSink(b)
	a := startApart(b, sink)
	defer a.stop(b)
	for i := range s.endpoints {
		a.endpoint(b, fmt.Sprintf("load%d", i%s.namespaces))
	}
	a.run(b, stageReceiver, 1)
	bodies, window := made(n, s.days), backlogWindow
	if s.waiting {
		window = 0
	} else {
		a.run(b, stageEnricher, 1)
		a.run(b, stageIndexer, 1)
		a.post(b, made(backlogWarmUp, s.days), window)
		a.indexed(b)
	}
	start := a.now(b)
	a.post(b, bodies, window)
	if s.waiting {
		a.run(b, stageEnricher, 1)
		a.run(b, stageIndexer, 1)
	}
	a.indexed(b)
	d, took := a.now(b).since(start)
	if have, want := len(sink.names()), s.namespaces*s.days; have < want*9/10 {
		b.Fatalf("%s: the events went to %d indices", s.name, have)
	}
	all.watch(s.name, d.spent, took)
	return d.cost(count(bodies))
}
