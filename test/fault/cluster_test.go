package fault_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/test/harness"
)

// clusterPrefix begins the names of faults that need a cluster.
const clusterPrefix = "cluster-"

// isCluster reports whether -fault names nothing but faults of a cluster.
func isCluster() bool {
	for name := range strings.SplitSeq(options.fault, ",") {
		if name = strings.TrimSpace(name); name != "cluster" && !strings.HasPrefix(name, clusterPrefix) {
			return false
		}
	}
	return options.fault != ""
}

// TestClusterFaults runs faults against three NATS servers, three Elasticsearch nodes and several services of each kind.
func TestClusterFaults(t *testing.T) {
	if !isCluster() {
		t.Skip("name faults that begin with " + clusterPrefix + ", or run `make fault-cluster`")
	}
	chosen := clusterFaults()
	if options.fault != "cluster" {
		chosen = among(t, chosen)
	}
	l := newClusterLab(t)
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
			t.Run(fmt.Sprintf("%s/%d", f.name, seed), func(t *testing.T) { oneOfCluster(t, l, results, f, seed) })
			if err := l.mendAll(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestClusterEnds ends what -stay has left running.
func TestClusterEnds(t *testing.T) {
	if options.stay == "" || options.fault != "" {
		t.Skip("name the folder with -stay, or run `make fault-cluster-stop`")
	}
	for i := range elasticNodes {
		if n, running := node.Running(filepath.Join(options.stay, fmt.Sprintf("elastic-%d", i+1))); running {
			if err := n.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	l := &clusterLab{crew: map[string]*host{}}
	var err error
	if l.site, err = newSite(nil, int(salt(options.stay)%1e6)); err != nil {
		t.Fatal(err)
	}
	if err := l.addHosts(); err != nil {
		t.Fatal(err)
	}
	l.site.end()
	if err := os.RemoveAll(options.stay); err != nil {
		t.Fatal(err)
	}
}

func oneOfCluster(t *testing.T, l *clusterLab, results *ledger, f *fault, seed uint64) {
	t.Helper()
	if f.root && l.site.bridge == "" {
		fmt.Fprintf(os.Stdout, "%-28s SKIPPED: it needs root, for network namespaces\n", f.name)
		t.Skip("it needs root")
	}
	dir := harness.Dir(t)
	r := attemptCluster(t, l, f, seed, dir)
	fmt.Fprintln(os.Stdout, r.line())
	if err := results.add(r); err != nil {
		t.Error(err)
	}
	if r.err != nil {
		t.Errorf("%v\nlogs and data: %s\nagain: make fault-cluster FAULT=%s SEED=%d", r.err, dir, f.name, seed)
	}
}

// attemptCluster runs a fault on fresh NATS servers and services.
func attemptCluster(t *testing.T, l *clusterLab, f *fault, seed uint64, dir string) row {
	t.Helper()
	r, err := newClusterRig(t.Context(), l, dir, rand.New(rand.NewPCG(seed, 0x719)))
	if err != nil {
		return row{Build: l.build, Fault: f.name, Seed: seed, err: fmt.Errorf("starting the rig: %w", err)}
	}
	x, err := newTrial(t.Context(), r, f, seed, options.rate)
	if err != nil {
		return row{Build: l.build, Fault: f.name, Seed: seed, err: errors.Join(err, r.cluster.end(r))}
	}
	out := x.run()
	if err := x.everyoneFollows(); err != nil && out.err == nil {
		out.err = err
	}
	if err := r.cluster.end(r); err != nil && out.err == nil {
		out.err = fmt.Errorf("stopping the rig: %w", err)
	}
	if out.err == nil {
		if err := l.remove(t.Context(), r.namespace); err != nil {
			t.Logf("removing the namespace of the run: %v", err)
		}
	}
	return out
}
