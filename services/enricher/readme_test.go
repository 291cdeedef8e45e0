package enricher_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/config/configtest"
)

var update = flag.Bool("update", false, "rewrite the settings table in README.md")

func TestTheReadmeHoldsTheSettings(t *testing.T) {
	configtest.Readme(t, "enricher", &enricher.Config{}, *update)
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
