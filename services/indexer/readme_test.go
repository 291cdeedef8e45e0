package indexer_test

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/config/configtest"
	"github.com/sluicelog/sluice/shared/elastic"
)

var update = flag.Bool("update", false, "rewrite the settings table in README.md")

func TestTheReadmeHoldsTheSettings(t *testing.T) {
	configtest.Readme(t, "indexer", &indexer.Config{}, *update)
}

// TestTheReadmeHoldsTheLeastPrivileges compares the page with the role that is tested against a real Elasticsearch.
func TestTheReadmeHoldsTheLeastPrivileges(t *testing.T) {
	for _, role := range elastic.Roles() {
		if role.Name != elastic.RoleIndexer {
			continue
		}
		var grants struct {
			Cluster json.RawMessage `json:"cluster"`
			Indices json.RawMessage `json:"indices"`
		}
		if err := json.Unmarshal(role.Body, &grants); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(grants)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile("README.md")
		if err != nil || !strings.Contains(string(raw), string(want)) {
			t.Errorf("README.md must hold %s: %v", want, err)
		}
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
