package bulk //nolint:testpackage // how long a request may take is not to be seen from outside

import (
	"testing"
	"time"
)

func TestPatienceGrowsWhileAnswersAreLateAndEndsWhenTheyAreQuick(t *testing.T) {
	const usual = time.Second
	var p pace
	want := func(seconds float64, when string) {
		t.Helper()
		if got := p.patience(usual); got.Seconds() != seconds {
			t.Fatalf("%s: an answer is waited for for %s, want %v s", when, got, seconds)
		}
	}
	want(1, "at first")
	first := p.patience(usual)
	p.tooLate(first, usual)
	want(2, "after a late answer")
	p.tooLate(first, usual)
	want(2, "after one that was under way together with it")
	for range 5 {
		p.tooLate(p.patience(usual), usual)
	}
	want(4, "however many are late")
	p.took(nil, 1100*time.Millisecond, usual)
	want(4, "after an answer that half the time would just have allowed")
	p.took(nil, 900*time.Millisecond, usual)
	want(2, "after a quick answer")
	p.took(nil, 100*time.Millisecond, usual)
	p.took(nil, 100*time.Millisecond, usual)
	want(1, "after some quick answers")
}
