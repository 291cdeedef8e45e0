package watch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// collector shows what the watch of this process knows; the other processes show that they do not act, and no more.
type collector struct {
	watch *Watch

	acting, last, usual, silent, failing, stops *prometheus.Desc
	letters, oldest, bytes, room                *prometheus.Desc
	events, flight, differ, uncounted           *prometheus.Desc
}

// Collector reports endpoints and dead letters. Only the acting process reports them, so max and sum over all processes
// are the same.
func (w *Watch) Collector() prometheus.Collector {
	of := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sluice_"+name, help, labels, nil)
	}
	return &collector{
		watch:     w,
		acting:    of("watch_acting", "1 in the process that watches endpoints and dead letters."),
		last:      of("endpoint_last_delivery_timestamp_seconds", "When the last delivery was accepted, by whichever receiver; 0 before the first.", "endpoint"),
		usual:     of("endpoint_usual_interval_seconds", "About the time from one delivery to the next that is usual at this hour of the week, not below 100; 0 while that is not known.", "endpoint"),
		silent:    of("endpoint_silent", "1 while an endpoint has had no delivery for longer than can be put down to chance.", "endpoint"),
		failing:   of("endpoint_failing_since_timestamp_seconds", "Since when requests are refused for a reason and none was accepted; absent while deliveries are accepted.", "endpoint", "reason"),
		stops:     of("endpoint_stops_at_timestamp_seconds", "When Auth0 stops the log stream if its deliveries go on failing; absent while they are accepted.", "endpoint"),
		letters:   of("dead_letters", "Dead letters that wait for somebody to look at them."),
		oldest:    of("dead_letters_oldest_timestamp_seconds", "When the oldest dead letter was stored; absent when there is none."),
		bytes:     of("dead_letters_bytes", "Bytes of all dead letters."),
		events:    of("ledger_events_total", "Events by what became of them, from what is stored and so across restarts: received is the sum of indexed, duplicate, dead, expired and those in flight; repeated documents were stored twice, and are none of them.", "endpoint", "result"),
		flight:    of("ledger_in_flight_events", "Events that became documents and have come to no end yet.", "endpoint"),
		differ:    of("ledger_difference_events", "Events that became documents and came to no end although every message that could hold them did: at least so many, and exactly while nothing is in flight.", "endpoint"),
		uncounted: of("ledger_uncounted_messages", "Messages that were finished without a count of what they held; while one may be among what is compared, no new difference is told."),
		room:      of("dead_letters_max_bytes", "Bytes that dead letters may take; beyond that what belongs there holds its message up."),
	}
}

// Describe names the metrics.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.acting, c.last, c.usual, c.silent, c.failing, c.stops, c.letters, c.oldest, c.bytes, c.room, c.events, c.flight, c.differ, c.uncounted} {
		out <- d
	}
}

// Collect reports them.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	w := c.watch
	w.mu.Lock()
	acts, health, heap, books, diff := w.acts, w.health, w.heap, w.books, w.diff
	w.mu.Unlock()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(c.acting, flag(acts))
	for id, h := range health {
		c.endpoint(gauge, id, h)
	}
	if books != nil {
		c.ledger(out, books, diff)
	}
	if heap == nil {
		return
	}
	gauge(c.letters, float64(heap.Letters))
	gauge(c.bytes, float64(heap.Bytes))
	gauge(c.room, float64(heap.MaxBytes))
	if !heap.Oldest.IsZero() {
		gauge(c.oldest, seconds(heap.Oldest))
	}
}

func (c *collector) endpoint(gauge func(*prometheus.Desc, float64, ...string), id string, h endpoint.Health) {
	gauge(c.last, seconds(h.LastDelivery), id)
	gauge(c.usual, h.Usual.Seconds(), id)
	gauge(c.silent, flag(h.State == endpoint.Silent), id)
	if h.State != endpoint.Failing {
		return
	}
	gauge(c.stops, seconds(h.StopsAt), id)
	for _, f := range h.Failures {
		gauge(c.failing, seconds(f.Since), id, f.Reason)
	}
}

func (c *collector) ledger(out chan<- prometheus.Metric, books *stream.Ledger, diff map[string]uint64) {
	report := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	report(c.uncounted, prometheus.GaugeValue, float64(books.Uncounted))
	for i := range books.Entries {
		e := &books.Entries[i]
		for result, n := range map[string]uint64{
			"received": e.Received, "indexed": e.Indexed, "duplicate": e.Duplicate, "dead": e.Dead, "expired": e.Expired, "repeated": e.Repeated,
		} {
			report(c.events, prometheus.CounterValue, float64(n), e.Endpoint, result)
		}
		report(c.flight, prometheus.GaugeValue, float64(max(e.InFlight, 0)), e.Endpoint)
		report(c.differ, prometheus.GaugeValue, float64(diff[e.Endpoint]), e.Endpoint)
	}
}

func flag(set bool) float64 {
	if set {
		return 1
	}
	return 0
}

func seconds(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}
