package fault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/test/harness"
)

// Sizes of the streams for an outage, in bytes per event, as the README advises: twice what the simulator's events take when they
// are packed. Half as much again is left free, because finished messages go only when a stream is half full.
const (
	deliveryBytes = 560
	documentBytes = 860
)

// phase is one stretch of an outage's run.
type phase struct {
	name    string
	took    time.Duration
	waits   []time.Duration // of acknowledged deliveries
	memory  map[string][]int64
	refused string
}

// TestOutage takes Elasticsearch away for as long as -outage says, at -rate events per second. The sender must notice
// nothing, memory must stay flat, and everything must be searchable exactly once afterwards.
func TestOutage(t *testing.T) {
	if options.outage <= 0 {
		t.Skip("give a time with -outage, or run `make outage DURATION=10m RATE=2000`")
	}
	l := newLab(t, true)
	if why := skips(l, &fault{own: true}); why != "" {
		t.Skip(why)
	}
	dir := harness.Dir(t)
	dice := rand.New(rand.NewPCG(options.seed, 5))
	r, err := newRig(t.Context(), l, dir, 1, 0, dice)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.end(); err != nil {
			t.Error(err)
		}
	}()
	sizes := roomFor(options.rate, 2*calmTime+options.outage)
	t.Logf("seed %d, logs and data: %s, room for deliveries %d MiB, for documents %d MiB", options.seed, dir, sizes[stream.Deliveries]>>20, sizes[stream.Documents]>>20)
	if err := r.setup(t.Context(), sizes); err != nil {
		t.Fatal(err)
	}
	x, err := newTrial(t.Context(), r, &fault{name: "outage"}, options.seed, options.rate)
	if err != nil {
		t.Fatal(err)
	}
	x.book.brief = true
	if err := x.outage(t); err != nil {
		t.Errorf("%v\nlogs and data: %s", err, dir)
	}
}

// roomFor sizes the streams so that all of a load fits while nothing leaves them.
func roomFor(rate float64, span time.Duration) map[string]int64 {
	events := rate * span.Seconds() * 1.5
	return map[string]int64{stream.Deliveries: int64(events * deliveryBytes), stream.Documents: int64(events * documentBytes)}
}

// calmTime is how long the load runs before Elasticsearch goes.
const calmTime = time.Minute

// outage is calm, outage, catching up and check.
func (x *trial) outage(t *testing.T) error {
	t.Helper()
	manner := []flow{{1, 0, simulator.StreamOptions{Shape: simulator.Lines, Batch: 100, Concurrency: 8}}}
	load, err := startFlows(x.ctx, x.book, x.url, x.token, x.rate, x.dice, manner)
	if err != nil {
		return err
	}
	x.watch("JVM and caches warm up", until(calmTime/2))
	phases := []*phase{x.watch("Elasticsearch there", until(calmTime))}
	heal, err := elasticKill(x)
	if err != nil {
		return err
	}
	third := until(options.outage / 3)
	phases = append(phases, x.watch("away, first third", third))
	phases = append(phases, x.watch("away, second third", until(options.outage/3)))
	phases = append(phases, x.watch("away, last third", until(options.outage/3)))
	if err := heal(); err != nil {
		return err
	}
	waiting, err := x.conn.Overall(x.ctx, stream.Documents, stream.Indexer(x.namespace))
	if err != nil {
		return err
	}
	indexed := x.counted(`sluice_indexer_documents_total{verdict="indexed"}`)
	begin := time.Now()
	var caughtErr error
	caught := make(chan struct{})
	go func() { defer close(caught); _, caughtErr = x.caughtUp(x.ctx, 30*time.Minute) }()
	phases = append(phases, x.watch("catching up", func(time.Duration) bool {
		select {
		case <-caught:
			return true
		default:
			return false
		}
	}))
	took := time.Since(begin)
	x.saw("%d messages waited; %.0f documents in %s: %.0f a second, while %.0f a second arrived", waiting.Waiting,
		x.counted(`sluice_indexer_documents_total{verdict="indexed"}`)-indexed, age(took), (x.counted(`sluice_indexer_documents_total{verdict="indexed"}`)-indexed)/took.Seconds(), x.rate)
	writePhases(phases)
	// What came meanwhile is a backlog, too. With no load beside it, it must be gone sooner than that of the outage was.
	if err := errors.Join(caughtErr, load.finish(finishLimit), x.quiet(x.ctx, max(quietLimit, took))); err != nil {
		return err
	}
	v, err := x.check(x.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "acknowledged %d searchable %d missing %d doubled %d; answers to the sender other than 200:%s\n%s\n", v.acked, v.searchable, v.missing, v.doubled,
		x.book.failures(nil), strings.Join(x.evidence, "; "))
	if len(v.problems) > 0 {
		return errors.New(strings.Join(v.problems, "; "))
	}
	return errors.Join(flatMemory(phases), flatAnswers(phases))
}

