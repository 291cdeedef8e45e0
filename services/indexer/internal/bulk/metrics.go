package bulk

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/stream"
)

// tally is what became of the documents of one bulk.
type tally struct {
	indexed, duplicate, dead, expired, retry int
	status                                   int    // of the first document that has to wait
	why                                      string // its reason
}

func (t *tally) add(v verdict) {
	switch v {
	case indexed:
		t.indexed++
	case duplicate:
		t.duplicate++
	case dead:
		t.dead++
	case retry:
		t.retry++
	}
}

// waiting keeps the first reason for waiting.
func (t *tally) waiting(item elastic.Item) {
	if t.why != "" {
		return
	}
	t.status, t.why = item.Status, fmt.Sprintf("item status %d", item.Status)
	if item.Cause != nil {
		t.why += " " + item.Cause.Type + ": " + item.Cause.Text()
	}
}

func (t *tally) cause() error { return errors.New(t.why) }

// Metrics are the indexer's series.
type Metrics struct {
	documents *prometheus.CounterVec
	dead      *prometheus.CounterVec
	retries   *prometheus.CounterVec
	bulks     *prometheus.CounterVec
	duration  prometheus.Histogram
	size      prometheus.Histogram
	delay     prometheus.Histogram
}

// NewMetrics registers the series.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		documents: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_indexer_documents_total", Help: "Documents by verdict."}, []string{"verdict"}),
		dead:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_indexer_dead_lettered_total", Help: "Documents set aside, by Elasticsearch's error type."}, []string{"reason"}),
		retries:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_indexer_retries_total", Help: "Bulks of which something had to wait, by reason."}, []string{"reason"}),
		bulks:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sluice_indexer_bulks_total", Help: "Bulk requests by result."}, []string{"result"}),
		duration:  prometheus.NewHistogram(histogram("sluice_indexer_bulk_duration_seconds", "Time of one bulk request.", []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30})),
		size:      prometheus.NewHistogram(histogram("sluice_indexer_bulk_documents", "Documents per bulk request.", prometheus.ExponentialBuckets(1, 2, 15))),
		delay:     prometheus.NewHistogram(histogram("sluice_indexer_ingest_lag_seconds", "Time from the receipt of a delivery to Elasticsearch's answer for it.", []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 3600})),
	}
	for _, v := range []string{"indexed", "duplicate", "dead", "expired", "waiting"} {
		m.documents.WithLabelValues(v)
	}
	for _, why := range reasons() {
		m.retries.WithLabelValues(why)
	}
	for _, result := range []string{"ok", "failed"} {
		m.bulks.WithLabelValues(result)
	}
	reg.MustRegister(m.documents, m.dead, m.retries, m.bulks, m.duration, m.size, m.delay)
	return m
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}
}

func (m *Metrics) bulk(documents int, took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.bulks.WithLabelValues(result).Inc()
	m.duration.Observe(took.Seconds())
	m.size.Observe(float64(documents))
}

func (m *Metrics) settled(t tally) {
	m.documents.WithLabelValues("indexed").Add(float64(t.indexed))
	m.documents.WithLabelValues("duplicate").Add(float64(t.duplicate))
	m.documents.WithLabelValues("dead").Add(float64(t.dead))
	m.documents.WithLabelValues("expired").Add(float64(t.expired))
	m.documents.WithLabelValues("waiting").Add(float64(t.retry))
}

// receivedHeader carries when the oldest delivery of a message was received.
const receivedHeader = "Sluice-Received-At"

func (m *Metrics) lag(msg *stream.Message) {
	if at, err := time.Parse(time.RFC3339Nano, msg.Header[receivedHeader]); err == nil {
		m.delay.Observe(time.Since(at).Seconds())
	}
}
