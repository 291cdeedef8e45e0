package stream

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges is what a janitor last saw.
type gauges struct {
	budget         Budget
	blocked, leads bool
	lost, looks    uint64
}

// series is one metric of a stream.
type series struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(gauges) float64
}

// collector reports a janitor's gauges.
type collector struct {
	janitor *Janitor
	series  []series
}

// Collector reports how full the stream is, for how long that lasts, and what was lost in it. Every process that has a
// janitor for the stream reports it; only the acting one knows of losses and of what blocks it.
func (j *Janitor) Collector() prometheus.Collector {
	c := &collector{janitor: j}
	add := func(kind prometheus.ValueType, name, help string, of func(gauges) float64) {
		desc := prometheus.NewDesc("sluice_stream_"+name, help, nil, prometheus.Labels{"stream": j.stream})
		c.series = append(c.series, series{desc, kind, of})
	}
	flag := func(set bool) float64 {
		if set {
			return 1
		}
		return 0
	}
	add(prometheus.GaugeValue, "bytes", "Bytes in the stream.", func(g gauges) float64 { return float64(g.budget.Bytes) })
	add(prometheus.GaugeValue, "max_bytes", "Bytes that the stream may take; when it is full it refuses new messages.", func(g gauges) float64 { return float64(g.budget.MaxBytes) })
	add(prometheus.GaugeValue, "unfinished_bytes", "Bytes in the stream that nobody has finished, about.", func(g gauges) float64 { return float64(g.budget.Unfinished) })
	add(prometheus.GaugeValue, "growth_bytes_per_second", "Growth of unfinished data over the last five minutes.", func(g gauges) float64 { return g.budget.Growth })
	add(prometheus.GaugeValue, "full_in_seconds", "Time until the stream is full of unfinished data at the present rate; +Inf when it does not grow.", func(g gauges) float64 {
		if left, grows := g.budget.FullIn(); grows {
			return left.Seconds()
		}
		return math.Inf(1)
	})
	add(prometheus.CounterValue, "lost_messages_total", "Messages that the server can no longer read and that nobody had finished, ever; each process that acted as janitor reports all of them.", func(g gauges) float64 { return float64(g.lost) })
	add(prometheus.CounterValue, "second_looks_total", "Messages that were handed to a worker again because their verdict was not counted.", func(g gauges) float64 { return float64(g.looks) })
	add(prometheus.GaugeValue, "janitor_blocked", "1 when no room is made: the consumers are not right, which `sluice setup` mends, or every round has failed for a minute.", func(g gauges) float64 { return flag(g.blocked) })
	add(prometheus.GaugeValue, "janitor_acting", "1 in the process that makes room in the stream.", func(g gauges) float64 { return flag(g.leads) })
	return c
}

// Describe names the metrics.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, s := range c.series {
		out <- s.desc
	}
}

// Collect reports them.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	c.janitor.mu.Lock()
	g := c.janitor.gauges
	c.janitor.mu.Unlock()
	for _, s := range c.series {
		out <- prometheus.MustNewConstMetric(s.desc, s.kind, s.of(g))
	}
}
