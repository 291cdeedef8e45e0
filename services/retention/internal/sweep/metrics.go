package sweep

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the series of retention.
type Metrics struct {
	deleted  *prometheus.CounterVec
	overdue  *prometheus.GaugeVec
	failures *prometheus.CounterVec
	last     prometheus.Gauge
}

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		deleted:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_retention_deleted_indices_total", Help: "Indices deleted."}, []string{"namespace"}),
		overdue:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_retention_overdue_indices", Help: "Indices that are due and could not be deleted by the last sweep."}, []string{"namespace"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_retention_failures_total", Help: "What could not be done, by reason."}, []string{"reason"}),
		last:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_retention_last_sweep_timestamp_seconds", Help: "End of the last sweep that left nothing overdue."}),
	}
	for _, reason := range []string{"clock", "no_clock", "registry", "forbidden", "refused", "no_answer"} {
		m.failures.WithLabelValues(reason)
	}
	reg.MustRegister(m.deleted, m.overdue, m.failures, m.last)
	return m
}

func (m *Metrics) finished(at time.Time) { m.last.Set(float64(at.UnixMilli()) / 1000) }
