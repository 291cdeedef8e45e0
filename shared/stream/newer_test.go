package stream_test

import (
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

func TestWhatWaitsForAnUpgradeComesBackMoreAndMoreSeldom(t *testing.T) {
	if first := stream.UpgradeWait(1); first < 30*time.Second || first > 40*time.Second {
		t.Errorf("at first it stays away for %s", first)
	}
	for delivered := range 100 {
		earlier, later := stream.UpgradeWait(delivered), stream.UpgradeWait(delivered+2)
		if later < earlier && later < 4*time.Minute || later > 5*time.Minute {
			t.Errorf("handed out %d times it stays away for %s, two later for %s", delivered, earlier, later)
		}
	}
}
