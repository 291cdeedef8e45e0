package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// previous is the commit whose programs must run beside the present ones: the last one before verdicts were counted.
const previous = "5fe9de28dc77ade35b690038faf36be45d76da8b"

// previousBuild makes the services of the previous version out of the repository's history.
func previousBuild(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	root, dir := harness.Root(t), harness.Dir(t)
	git := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = root
		return cmd
	}
	if out, err := git("cat-file", "-e", previous+"^{commit}").CombinedOutput(); err != nil {
		say := t.Skipf
		if shallow, _ := git("rev-parse", "--is-shallow-repository").Output(); os.Getenv("CI") != "" && strings.TrimSpace(string(shallow)) != "true" {
			say = t.Fatalf // all of the history is here, and not this
		}
		say("UPGRADES ARE NOT TESTED: the repository's history does not reach back to %s (a shallow clone? git fetch --unshallow): %v %s", previous, err, out)
	}
	archive := filepath.Join(dir, "source.tar")
	if out, err := git("archive", "--format=tar", "--output", archive, previous).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	source := filepath.Join(dir, "source")
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(ctx, "tar", "-xf", archive, "-C", source).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	programs := filepath.Join(dir, "bin") + string(filepath.Separator)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", programs, "./services/receiver/cmd/receiver", "./services/enricher/cmd/enricher", "./services/indexer/cmd/indexer")
	cmd.Dir, cmd.Env = source, append(os.Environ(), "GOWORK="+filepath.Join(source, "go.work"), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the previous version: %v %s", err, out)
	}
	return programs
}

func TestThePreviousVersionRunsBesideThisOne(t *testing.T) {
	h := newHouse(t)
	begin := time.Now()
	old := previousBuild(t)
	t.Logf("the previous version was built in %s", time.Since(begin).Round(time.Second))
	h.furnish()
	source := tenant(t)
	sent := 0
	for _, mix := range []struct {
		receiver, enricher, indexer string
		packed                      bool // the new ones store what the old ones cannot read
	}{
		{old, old, old, true}, // what stands there before an upgrade, after the new setup
		{old, "", old, false},
		{"", old, "", false},
		{old, "", "", true}, // in the order of an upgrade, in which nobody needs to be told
		{"", "", "", true},
	} {
		h.unpacked = !mix.packed
		processes := []*process{h.receiver(mix.receiver), h.start(mix.enricher, "enricher"), h.start(mix.indexer, "indexer")}
		events := take(source, 200)
		h.deliver(processes[0], events)
		h.deliver(processes[0], events[:50]) // as a repetition
		sent += len(events)
		h.awaitCount(sent)
		for _, p := range processes {
			h.end(p)
		}
	}
	h.unpacked = true
	// Each service twice, one of each version, under load, while both stop in turn.
	receivers := []*process{h.receiver(old), h.receiver("")}
	enrichers := []*process{h.start(old, "enricher"), h.start("", "enricher")}
	indexers := []*process{h.start(old, "indexer"), h.start("", "indexer")}
	for i := range 10 {
		events := take(source, 100)
		h.deliver(receivers[i%2], events)
		sent += len(events)
		switch i {
		case 5:
			h.end(enrichers[0])
		case 7:
			h.end(indexers[0])
		}
	}
	h.awaitCount(sent)
	h.balanced()
	h.end(enrichers[1])
	h.end(indexers[1])
	h.wantNoLoss()
	if text := h.sluice("deadletter", "list", "--all", "--json"); strings.Contains(text, "bad_message") || strings.Contains(text, "bad_envelope") {
		t.Errorf("messages of the other version were set aside: %s", text)
	}
}
