package geo

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are plain atomic numbers, because a lookup takes less time than finding the series of a label would.
type counts struct {
	hit, miss, reserved atomic.Uint64
	reloaded, failed    atomic.Uint64
}

// collector shows the series of a Database when somebody asks.
type collector struct{ *Database }

// The series' descriptions; none of them changes.
var (
	lookupsDesc = prometheus.NewDesc("sluice_enricher_geoip_lookups_total",
		"Addresses looked up, by what came of it; reserved ones are not looked up at all.", []string{"result"}, nil)
	reloadsDesc = prometheus.NewDesc("sluice_enricher_geoip_reloads_total",
		"New GeoIP files taken over (ok) or refused (failed) since the start.", []string{"result"}, nil)
	builtDesc = prometheus.NewDesc("sluice_enricher_geoip_built_timestamp_seconds",
		"When the GeoIP database in use was built by its maker.", []string{"database"}, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	out <- lookupsDesc
	out <- reloadsDesc
	out <- builtDesc
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	count := func(desc *prometheus.Desc, result string, n *atomic.Uint64) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n.Load()), result)
	}
	count(lookupsDesc, "hit", &c.counts.hit)
	count(lookupsDesc, "miss", &c.counts.miss)
	count(lookupsDesc, "reserved", &c.counts.reserved)
	count(reloadsDesc, "ok", &c.counts.reloaded)
	count(reloadsDesc, "failed", &c.counts.failed)
	for _, i := range c.Databases() {
		if len(i.Uses) > 0 {
			out <- prometheus.MustNewConstMetric(builtDesc, prometheus.GaugeValue, float64(i.Built.Unix()), i.Name)
		}
	}
}
