package fault_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// wanted are the faults that -fault names, in the order of the table.
func wanted(t *testing.T) []*fault {
	t.Helper()
	if options.fault == "all" {
		return faults()
	}
	return among(t, faults())
}

// among are those of all that -fault names.
func among(t *testing.T, all []*fault) []*fault {
	t.Helper()
	var some []*fault
	for name := range strings.SplitSeq(options.fault, ",") {
		i := slices.IndexFunc(all, func(f *fault) bool { return f.name == strings.TrimSpace(name) })
		if i < 0 {
			var names []string
			for _, f := range all {
				names = append(names, f.name)
			}
			t.Fatalf("there is no fault %q; choose all or some of: %s", name, strings.Join(names, ", "))
		}
		some = append(some, all[i])
	}
	return some
}

// skips says why a fault cannot run here, loudly.
func skips(l *lab, f *fault) string {
	switch {
	case f.root && os.Geteuid() != 0:
		return "it needs root"
	case f.ownDisk:
		return "" // it makes what it needs
	case f.own && l.node == nil:
		return "it needs an Elasticsearch of its own"
	case f.own && l.node.PID() == 0:
		return "the Elasticsearch runs in Docker, where its process is not ours"
	}
	return ""
}

// TestFaults runs what -fault names, with -seeds seeds from -seed on, each on a fresh rig.
func TestFaults(t *testing.T) {
	if options.fault == "" {
		t.Skip("name faults with -fault, or run `make fault`")
	}
	if isCluster() {
		t.Skip("these are faults of a cluster")
	}
	chosen := wanted(t)
	var l *lab
	if slices.ContainsFunc(chosen, func(f *fault) bool { return !f.ownDisk }) {
		l = newLab(t, slices.ContainsFunc(chosen, func(f *fault) bool { return f.own }))
	} else {
		l = bareLab(t) // each of them brings its own
	}
	results, err := openLedger(options.results)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { results.table(os.Stdout, l.build) }()
	for i := range options.seeds {
		for _, f := range chosen {
			seed := options.seed + uint64(i)
			if t.Context().Err() != nil || !options.again && results.done(l.build, f.name, seed) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", f.name, seed), func(t *testing.T) { one(t, l, results, f, seed) })
			if err := l.mend(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// one runs one fault once, writes its row, and says how to repeat it when it failed.
func one(t *testing.T, l *lab, results *ledger, f *fault, seed uint64) {
	t.Helper()
	if why := skips(l, f); why != "" {
		fmt.Fprintf(os.Stdout, "%-28s SKIPPED: %s\n", f.name, why)
		t.Skip(why)
	}
	dir := harness.Dir(t)
	if f.ownDisk {
		l = l.onPowered(t)
	}
	r := attempt(t, l, f, seed, options.rate, dir)
	fmt.Fprintln(os.Stdout, r.line())
	if err := results.add(r); err != nil {
		t.Error(err)
	}
	if r.err != nil {
		t.Errorf("%v\nlogs and data: %s\nagain: make fault FAULT=%s SEED=%d", r.err, dir, f.name, seed)
	}
}

// TestASelectionOfFaults is what CI runs: faults that need no Elasticsearch of their own, by a seed that is printed.
func TestASelectionOfFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	if options.fault != "" || options.soak > 0 || options.outage > 0 {
		t.Skip("other faults were asked for")
	}
	seed := rand.Uint64N(1 << 32)
	t.Logf("seed %d", seed)
	l := newLab(t, false)
	var mu sync.Mutex
	results := &ledger{}
	t.Run("at once", func(t *testing.T) { // each mostly waits for messages that a dead worker held
		for _, f := range faults() {
			if !slices.Contains(selection(), f.name) {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				switch why := skips(l, f); {
				case why != "" && os.Getenv("CI") != "": // what cannot run there is a failure
					t.Fatalf("this cannot run: %s", why)
				case why != "":
					t.Skipf("SKIPPED: %s", why)
				}
				t.Parallel()
				dir := harness.Dir(t)
				r := attempt(t, l, f, seed, 100, dir)
				mu.Lock()
				defer mu.Unlock()
				results.rows = append(results.rows, r)
				t.Log(r.line())
				if r.err != nil {
					t.Errorf("logs and data: %s\nagain: make fault FAULT=%s SEED=%d", dir, f.name, seed)
				}
			})
		}
	})
	results.table(os.Stdout, l.build)
}

// selection are faults that share an Elasticsearch with other tests.
func selection() []string {
	return []string{"receiver-kill", "nats-kill", "crew-kill", "elasticsearch-answers-lost", "consumers-deleted", "stop", "nats-power-cut-torn"}
}

// TestSoak runs faults by chance on one rig, as long as -soak says. What the results hold of this build and seed counts
// towards that time, so it can be interrupted.
func TestSoak(t *testing.T) {
	if options.soak <= 0 {
		t.Skip("give a time with -soak, or run `make soak DURATION=1h`")
	}
	l := newLab(t, true)
	// Finished messages go soon: a fault that fills the streams would have to wait until as much has come as lies there.
	l.tuning = append(l.tuning, "ENRICHER_REPLAY_MARGIN=5s", "INDEXER_REPLAY_MARGIN=5s")
	results, err := openLedger(options.results)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { results.table(os.Stdout, l.build) }()
	left, step := options.soak, uint64(0)
	for _, r := range results.rows {
		if r.Build != l.build {
			continue
		}
		if r.err != nil {
			t.Errorf("before it was interrupted, %s with seed %d failed: %v", r.Fault, r.Seed, r.err)
		}
		left -= r.Took
		if r.Seed >= options.seed {
			step = max(step, r.Seed-options.seed+1)
		}
	}
	var pool []*fault
	for _, f := range faults() {
		if !f.once && !f.ownDisk && skips(l, f) == "" {
			pool = append(pool, f)
		}
	}
	dir := harness.Dir(t)
	r, err := newRig(t.Context(), l, dir, 2, 0, rand.New(rand.NewPCG(options.seed, 3)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.end(); err != nil {
			t.Error(err)
		}
	}()
	total := 0
	for deadline := time.Now().Add(left); time.Now().Before(deadline); step++ {
		seed := options.seed + step
		f := pool[rand.New(rand.NewPCG(seed, 4)).IntN(len(pool))]
		x, err := newTrial(t.Context(), r, f, seed, options.rate)
		if err != nil {
			t.Fatal(err)
		}
		row := x.run()
		total += row.searchable
		fmt.Fprintln(os.Stdout, row.line())
		if err := results.add(row); err != nil {
			t.Error(err)
		}
		if row.err != nil {
			t.Fatalf("%s with seed %d: %v\nlogs and data: %s\nthe same fault on a rig of its own: make fault FAULT=%s SEED=%d", f.name, seed, row.err, dir, f.name, seed)
		}
	}
	if n, err := l.client.Count(t.Context(), "logs-auth0.logs-"+r.namespace, nil); err != nil || int(n) != total {
		t.Errorf("at the end %d documents are there, the steps found %d (%v); data: %s", n, total, err, filepath.Clean(dir))
	}
	if !t.Failed() {
		_ = l.remove(t.Context(), r.namespace) // the node goes with it anyway
	}
}
