package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/stream"
)

func TestNATSUsersAreMadeAndNoSeedIsPrinted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	first, err := run(t.Context(), t, "", "nats-users", dir)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(first, "nats-users.conf") || !strings.Contains(first, "NATS_NKEY_FILE="+filepath.Join(dir, "receiver.nk")) {
		t.Errorf("printed %s", first)
	}
	out, err := run(t.Context(), t, "", "nats-users", dir, "--rotate", "receiver", "--json")
	if err != nil {
		t.Fatal(err)
	}
	actions := map[string]string{}
	for _, c := range decode[[]stream.Change](t, out) {
		actions[c.Name] = c.Action
	}
	if actions["receiver"] != "rotated" || actions["indexer"] != "unchanged" {
		t.Errorf("actions %v", actions)
	}
	seeds, err := filepath.Glob(filepath.Join(dir, "*.nk"))
	if err != nil || len(seeds) != 4 {
		t.Fatalf("seeds %v: %v", seeds, err)
	}
	for _, path := range seeds {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if seed := strings.TrimSpace(string(raw)); strings.Contains(first+out, seed) || len(seed) < 50 {
			t.Errorf("the seed in %s was printed, or is none", path)
		}
	}
	if _, err := run(t.Context(), t, "", "nats-users", dir, "--rotate", "nobody"); err == nil || !strings.Contains(err.Error(), "receiver, enricher, indexer or operator") {
		t.Errorf("an unknown user: %v", err)
	}
}
