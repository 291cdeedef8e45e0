package enricher_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/enricher"
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
	if err := config.Markdown(&want, "enricher", &enricher.Config{}); err != nil {
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

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for name, change := range map[string]func(*enricher.Config){
		"ENRICHER_WORKERS":  func(c *enricher.Config) { c.Workers = 0 },
		"ENRICHER_MAX_BODY": func(c *enricher.Config) { c.MaxBody = 10 },
		"ENRICHER_GRACE":    func(c *enricher.Config) { c.Grace = 0 },
	} {
		var cfg enricher.Config
		if err := config.Load("enricher", &cfg); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if err := enricher.Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
