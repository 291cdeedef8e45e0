package intake

import (
	"testing"
	"time"
)

// With few endpoints everybody is told within a second; with many the disk is left to the deliveries, but not for ever.
func TestWhatIsSeenIsWrittenAsOftenAsItIsCheap(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		0: time.Second, 2 * time.Millisecond: time.Second, 500 * time.Millisecond: 4500 * time.Millisecond, 20 * time.Second: sightingsSlow,
	} {
		if got := pauseAfter(took, false); got != want {
			t.Errorf("after %s of writing the next round comes in %s, want %s", took, got, want)
		}
	}
	if got := pauseAfter(4*time.Second, true); got != time.Second {
		t.Errorf("what could not be written is tried again in %s", got)
	}
}
