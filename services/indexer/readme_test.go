package indexer_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
)

var update = flag.Bool("update", false, "rewrite the settings table in README.md")

func TestTheReadmeHoldsTheSettings(t *testing.T) {
	const begin, end = "<!-- settings -->\n", "<!-- /settings -->"
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	table, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("README.md has no %q and %q", begin, end)
	}
	var want strings.Builder
	if err := config.Markdown(&want, "indexer", &indexer.Config{}); err != nil {
		t.Fatal(err)
	}
	switch {
	case table == want.String():
	case *update:
		if err := os.WriteFile("README.md", []byte(before+begin+want.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the settings table is not the code's: run `go test . -update` in this folder. It must be\n%s", want.String())
	}
}

func TestTheReadmeHoldsTheLeastPrivileges(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(raw), leastRole) {
		t.Errorf("README.md must hold %s: %v", leastRole, err)
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for name, change := range map[string]func(*indexer.Config){
		"INDEXER_WORKERS":       func(c *indexer.Config) { c.Workers = 0 },
		"INDEXER_BULK_MESSAGES": func(c *indexer.Config) { c.BulkMessages = 0 },
		"INDEXER_BULK_TIMEOUT":  func(c *indexer.Config) { c.BulkTimeout = 0 },
		"INDEXER_GRACE":         func(c *indexer.Config) { c.Grace = -1 },
	} {
		var cfg indexer.Config
		if err := config.Load("indexer", &cfg); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if err := indexer.Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
