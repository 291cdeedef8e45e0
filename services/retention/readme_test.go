package retention_test

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/retention"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/config/configtest"
	"github.com/sluicelog/sluice/shared/elastic"
)

var update = flag.Bool("update", false, "rewrite the settings table in README.md")

func TestTheReadmeHoldsTheSettings(t *testing.T) {
	configtest.Readme(t, "retention", &retention.Config{}, *update)
}

// TestTheReadmeHoldsTheLeastPrivileges compares the page with the role that is tested against a real Elasticsearch.
func TestTheReadmeHoldsTheLeastPrivileges(t *testing.T) {
	roles := elastic.Roles()
	at := slices.IndexFunc(roles, func(r elastic.Role) bool { return r.Name == elastic.RoleRetention })
	var grants struct {
		Cluster json.RawMessage `json:"cluster"`
		Indices json.RawMessage `json:"indices"`
	}
	if err := json.Unmarshal(roles[at].Body, &grants); err != nil {
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

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for name, change := range map[string]func(*retention.Config){
		"RETENTION_INTERVAL": func(c *retention.Config) { c.Interval = 0 },
		"RETENTION_TIMEOUT":  func(c *retention.Config) { c.Timeout = 0 },
		"RETENTION_GRACE":    func(c *retention.Config) { c.Grace = -1 },
	} {
		var cfg retention.Config
		if err := config.Load("retention", &cfg); err != nil {
			t.Fatal(err)
		}
		change(&cfg)
		if err := retention.Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
