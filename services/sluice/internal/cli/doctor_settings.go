package cli

import (
	"context"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/retention"
	"github.com/sluicelog/sluice/shared/config"
)

// checkSettings reads the variables of every service as the services would.
func (d *doctor) checkSettings(context.Context) []finding {
	all := []struct {
		prefix string
		spec   any
	}{
		{"receiver", new(receiver.Config)},
		{"enricher", new(enricher.Config)},
		{"indexer", new(indexer.Config)},
		{"retention", new(retention.Config)},
		{"stream", new(setupSettings)},
	}
	var found []finding
	for _, s := range all {
		if err := config.Load(s.prefix, s.spec); err != nil {
			found = append(found, fail("settings "+s.prefix, err, "correct or remove the variable; see the table of settings in the README"))
		}
	}
	if len(found) == 0 {
		found = append(found, ok("settings", "valid"))
	}
	return found
}
