package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/test/harness"
)

// metricName is a metric of ours wherever it is named.
var metricName = regexp.MustCompile(`\bsluice_[a-z_]+`)

func TestMetrics(t *testing.T) {
	t.Parallel() // it mostly waits
	i := upOnShared(t, "ENRICHER_GEOIP="+geoip(t), "GOMEMLIMIT=1GiB")
	t.Run("the memory that NATS takes is bounded by the limit of the process", func(t *testing.T) { boundedCache(t, i) })
	t.Run("every metric that an alert rule names is exported", func(t *testing.T) { namedByAlerts(t, i) })
	t.Run("the ledger adds up after crashes", func(t *testing.T) { ledgerAfterCrashes(t, i) })
}

// boundedCache looks for the bound, and for what a delivery takes of it.
func boundedCache(t *testing.T, i *harness.Instance) {
	t.Helper()
	if most := metric(t, i, "sluice_stream_cache_max_bytes"); most < 600<<20 || most > 900<<20 {
		t.Errorf("of 1 GiB the cache may take %.0f bytes", most)
	}
	if code, answer, _ := i.Post([]byte("{no event, but a delivery"), nil); code != 200 {
		t.Fatalf("%d %s", code, answer)
	}
	if held := metric(t, i, "sluice_stream_cache_bytes"); held < 20 || held > 100_000 {
		t.Errorf("after a delivery the cache holds %.0f bytes", held)
	}
}

// ledgerAfterCrashes kills everything in the middle of its work, twice.
func ledgerAfterCrashes(t *testing.T, i *harness.Instance) {
	t.Helper()
	const events = 1200
	all := take(tenant(t), events)
	for round := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			load(ctx, t, i, simulator.StreamOptions{Batch: 10, Concurrency: 4}, simulator.FromSlice(all[round*events/2:]))
		}()
		harness.Await(t, time.Minute, "documents", func() bool { return i.CountNow() > (round+1)*events/5 })
		i.Kill()
		cancel()
		<-done
		i.Start()
	}
	load(t.Context(), t, i, simulator.StreamOptions{Batch: 50, Concurrency: 2}, simulator.FromSlice(all)) // most of it once more
	i.AwaitCount(events, 2*time.Minute)
	var sums map[string]float64
	harness.Await(t, 3*time.Minute, "a ledger with nothing in flight and no difference", func() bool {
		page, _ := get(t, i.AdminURL+"/metrics")
		sums = ledgerOf(page, i.Endpoint)
		ended := sums["indexed"] + sums["duplicate"] + sums["dead"] + sums["expired"]
		return sums["received"] >= 2*events && sums["received"] == ended && sums["in_flight"] == 0 && sums["difference"] == 0
	})
	t.Logf("counted: %v", sums)
	out, errs, code := i.Command("ledger", "--json")
	if code != 0 {
		t.Errorf("sluice ledger: %d\n%s%s", code, out, errs)
	}
	var shown struct {
		Total   struct{ Received, Missing, Doubled int }
		Counted struct {
			Endpoints []struct {
				Endpoint string
				Received float64
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatal(err)
	}
	for _, e := range shown.Counted.Endpoints {
		if e.Endpoint == i.Endpoint && (e.Received != sums["received"] || shown.Total.Received != int(e.Received)) {
			t.Errorf("the services counted %v events, the metrics say %v, and the deliveries on the stream hold %d", e.Received, sums["received"], shown.Total.Received)
		}
	}
}

var ledgerLine = regexp.MustCompile(`(?m)^sluice_ledger_(events_total|in_flight_events|difference_events)\{endpoint="([^"]*)"(?:,result="([a-z]+)")?\} (\S+)$`)

// ledgerOf reads what a page of metrics says of an endpoint.
func ledgerOf(page, endpoint string) map[string]float64 {
	sums := map[string]float64{}
	for _, m := range ledgerLine.FindAllStringSubmatch(page, -1) {
		name := m[3]
		if name == "" {
			name = strings.TrimSuffix(m[1], "_events")
		}
		if n, err := strconv.ParseFloat(m[4], 64); err == nil && m[2] == endpoint {
			sums[name] = n
		}
	}
	if _, known := sums["in_flight"]; !known {
		sums["in_flight"] = -1 // nobody reports it
	}
	return sums
}

// namedByAlerts provokes what has to happen before a metric appears, and looks for each that the alert rules name.
func namedByAlerts(t *testing.T, i *harness.Instance) {
	t.Helper()
	if code, answer, _ := i.Post([]byte("{not json"), nil); code != 200 {
		t.Fatalf("%d %s", code, answer)
	}
	if code, _, _ := i.Post([]byte("{}"), map[string]string{"Authorization": "a-token-that-is-none"}); code != 401 {
		t.Fatalf("a wrong token is answered %d", code)
	}
	root := filepath.Join(harness.Root(t), "deployments", "observability")
	wanted := map[string]bool{}
	rules, err := os.ReadFile(filepath.Join(root, "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rules)) {
		if !strings.Contains(line, "summary:") && !strings.Contains(line, "description:") && !strings.Contains(line, "action:") {
			for _, name := range metricName.FindAllString(line, -1) {
				wanted[name] = true
			}
		}
	}
	if len(wanted) < 15 {
		t.Fatalf("the rules name only %d metrics", len(wanted))
	}
	var missing []string
	defer func() {
		if t.Failed() {
			t.Logf("missing: %s", strings.Join(missing, " "))
		}
	}()
	harness.Await(t, time.Minute, "all metrics of the alert rules", func() bool {
		page, status := get(t, i.AdminURL+"/metrics")
		if status != 200 {
			t.Fatalf("/metrics is answered %d", status)
		}
		exported := map[string]bool{}
		for line := range strings.Lines(page) {
			if name := metricName.FindString(line); name != "" && strings.HasPrefix(line, name) {
				exported[name] = true
			}
		}
		missing = missing[:0]
		for name := range wanted {
			if !exported[name] {
				missing = append(missing, name)
			}
		}
		return len(missing) == 0
	})
}
