package retention_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/retention"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/config/configtest"
)

var update = flag.Bool("update", false, "rewrite the settings table in README.md")

func TestTheReadmeHoldsTheSettings(t *testing.T) {
	configtest.Readme(t, "retention", &retention.Config{}, *update)
}

func TestTheReadmeHoldsTheLeastPrivileges(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(raw), leastRole) {
		t.Errorf("README.md must hold %s: %v", leastRole, err)
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
