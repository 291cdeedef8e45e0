package load_test

import (
	"fmt"
	"runtime"
	"testing"
)

// comparison holds the rounds of direct load and pipeline.
type comparison struct {
	direct, piped   []stretch
	batch, inFlight int
	where           string            // what is said before the rest
	targets         map[string]string // by the figures' names
	yard            []float64         // nanoseconds of the yardstick after each stretch
}

// figure is a line of the table: a value of each round.
type figure struct {
	name string
	of   func(direct, piped stretch) float64
}

// Lines that are looked up by name.
const (
	lineShare      = "searchable, of the direct load"
	lineSearchable = "searchable events a second"
	lineSluice     = "CPU-s a million: Sluice, with NATS"
	lineMemory     = "memory of Sluice, MiB"
)

func figures() []figure {
	return []figure{
		{lineShare, func(d, p stretch) float64 { return p.rate() / d.rate() }},
		{lineSearchable, func(_, p stretch) float64 { return p.rate() }},
		{"documents a second, loaded directly", func(d, _ stretch) float64 { return d.rate() }},
		{lineSluice, func(_, p stretch) float64 { return p.million(p.spent.sluice) }},
		{"CPU-s a million: Elasticsearch behind Sluice", func(_, p stretch) float64 { return p.million(p.spent.elastic) }},
		{"CPU-s a million: Elasticsearch, loaded directly", func(d, _ stretch) float64 { return d.million(d.spent.elastic) }},
		{"CPU-s a million: the load generator", func(_, p stretch) float64 { return p.million(p.spent.generator) }},
		{lineMemory, func(_, p stretch) float64 { return float64(p.memory) / (1 << 20) }},
		{"p99 of an acknowledgement, ms", func(_, p stretch) float64 { return float64(p.p99.Microseconds()) / 1000 }},
		{"acknowledged events a second meanwhile", func(_, p stretch) float64 { return float64(p.events) / p.acked.Seconds() }},
		{"bytes of a document's _source", func(d, _ stretch) float64 { return d.bytes }},
		{"processors used by others, %", func(_, p stretch) float64 {
			return 100 * p.spent.others() / p.took.Seconds() / float64(runtime.NumCPU())
		}},
	}
}

// sheet is the comparison as a table.
func (c comparison) sheet() *sheet {
	s := &sheet{yard: c.yard}
	for i, direct := range c.direct {
		piped := c.piped[i]
		for _, f := range figures() {
			s.add(f.name, c.targets[f.name], f.of(direct, piped))
		}
		s.account(piped.shares, piped.million(piped.spent.sluice))
		s.judge(fmt.Sprintf("round %d, direct load", i+1), direct.spent, direct.took)
		s.judge(fmt.Sprintf("round %d, pipeline", i+1), piped.spent, piped.took)
	}
	return s
}

// publish reports the medians and prints the table.
func (c comparison) publish(b *testing.B, r *rig) {
	b.Helper()
	about := fmt.Sprintf("%s%d rounds of %d events, %d in a delivery, %d deliveries at a time", c.where, len(c.direct), c.direct[0].events, c.batch, c.inFlight)
	c.sheet().publish(b, r.machine, about, metric{"of-ceiling", lineShare}, metric{"searchable/s", lineSearchable}, metric{"sluice-cpu-s/M", lineSluice})
}