// until ends a phase after a time.
func until(d time.Duration) func(time.Duration) bool {
	return func(past time.Duration) bool { return past >= d }
}

// watch looks at the memory of all processes every second until over says so, and takes the latencies of that time.
func (x *trial) watch(name string, over func(past time.Duration) bool) *phase {
	p := &phase{name: name, memory: map[string][]int64{}}
	x.book.takeWaits()
	before := x.book.attempts()
	begin := time.Now()
	for x.ctx.Err() == nil && !over(time.Since(begin)) {
		total := int64(0)
		for _, proc := range x.processes() {
			n := resident(proc.pid())
			p.memory[proc.name] = append(p.memory[proc.name], n)
			total += n
		}
		p.memory["all"] = append(p.memory["all"], total)
		x.pause(time.Second)
	}
	p.took, p.waits, p.refused = time.Since(begin), x.book.takeWaits(), x.book.failures(before)
	slices.Sort(p.waits)
	writePhases([]*phase{p}) // at once: whoever ends the run early keeps what it has shown
	return p
}

// processes are all programs of Sluice, NATS included.
func (x *trial) processes() []*process {
	all := []*process{x.nats}
	for _, name := range x.order {
		all = append(all, x.services[name].process)
	}
	return all
}

// resident is the memory of a process in bytes, 0 where the system does not tell.
func resident(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(raw), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// takeWaits returns the latencies since the last call.
func (b *book) takeWaits() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	waits := b.waits
	b.waits = nil
	return waits
}

// share is the value below which so much of a sorted list lies.
func share[T any](sorted []T, part float64) (v T) {
	if len(sorted) > 0 {
		v = sorted[min(int(float64(len(sorted))*part), len(sorted)-1)]
	}
	return v
}

func writePhases(phases []*phase) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PHASE\tTOOK\tDELIVERIES\tP50\tP99\tMAX\tMiB OF ALL, MEDIAN..MAX\tOF EACH, MAX\tREFUSED")
	for _, p := range phases {
		var each []string
		for _, name := range slices.Sorted(keysBut(p.memory, "all")) {
			each = append(each, fmt.Sprintf("%s %d", name, slices.Max(p.memory[name])>>20))
		}
		all := slices.Sorted(slices.Values(p.memory["all"]))
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%d..%d\t%s\t%s\n", p.name, age(p.took), len(p.waits), millis(share(p.waits, 0.5)), millis(share(p.waits, 0.99)), millis(share(p.waits, 1)),
			share(all, 0.5)>>20, share(all, 1)>>20, strings.Join(each, ", "), p.refused)
	}
	_ = w.Flush() // it is for people
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func keysBut(m map[string][]int64, not string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if k != not && !yield(k) {
				return
			}
		}
	}
}

// flatAnswers compares the answers while Elasticsearch was away with those before: the sender must not notice. A fifth of
// a second is allowed for a machine that does other things; Auth0 waits for tens of them.
func flatAnswers(phases []*phase) error {
	calm := share(phases[0].waits, 0.99)
	for _, p := range phases[1:4] {
		if p.refused != "" {
			return fmt.Errorf("the sender noticed: in %q it was answered%s", p.name, p.refused)
		}
		if slow := share(p.waits, 0.99); slow > 2*calm+200*time.Millisecond {
			return fmt.Errorf("p99 of an answer rose from %s to %s in %q", calm, slow, p.name)
		}
	}
	return nil
}

// flatMemory compares the last third of the outage with the first: what grows with the backlog would show. Before the
// outage less is held, because nothing waits; that there is a bound at all is what the ceiling says.
func flatMemory(phases []*phase) error {
	median := func(p *phase) int64 { return share(slices.Sorted(slices.Values(p.memory["all"])), 0.5) }
	first, last := median(phases[1]), median(phases[3])
	if last > first*5/4+(32<<20) {
		return fmt.Errorf("memory grew while Elasticsearch was away: from %d to %d MiB", first>>20, last>>20)
	}
	if calm := median(phases[0]); last > 2*calm+(64<<20) {
		return fmt.Errorf("memory grew when Elasticsearch went away: from %d to %d MiB", calm>>20, last>>20)
	}
	return nil
}
