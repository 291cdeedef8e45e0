package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sluicelog/sluice/test/harness"
)

const alertsDir = "../../deployments/observability"

// promtool is Prometheus' own checker: the one on the PATH, else the one that .ci/run puts below bin/tools.
func promtool(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("promtool"); err == nil {
		return path
	}
	path := filepath.Join(harness.Root(t), "bin", "tools", "promtool")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	const why = "promtool is not there; it comes with Prometheus (Debian: apt-get install --no-install-recommends prometheus)"
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

func check(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), promtool(t), args...)
	cmd.Dir = alertsDir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtoolTakesTheAlertRules(t *testing.T) { check(t, "check", "rules", "alerts.yaml") }

func TestEachAlertFiresWhenItShouldAndOnlyThen(t *testing.T) {
	check(t, "test", "rules", "alerts_test.yaml")
}

// rule is one alert.
type rule struct {
	Alert       string
	Expr        string
	Labels      map[string]string
	Annotations map[string]string
}

// decode reads a YAML file of this folder.
func decode(t *testing.T, name string, into any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(alertsDir, name))
	if err == nil {
		err = yaml.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	decode(t, "alerts.yaml", &file)
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 20 {
		t.Fatalf("only %d alerts found", len(all))
	}
	return all
}

func TestEachAlertSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	for _, r := range alerts(t) {
		if s := r.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		for _, name := range []string{"summary", "description", "action"} {
			if r.Annotations[name] == "" {
				t.Errorf("%s has no %s", r.Alert, name)
			}
		}
	}
}

func TestEachAlertHasACaseThatFiresItAndOneThatDoesNot(t *testing.T) {
	var file struct {
		Tests []struct {
			Cases []struct {
				Name   string `yaml:"alertname"`
				Alerts []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	decode(t, "alerts_test.yaml", &file)
	fires, rests := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, c := range test.Cases {
			if len(c.Alerts) > 0 {
				fires[c.Name] = true
			} else {
				rests[c.Name] = true
			}
		}
	}
	for _, r := range alerts(t) {
		if !fires[r.Alert] || !rests[r.Alert] {
			t.Errorf("%s: a case that fires it: %v; one that does not: %v", r.Alert, fires[r.Alert], rests[r.Alert])
		}
		delete(fires, r.Alert)
		delete(rests, r.Alert)
	}
	for name := range fires {
		t.Errorf("a case fires %s, which does not exist", name)
	}
}
