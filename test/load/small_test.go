package load_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/period"
)

// The small machine, and how it is loaded.
const (
	smallMemory  = 512 << 20
	smallLimit   = "GOMEMLIMIT=400MiB" // the heap is not all that is resident
	smallRate    = 8_000               // events a second
	smallSeconds = 15
	smallRounds  = 2
	smallEvents  = 50_000
)

// BenchmarkSmall measures the all-in-one on a small machine: all its threads bound to one processor, GOMAXPROCS=1,
// GOMEMLIMIT=400MiB. Its resident memory is watched, twenty times a second, and the benchmark fails when it exceeds 512 MiB;
// no cgroup limits it, because those that containers have here cannot be made by a benchmark. What the target calls
// elsewhere is the other processor: there run Elasticsearch and the load generator.
//
// First the real Elasticsearch, which on one processor with the generator beside it may well be the limit: the lines of how
// busy the two processors were tell. Then a fake sink, which answers bulk requests and stores nothing, to see what the
// pipeline itself can do. Each round sends events as fast as they are taken until all are indexed, and then 8,000 a
// second for some seconds; the pipeline holds that rate when it is hardly behind at the end.
//
// LOAD_ROUNDS, LOAD_EVENTS and LOAD_SECONDS (at 8,000 a second) change how much, LOAD_WARMUP how many documents come before.
func BenchmarkSmall(b *testing.B) {
	cpus, err := processors()
	if err != nil || len(cpus) < 2 {
		b.Skipf("two processors are needed, and the right to bind to them: %v %v", cpus, err)
	}
	es := startScale(b)
	s, n, rounds := &sheet{}, events(b, smallEvents), number(b, "LOAD_ROUNDS", smallRounds)
	docs := startSmall(b, es.url, es.pid)
	docs.warmUp(b, docs.samples(b, loadSamples))
	undo := bind(b, cpus, es.pid, docs)
	for range inRounds(b, rounds, "Elasticsearch") {
		docs.small(b, s, "Elasticsearch", n, func(namespace string) (int, error) {
			if err := docs.elastic.Refresh(b.Context(), period.Alias(namespace)); err != nil {
				return 0, err
			}
			found, err := docs.elastic.Count(b.Context(), period.Alias(namespace), nil)
			return int(found), err
		})
	}
	docs.up.Stop()
	fake := startSink(b)
	r := startSmall(b, fake.url, 0)
	defer undo()
	if err := pin(r.up.PID, cpus[0]); err != nil {
		b.Fatal(err)
	}
	for range inRounds(b, rounds, "fake sink") {
		r.small(b, s, "fake sink", n, func(namespace string) (int, error) { return fake.in(period.Alias(namespace)), nil })
	}
	about := fmt.Sprintf("one processor and less than 512 MiB, %d rounds of %d events, %d in a delivery, %d deliveries at a time", rounds, n, loadBatch, loadInFlight)
	s.publish(b, r.machine, about, metric{"indexed/s", lineSmall}, metric{"MiB", "fake sink: " + lineSmallMemory})
}

// Lines that are looked up by name.
const (
	lineSmall       = "fake sink: events a second, until indexed"
	lineSmallMemory = "resident memory, MiB"
)

func startSmall(b *testing.B, url string, pid int) *rig {
	b.Helper()
	return startRigOn(b, url, pid, "GOMAXPROCS=1", smallLimit)
}

// bind gives Sluice the first processor, and the second one to Elasticsearch and to this process; undo frees this process.
func bind(b *testing.B, cpus []int, elastic int, r *rig) (undo func()) {
	b.Helper()
	for pid, cpu := range map[int]int{r.up.PID: cpus[0], elastic: cpus[1], os.Getpid(): cpus[1]} {
		if err := pin(pid, cpu); err != nil {
			b.Fatal(err)
		}
	}
	return func() {
		if err := pin(os.Getpid(), cpus...); err != nil {
			b.Error(err)
		}
	}
}

// small is one round: as fast as it goes, then at the rate that is to be held.
func (r *rig) small(b *testing.B, s *sheet, where string, n int, arrived func(namespace string) (int, error)) {
	b.Helper()
	target := ""
	if where == "fake sink" {
		target = "≥ 8000"
	}
	fast := r.smallRun(b, s, r.deliveries(n, loadBatch), arrived, func(url, token string, bodies [][]byte) error {
		_, err := postAll(url, token, bodies, loadInFlight)
		return err
	})
	steady := number(b, "LOAD_SECONDS", smallSeconds) * smallRate
	var seen paced
	slow := r.smallRun(b, s, r.deliveries(steady, loadBatch), arrived, func(url, token string, bodies [][]byte) (err error) {
		seen, err = postPaced(b.Context(), url, token, bodies, smallRate/loadBatch, len(bodies))
		return err
	})
	add := func(name, target string, value float64) { s.add(where+": "+name, target, value) }
	add("events a second, until indexed", target, fast.rate())
	add("acknowledged events a second meanwhile", "", float64(n)/fast.acked.Seconds())
	add("CPU-s a million: Sluice, with NATS", "", fast.million(fast.spent.sluice))
	add("Sluice's processor busy, %", "", 100*fast.spent.sluice/fast.took.Seconds())
	add("the other processor busy, %", "", 100*(fast.spent.elastic+fast.spent.generator)/fast.took.Seconds())
	add(lineSmallMemory, "≤ 512", float64(max(fast.memory, slow.memory))/(1<<20))
	add("seconds behind after 8,000 a second", "", (slow.took - slow.acked).Seconds())
	add("p99 of an answer at 8,000 a second, ms", "", millis(part(seen.latencies, 0.99)))
}

// smallRun is sent with the bound of the small machine.
func (r *rig) smallRun(b *testing.B, s *sheet, bodies [][]byte, arrived func(namespace string) (int, error), post func(url, token string, bodies [][]byte) error) stretch {
	b.Helper()
	done := r.sent(b, s, "small machine", bodies, arrived, post)
	if done.memory > smallMemory {
		b.Errorf("%d MiB were resident", done.memory>>20)
	}
	return done
}

// sent sends bodies to a fresh namespace and waits until all events are indexed.
func (r *rig) sent(b *testing.B, s *sheet, what string, bodies [][]byte, arrived func(namespace string) (int, error), post func(url, token string, bodies [][]byte) error) stretch {
	b.Helper()
	url, token, namespace := r.endpoint(b)
	n, before := count(bodies), r.indexed(b)
	peak, start, begin := r.machine.watchMemory(b, r.up.PID), r.now(b), time.Now()
	if err := post(url, token, bodies); err != nil {
		b.Fatal(err)
	}
	done := stretch{events: n, acked: time.Since(begin)}
	r.awaitIndexed(b, before, n)
	done.took = time.Since(begin)
	done.spent, done.memory = r.now(b).minus(start), peak()
	s.watch(what, done.spent, done.took)
	if found, err := arrived(namespace); err != nil || found != n {
		b.Fatalf("%d events were acknowledged and %d arrived: %v", n, found, err)
	}
	r.drop(b, namespace)
	return done
}
