package intake_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/receiver/internal/intake"
)

func TestWhoSendsMoreThanItsRateIsBulkAndNobodyElseIs(t *testing.T) {
	const rate, burst = 1000, 5000
	f := intake.NewFair(rate, burst)
	now := time.Now()
	for i := range 5 {
		if f.Bulk("large", 1000, now) {
			t.Errorf("delivery %d of the burst is bulk", i+1)
		}
	}
	for range 100 {
		if !f.Bulk("large", 1000, now) {
			t.Fatal("more than the burst is not bulk")
		}
		if f.Bulk("small", 10, now) {
			t.Fatal("another endpoint is bulk for it")
		}
	}
	var first, last time.Time // begins of stretches that are plain
	plain, sent, stretches, before := 0, 0, 0, true
	for range 10_000 { // ten seconds, ten times the rate
		now = now.Add(time.Millisecond)
		bulk := f.Bulk("large", 10, now)
		if before && !bulk {
			if stretches++; stretches == 1 {
				first, plain = now, 0
			}
			last, sent = now, plain
		}
		if !bulk {
			plain += 10
		}
		before = bulk
	}
	if owed := rate * last.Sub(first).Seconds(); float64(sent) < 0.99*owed || float64(sent) > 1.01*owed {
		t.Errorf("%d bytes in %s are not bulk, of %.0f at its rate", sent, last.Sub(first), owed)
	}
	if stretches < 30 || stretches > 41 {
		t.Errorf("in ten seconds it was plain in %d stretches: deliveries that follow one another share no commit", stretches)
	}
	if f.Bulk("quiet", burst, now) || !f.Bulk("quiet", 1, now) || !f.Bulk("giant", burst+1, now) {
		t.Error("the burst is not what it should be")
	}
}

func TestSlowRequestsFillNoBucket(t *testing.T) {
	const rate, burst = 1000, 5000
	f := intake.NewFair(rate, burst)
	now := time.Now()
	f.Bulk("slow", burst, now)
	plain := 0
	for range 1000 {
		for _, ago := range []time.Duration{0, 30 * time.Second} {
			if !f.Bulk("slow", 100, now.Add(-ago)) {
				plain++
			}
		}
	}
	if plain > 0 {
		t.Errorf("%d bytes beyond the burst are not bulk: the same time counted again", 100*plain)
	}
}

func TestWithoutARateNothingIsBulk(t *testing.T) {
	f := intake.NewFair(0, 0)
	if f.Bulk("large", 1<<40, time.Now()) || f.Known() != 0 {
		t.Error("something is bulk")
	}
}

func TestQuietEndpointsTakeNoRoom(t *testing.T) {
	f := intake.NewFair(1000, 5000)
	now := time.Now()
	for i := range 1000 {
		f.Bulk(strconv.Itoa(i), 2000, now)
	}
	for range 60 {
		now = now.Add(time.Second)
		f.Bulk("busy", 1000, now)
	}
	if f.Known() != 1 {
		t.Errorf("%d endpoints are remembered", f.Known())
	}
}
