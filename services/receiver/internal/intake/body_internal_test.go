package intake

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/scratch"
)

// What a body holds is paid for, also where its memory is the shelf's: else few bodies would hold more than all may.
func TestALeasePaysForAllThatItHolds(t *testing.T) {
	const total = 1 << 20
	b := newBudget(total, prometheus.NewGauge(prometheus.GaugeOpts{Name: "taken"}))
	for name, c := range map[string]struct{ shelf, pays int }{
		"nothing on the shelf":   {0, 100_000},
		"a slice of its size":    {100_000, 100_000},
		"a slightly larger one":  {120_000, 120_000},
		"a much larger one":      {500_000, 100_000},
		"larger than the budget": {2 * total, 100_000},
	} {
		l := &lease{budget: b, shelf: scratch.New(4 << 20)}
		l.shelf.Give(make([]byte, 0, c.shelf))
		body, err := l.enlarge(t.Context(), nil, 100_000)
		if err != nil || cap(body) != c.pays || l.taken != int64(c.pays) {
			t.Errorf("%s: it holds %d bytes and has paid %d: %v", name, cap(body), l.taken, err)
		}
		larger, err := l.enlarge(t.Context(), append(body, "begun"...), 200_000)
		if err != nil || string(larger) != "begun" || l.taken != int64(cap(larger)) {
			t.Errorf("%s: it became %q in %d bytes and has paid %d: %v", name, larger, cap(larger), l.taken, err)
		}
		l.release()
	}
	if !b.room.TryAcquire(total) {
		t.Error("not all came back")
	}
}

func TestALeaseTakesNothingOfTheShelfThatItCannotPay(t *testing.T) {
	b := newBudget(100_000, prometheus.NewGauge(prometheus.GaugeOpts{Name: "taken"}))
	l := &lease{budget: b, shelf: scratch.New(4 << 20)}
	l.shelf.Give(make([]byte, 0, 110_000))
	body, err := l.enlarge(t.Context(), nil, 100_000)
	if err != nil || cap(body) != 100_000 {
		t.Errorf("%d bytes: %v", cap(body), err)
	}
	l.release()
}
