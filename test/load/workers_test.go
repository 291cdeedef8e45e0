package load_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// What BenchmarkWorkers does.
const (
	workersEvents   = 200_000
	workersRounds   = 3
	workersInFlight = 16 // deliveries at a time, however many receivers there are

	// workersBound is the most that an event may cost more with more processes than with one. Twice the processes share the
	// same messages, so each pulls fewer at a time, and has timers and a connection of its own.
	workersBound = "≤ 1.25"
)

// BenchmarkWorkers measures each stage by itself with 1, 2 and 4 processes: receivers while no worker runs, then enrichers
// on what these acknowledged while no indexer runs, then indexers on what those have mapped, into the fake sink. So a stage
// has all processors but what NATS, the sender or the sink take.
//
// Each process has one processor (GOMAXPROCS=1), or a single one would use up all of a small machine. More processes cannot
// bring more than the processors of the machine that NATS leaves them. So beside events a second stands what an event costs
// in CPU-seconds a million, of the stage and of NATS. That must not rise with the number of processes: then another
// machine's processors bring what these do, until NATS has none left.
//
// LOAD_ROUNDS and LOAD_EVENTS change how much; LOAD_ANYWAY and LOAD_RESULTS as for BenchmarkSearchable.
func BenchmarkWorkers(b *testing.B) {
	var all sheet
	n, rounds := events(b, workersEvents), number(b, "LOAD_ROUNDS", workersRounds)
	for range inRounds(b, rounds) {
		first := map[string]cost{}
		for _, count := range []int{1, 2, 4} {
			measureWorkers(b, &all, n, count, first)
		}
	}
	about := fmt.Sprintf("1, 2 and 4 processes of each stage by itself, each with one processor of %d, NATS a process of its own, fake sink: %d rounds of %d events, %d in a delivery, %d deliveries at a time; more than the processors cannot be used",
		runtime.NumCPU(), rounds, n, loadBatch, workersInFlight)
	all.publish(b, openMachine(b), about, metric{"acked/s", lineRate(stageReceiver, 1)}, metric{"mapped/s", lineRate(stageEnricher, 1)}, metric{"indexed/s", lineRate(stageIndexer, 1)})
}

// lineRate names the line of a stage's rate.
func lineRate(stage string, count int) string {
	done := map[string]string{stageReceiver: "acknowledged", stageEnricher: "mapped", stageIndexer: "indexed (fake sink)"}
	return fmt.Sprintf("%s events a second, %d × %s", done[stage], count, stage)
}

// measureWorkers sends n events through so many processes of one stage after the other.
func measureWorkers(b *testing.B, all *sheet, n, count int, first map[string]cost) {
	b.Helper()
	a := startApart(b, startSink(b))
	defer a.stop(b)
	a.inFlight, a.env = workersInFlight, append(a.env, "GOMAXPROCS=1")
	a.endpoint(b, "load")
	bodies, begin := made(n, 1), a.now(b)
	for _, stage := range []struct {
		name string
		done func() int // events that this stage is done with
		work func()
	}{
		{stageReceiver, func() int { return int(a.sent.Load()) }, func() { a.post(b, bodies, 0) }},
		{stageEnricher, func() int { return a.mapped(b) }, func() {
			harness.Await(b, 5*time.Minute, "all events mapped", func() bool { return a.mapped(b) >= n })
		}},
		{stageIndexer, a.sink.total, func() { a.indexed(b) }},
	} {
		release := a.sink.hold()
		a.run(b, stage.name, count)
		release()
		start, before := a.now(b), stage.done() // enrichers begin before they say that they are ready
		stage.work()
		d, took := a.now(b).since(start)
		a.end(b, stage.name)
		if n-before < n/4 {
			b.Fatalf("%d × %s had done %d of %d events before they were ready: LOAD_EVENTS is too small", count, stage.name, before, n)
		}
		addWorkers(all, stage.name, count, float64(n-before)/took.Seconds(), d.cost(n-before), first)
	}
	d, took := a.now(b).since(begin) // a stage is too short to tell what is others' from what the kernel does for it
	all.watch(fmt.Sprintf("%d of each", count), d.spent, took)
}

func addWorkers(all *sheet, stage string, count int, rate float64, c cost, first map[string]cost) {
	if count == 1 {
		first[stage] = c
	}
	all.add(lineRate(stage, count), "", rate)
	all.add(fmt.Sprintf("CPU-s a million, %d × %s", count, stage), "", c.stage[stage])
	all.add(fmt.Sprintf("CPU-s a million, NATS beside %d × %s", count, stage), "", c.stage[stageNATS])
	if count > 1 {
		all.add(fmt.Sprintf("cost of both, %d × %s against 1", count, stage), workersBound, c.all/first[stage].all)
	}
}
