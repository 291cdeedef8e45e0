package indexer_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/config/configtest"
)

var update = flag.Bool("update", false, "rewrite the settings table in README.md")

func TestTheReadmeHoldsTheSettings(t *testing.T) {
	configtest.Readme(t, "indexer", &indexer.Config{}, *update)
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
