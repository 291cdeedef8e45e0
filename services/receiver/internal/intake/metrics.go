package intake

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the receiver's series. Labels come from closed lists; endpoint ids come from the registry only.
type Metrics struct {
	requests  *prometheus.CounterVec
	bytes     *prometheus.CounterVec
	accepted  *prometheus.CounterVec
	bulk      *prometheus.CounterVec
	last      *prometheus.GaugeVec
	inflight  prometheus.Gauge
	duration  *prometheus.HistogramVec
	published *prometheus.CounterVec
	commits   prometheus.Histogram
	shared    prometheus.Histogram
}

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_receiver_requests_total", Help: "Requests by answer."}, []string{"answer"}),
		bytes:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_receiver_received_bytes_total", Help: "Bytes of accepted bodies, as received."}, []string{"endpoint"}),
		accepted:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_receiver_deliveries_accepted_total", Help: "Deliveries that were answered 200: on disk."}, []string{"endpoint"}),
		bulk:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_receiver_deliveries_bulk_total", Help: "Accepted deliveries beyond their endpoint's rate: they wait behind those of others."}, []string{"endpoint"}),
		last:      prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_receiver_last_delivery_timestamp_seconds", Help: "When the last delivery was accepted."}, []string{"endpoint"}),
		inflight:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_receiver_inflight_bytes", Help: "Bytes of bodies held right now."}),
		duration:  prometheus.NewHistogramVec(histogram("sluice_receiver_request_duration_seconds", "Time from the first byte of a request to its answer."), []string{"answer"}),
		published: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_receiver_published_total", Help: "Messages offered to the stream, by result."}, []string{"result"}),
		commits:   prometheus.NewHistogram(histogram("sluice_receiver_commit_duration_seconds", "Time until the stream acknowledged a message.")),
		shared:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "sluice_receiver_commit_deliveries", Help: "Deliveries per message.", Buckets: prometheus.ExponentialBuckets(1, 2, 9)}),
	}
	for _, a := range Answers() {
		m.requests.WithLabelValues(a.Name)
	}
	for _, result := range []string{"ok", "failed"} {
		m.published.WithLabelValues(result)
	}
	reg.MustRegister(m.requests, m.bytes, m.accepted, m.bulk, m.last, m.inflight, m.duration, m.published, m.commits, m.shared)
	return m
}

func histogram(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}
}

func (m *Metrics) commit(deliveries int, took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.published.WithLabelValues(result).Inc()
	m.commits.Observe(took.Seconds())
	m.shared.Observe(float64(deliveries))
}
