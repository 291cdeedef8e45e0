package load_test

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

// used is processor time since boot as the machine sees it, and by stage, in seconds.
type used struct {
	spent
	stage map[string]float64
	at    time.Time
}

func (a *apart) now(b *testing.B) used {
	b.Helper()
	u := used{spent: a.machine.now(b, 0, 0), stage: map[string]float64{}, at: time.Now()}
	for _, c := range a.children {
		s := c.seconds(b, a.machine)
		u.stage[c.stage] += s
		u.sluice += s
	}
	return u
}

// since is what was used since an earlier reading, and how long that is ago.
func (u used) since(o used) (used, time.Duration) {
	d := used{spent: u.minus(o.spent), stage: maps.Clone(u.stage), at: u.at}
	for stage := range d.stage {
		d.stage[stage] -= o.stage[stage]
	}
	return d, u.at.Sub(o.at)
}

// cost is what an event costs, in CPU-seconds a million, all of Sluice and by stage.
type cost struct {
	all   float64
	stage map[string]float64
}

// cost spreads what was used over n events.
func (u used) cost(n int) cost {
	c := cost{all: u.sluice * 1e6 / float64(n), stage: map[string]float64{}}
	for stage, seconds := range u.stage {
		c.stage[stage] = seconds * 1e6 / float64(n)
	}
	return c
}

func (c cost) String() string {
	text := fmt.Sprintf("%.1f CPU-s a million", c.all)
	for _, stage := range stages() {
		text += fmt.Sprintf(", %s %.1f", stage, c.stage[stage])
	}
	return text
}
