package replay_test

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/test/harness"
)

const days = 30

// amount is how many events are replayed, and how their indices are cut: with few events thirty indices would cost more
// than what is to be seen.
func amount(t *testing.T) (n int, unit string) {
	t.Helper()
	text := os.Getenv("REPLAY_EVENTS")
	if text == "" {
		return 3000, "week"
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 100 {
		t.Fatalf("REPLAY_EVENTS=%q: want a number of at least 100", text)
	}
	return n, "day"
}

// source makes the same events every time, spread over the days before.
func source(seed uint64, begin time.Time, n int) func() (simulator.Event, bool) {
	tenant := simulator.NewTenant(simulator.TenantOptions{
		Seed: seed, Name: fmt.Sprintf("replay-%x", seed), Start: begin, Step: days * 24 * time.Hour / time.Duration(n+n/20),
	})
	made := 0
	return func() (simulator.Event, bool) {
		if made == n {
			return simulator.Event{}, false
		}
		made++
		return tenant.Next(), true
	}
}

func TestAReplayOfOldEventsAddsNothingAlthoughAnswersAreLost(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	n, unit := amount(t)
	seed := uint64(time.Now().UnixNano())
	begin := time.Now().UTC().AddDate(0, 0, -days)
	t.Logf("seed %d: %d events since %s, an index per %s, %d indexers", seed, n, begin.Format(time.DateOnly), unit, indexers)
	r := newRig(t, unit)
	once := simulator.StreamOptions{Batch: 100, Concurrency: 4}

	first := r.measure("first write", n, func() { r.send(once, source(seed, begin, n), n) })
	before := r.stored()
	again := r.measure("replay", n, func() { r.send(once, source(seed, begin, n), n) })
	r.same(before, "a replay")
	// A bulk that was given up after its time and applied all the same is a duplicate when it is sent again, so there may be
	// fewer documents indexed than events.
	if said := r.verdicts(); said.Indexed > n || said.Indexed+said.Duplicate < 2*n || said.Dead != 0 {
		t.Errorf("the indexers say %+v", said)
	}
	for i, gate := range r.gates {
		gate.LoseAnswers(0.2, seed+uint64(i))
	}
	other := simulator.StreamOptions{Batch: 70, Concurrency: 4, Shape: simulator.Array, Encoding: "gzip", DuplicateShare: 0.1, DisorderShare: 0.05, Seed: seed}
	lossy := r.measure("replay, answers lost", n, func() { r.send(other, source(seed, begin, n), n) })
	lost := 0
	for i, gate := range r.gates {
		lost += gate.Lost()
		gate.LoseAnswers(0, 0)
		t.Logf("indexer %d: %d answers lost", i+1, gate.Lost())
	}
	r.same(before, "a replay with answers lost")
	if lost == 0 {
		t.Error("no answer was lost: this proves nothing")
	}
	r.complete(source(seed, begin, n), n)
	t.Logf("%d documents in %d indices; new documents: 0 in two replays, %d answers lost; the indexers counted %+v", n, len(before), lost, r.verdicts())
	for _, c := range []*cost{first, again, lossy} {
		t.Log(c)
	}
}

// same fails when an index has another number of documents than before.
func (r *rig) same(before map[string]int64, what string) {
	r.t.Helper()
	if after := r.stored(); !maps.Equal(before, after) {
		r.t.Fatalf("%s changed the indices from %v to %v", what, before, after)
	}
}

// complete fails unless exactly the events are there, each once.
func (r *rig) complete(next func() (simulator.Event, bool), n int) {
	r.t.Helper()
	found := r.found()
	missing, doubled := 0, 0
	for e, more := next(); more; e, more = next() {
		switch found[e.LogID] {
		case 0:
			missing++
		case 1:
		default:
			doubled++
		}
	}
	if missing+doubled > 0 || len(found) != n {
		r.t.Fatalf("%d events missing, %d doubled, %d found of %d", missing, doubled, len(found), n)
	}
}

// cost is the processor time of a stretch, by process.
type cost struct {
	name                       string
	events                     int
	took                       time.Duration
	elastic, compiling, sluice time.Duration
}

// String tells the cost per million events.
func (c *cost) String() string {
	million := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(c.events) }
	return fmt.Sprintf("%-20s %7.0f events/s; CPU-seconds a million: Elasticsearch %5.0f (and %.0f its compilers), Sluice without NATS %5.0f",
		c.name, float64(c.events)/c.took.Seconds(), million(c.elastic), million(c.compiling), million(c.sluice))
}

func (r *rig) measure(name string, events int, work func()) *cost {
	r.t.Helper()
	clocks := func() (elastic harness.Clock, sluice []harness.Clock) {
		elastic = r.clock(r.server)
		for _, p := range r.services {
			sluice = append(sluice, r.clock(p.cmd.Process.Pid))
		}
		return elastic, sluice
	}
	elastic, sluice := clocks()
	begin := time.Now()
	work()
	c := &cost{name: name, events: events, took: time.Since(begin)}
	elasticAfter, sluiceAfter := clocks()
	c.elastic, c.compiling = elasticAfter.Since(elastic)
	for i := range sluice {
		used, _ := sluiceAfter[i].Since(sluice[i])
		c.sluice += used
	}
	return c
}

// clock is empty where a process cannot be looked at: then its cost is not told.
func (r *rig) clock(pid int) harness.Clock {
	c, err := harness.ReadClock(pid)
	if err != nil {
		r.t.Logf("no processor time of process %d: %v", pid, err)
	}
	return c
}
