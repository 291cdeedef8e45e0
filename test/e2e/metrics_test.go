package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// metricName is a metric of ours wherever it is named.
var metricName = regexp.MustCompile(`\bsluice_[a-z_]+`)

func TestEveryMetricThatAnAlertRuleNamesIsExported(t *testing.T) {
	i := upOnShared(t, "ENRICHER_GEOIP="+geoip(t))
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
