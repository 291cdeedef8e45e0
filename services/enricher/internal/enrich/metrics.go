package enrich

import (
	"crypto/sha256"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the enricher's series.
type Metrics struct {
	events   *prometheus.CounterVec
	dead     *prometheus.CounterVec
	messages prometheus.Counter
	newer    prometheus.Counter
	unread   prometheus.Counter
	duration prometheus.Histogram
	last     *prometheus.GaugeVec
	codes    prometheus.Gauge

	mu      sync.Mutex
	unknown map[string]bool
	latest  map[string]time.Time
}

// maxUnknown bounds how many unknown codes are told apart.
const maxUnknown = 1000

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		events:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_enricher_events_total", Help: "Events by what became of them."}, []string{"result"}),
		dead:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_enricher_dead_lettered_total", Help: "Elements set aside, by reason."}, []string{"reason"}),
		newer:    prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_enricher_newer_messages_total", Help: "Times that a message of a later version was given back, to wait for an enricher that can read it."}),
		unread:   prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_enricher_unreadable_namespace_total", Help: "Times that a message was given back because the record of its namespace cannot be read."}),
		messages: prometheus.NewCounter(prometheus.CounterOpts{Name: "sluice_enricher_deliveries_total", Help: "Deliveries enriched."}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sluice_enricher_message_duration_seconds", Help: "Time for one message, publishing included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5}, NativeHistogramBucketFactor: 1.1,
			NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}),
		last:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_enricher_last_event_timestamp_seconds", Help: "Time of the newest event seen."}, []string{"endpoint"}),
		codes:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "sluice_enricher_unknown_codes", Help: "Distinct event codes seen that nobody has published."}),
		unknown: map[string]bool{}, latest: map[string]time.Time{},
	}
	for _, result := range []string{"mapped", "dead", "expired", "unknown_code"} {
		m.events.WithLabelValues(result)
	}
	reg.MustRegister(m.events, m.dead, m.newer, m.unread, m.messages, m.duration, m.last, m.codes)
	return m
}

func (m *Metrics) done(c counts, deliveries int, took time.Duration) {
	m.events.WithLabelValues("mapped").Add(float64(c.mapped))
	m.events.WithLabelValues("dead").Add(float64(c.dead))
	m.events.WithLabelValues("expired").Add(float64(c.expired))
	m.events.WithLabelValues("unknown_code").Add(float64(c.unknown))
	m.messages.Add(float64(deliveries))
	m.duration.Observe(took.Seconds())
}

// seen notes an event's time, if it is the endpoint's newest.
func (m *Metrics) seen(endpoint string, at time.Time) {
	m.mu.Lock()
	newest := at.After(m.latest[endpoint])
	if newest {
		m.latest[endpoint] = at
	}
	m.mu.Unlock()
	if newest {
		m.last.WithLabelValues(endpoint).Set(float64(at.UnixMilli()) / 1000)
	}
}

// oddCode is logged for every code that looks like none: it is an event's text, and those are not logged.
const oddCode = "(not of a code's form)"

// codePattern is what Auth0's codes look like.
var codePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// drift notes a code that nobody has published, and says so once. An event that names no code tells of no new one.
func (m *Metrics) drift(log *slog.Logger, code string) {
	if code == "" {
		return
	}
	key := code
	if !codePattern.MatchString(code) {
		sum := sha256.Sum256([]byte(code)) // it may be of any length
		key, code = string(sum[:8]), oddCode
	}
	m.mu.Lock()
	fresh := !m.unknown[key] && len(m.unknown) < maxUnknown
	if fresh {
		m.unknown[key] = true
		m.codes.Set(float64(len(m.unknown)))
	}
	m.mu.Unlock()
	if fresh {
		log.Warn("an event code is not in the catalogue; its events are indexed all the same", "code", code)
	}
}
