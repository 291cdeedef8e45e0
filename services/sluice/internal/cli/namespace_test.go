package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/period"
)

func TestANamespaceIsMadeWithPeriodAndRetention(t *testing.T) {
	b := newBench(t)
	made := b.object(t, "namespace", "create", "payments", "--period", "month", "--retention", "365d")
	if made["period"] != "month" || made["retention"] != "365d" || made["note"] == "" {
		t.Errorf("%v", made)
	}
	if _, err := b.run(t, "namespace", "create", "payments"); err == nil || !strings.Contains(err.Error(), "namespace set") {
		t.Errorf("again: %v", err)
	}
	b.must(t, "endpoint", "create", "--id", "pay", "--namespace", "payments")
	b.must(t, "endpoint", "create", "--id", "other", "--namespace", "plain")
	rows := decode[[]map[string]any](t, b.must(t, "namespace", "list", "--json"))
	if len(rows) != 2 || rows[0]["name"] != "payments" || rows[0]["period"] != "month" || rows[0]["endpoints"] != 1.0 || rows[1]["retention"] != "none" {
		t.Errorf("%v", rows)
	}
	if out := b.must(t, "namespace", "list"); !strings.Contains(out, "payments") || !strings.Contains(out, "the indices are not known") {
		t.Error(out)
	}
}

func TestWhatWouldMoveOldEventsIsRefused(t *testing.T) {
	b := newBench(t)
	b.must(t, "namespace", "create", "default")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"default", "--period", "month", "--from", "2020-01-01"}, "there twice"},
		{[]string{"default", "--period", "month", "--from", time.Now().UTC().Add(30 * time.Hour).Format(time.RFC3339)}, "earliest"},
		{[]string{"default", "--period", "year"}, "hour, day, week or month"},
		{[]string{"default", "--period", "month", "--from", "soon"}, "give a date"},
		{[]string{"default", "--from", "2030-01-01"}, "--period"},
		{[]string{"default", "--retention", "90"}, "such as 90d"},
		{[]string{"default", "--retention", "0d"}, "such as 90d"},
		{[]string{"default", "--retention", "-5d"}, "such as 90d"},
		{[]string{"default"}, "needs --period or --retention"},
		{[]string{"other", "--retention", "90d"}, "namespace list"},
		{[]string{"default", "--retention", "90d"}, "--yes"}, // Elasticsearch is away: what that deletes is not known
	} {
		if _, err := b.run(t, append([]string{"namespace", "set"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	if n := b.object(t, "namespace", "show", "default"); n["retention"] != "none" || length(n, "calendar") != 1 {
		t.Errorf("a refused command changed it: %v", n)
	}
}

func TestAPeriodBeginsInTheFutureAndCanBeTakenBack(t *testing.T) {
	b := newBench(t)
	b.must(t, "namespace", "create", "default")
	dry := b.object(t, "namespace", "set", "default", "--period", "week", "--dry-run")
	if dry["changed"] != false || length(b.object(t, "namespace", "show", "default"), "calendar") != 1 {
		t.Errorf("--dry-run: %v", dry)
	}
	out := b.must(t, "namespace", "set", "default", "--period", "month")
	if first := period.Earliest(time.Now()).Format("2006-01-02 15:04:05Z"); !strings.Contains(out, first) || !strings.Contains(out, "index per day") {
		t.Errorf("%s does not say %s", out, first)
	}
	if out := b.must(t, "namespace", "show", "default"); !strings.Contains(out, "still to come") {
		t.Error(out)
	}
	if out := b.must(t, "namespace", "set", "default", "--period", "hour", "--from", time.Now().AddDate(0, 1, 0).UTC().Format(time.DateOnly)); !strings.Contains(out, "that was to come is") {
		t.Error(out)
	}
	if out := b.must(t, "namespace", "set", "default", "--period", "day"); !strings.Contains(out, "taken back") {
		t.Error(out)
	}
	if out := b.must(t, "namespace", "set", "default", "--period", "day"); !strings.Contains(out, "nothing was changed") {
		t.Error(out)
	}
	if n := b.object(t, "namespace", "show", "default"); length(n, "calendar") != 1 {
		t.Errorf("%v", n)
	}
}

func TestARetentionSaysWhatItDeletesAndAsks(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Elasticsearch: not with -short")
	}
	b := newBench(t)
	es := elastictest.Start(t)
	ns := es.Namespace(t)
	if err := b.dir.WriteReady(state.Ready{NATSURL: b.nats.URL(), ElasticsearchURL: es.URL}); err != nil {
		t.Fatal(err)
	}
	b.must(t, "namespace", "create", ns)
	client, err := elastic.Open(elastic.Config{ElasticsearchURL: config.URL(es.URL)})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"2020.01.01", "2020.02", period.Daily().Name(time.Now()), period.Undated} {
		if _, err := client.EnsureIndex(t.Context(), period.Index(ns, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.run(t, "namespace", "set", ns, "--retention", "90d"); err == nil || !strings.Contains(err.Error(), "deletes 2 of its 4 indices") {
		t.Errorf("nobody was asked: %v", err)
	}
	if dry := b.object(t, "namespace", "set", ns, "--retention", "90d", "--dry-run"); length(dry, "due") != 2 {
		t.Errorf("%v", dry)
	}
	if out := b.must(t, "namespace", "set", ns, "--retention", "90d", "--yes"); !strings.Contains(out, "2 indices are deleted after") || !strings.Contains(out, period.Index(ns, "2020.01.01")) {
		t.Error(out)
	}
	shown := b.must(t, "namespace", "show", ns)
	if strings.Count(shown, "never") != 1 || !strings.Contains(shown, "nothing is deleted by it before") {
		t.Error(shown)
	}
	if out := b.must(t, "namespace", "set", ns, "--retention", "none"); !strings.Contains(out, "for ever") {
		t.Error(out)
	}
	if shown := b.must(t, "namespace", "show", ns); strings.Count(shown, "never") != 4 {
		t.Error(shown)
	}
}

func TestSizesThatMayNotBeSeenAreNotZero(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Elasticsearch: not with -short")
	}
	b := newBench(t)
	es := elastictest.StartSecuredWith(t, elastic.RolesYAML(),
		elastictest.Account{Name: "reader", Password: "reader's password", Roles: []string{elastic.RoleReader}},
		elastictest.Account{Name: "setup", Password: "setup's password", Roles: []string{elastic.RoleSetup}},
		elastictest.Account{Name: "both", Password: "both's password", Roles: []string{elastic.RoleSetup, elastic.RoleRetention}},
	)
	if err := b.dir.WriteReady(state.Ready{NATSURL: b.nats.URL(), ElasticsearchURL: es.URL}); err != nil {
		t.Fatal(err)
	}
	admin, err := elastic.Open(elastic.Config{ElasticsearchURL: config.URL(es.URL), ElasticsearchUsername: es.Username, ElasticsearchPassword: config.Secret(es.Password), ElasticsearchCAFile: es.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.SetupNamespace(t.Context(), "default", elastic.Index{}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.EnsureIndex(t.Context(), period.Index("default", "2020.01.01")); err != nil {
		t.Fatal(err)
	}
	b.must(t, "namespace", "create", "default")
	t.Setenv("ELASTICSEARCH_CA_FILE", es.CAFile)
	for _, c := range []struct {
		user, note, row string
		indices         int
	}{
		{"reader", "indices are not known: not permitted: the user of Elasticsearch needs the privilege view_index_metadata on logs-auth0.logs-*, which the role sluice_setup has", "", 0},
		{"setup", "sizes of the indices are not known: not permitted: the user of Elasticsearch needs the privilege monitor on logs-auth0.logs-*, which the role sluice_retention has", "? ? never", 1},
		{"both", "", "0 0.0 never", 1},
	} {
		t.Setenv("ELASTICSEARCH_USERNAME", c.user)
		t.Setenv("ELASTICSEARCH_PASSWORD", c.user+"'s password")
		n := b.object(t, "namespace", "show", "default")
		if note, _ := n["note"].(string); !strings.HasSuffix(note, c.note) || (note == "") != (c.note == "") || length(n, "indices") != c.indices {
			t.Errorf("as %s: %v", c.user, n)
		}
		raw := b.must(t, "namespace", "show", "default", "--json")
		if strings.Contains(raw, `"documents"`) != (c.user == "both") {
			t.Errorf("as %s: %s", c.user, raw)
		}
		if text := strings.Join(strings.Fields(b.must(t, "namespace", "show", "default")), " "); !strings.Contains(text, c.note) || !strings.Contains(text, c.row) {
			t.Errorf("as %s: %s", c.user, text)
		}
	}
	t.Setenv("ELASTICSEARCH_USERNAME", "setup")
	t.Setenv("ELASTICSEARCH_PASSWORD", "setup's password")
	if _, err := b.run(t, "namespace", "set", "default", "--retention", "90d"); err == nil || !strings.Contains(err.Error(), "an unknown number of documents") {
		t.Errorf("asked before it is deleted: %v", err)
	}
}

// length is how many elements a member of an object has, -1 when it is no list.
func length(object map[string]any, member string) int {
	list, ok := object[member].([]any)
	if !ok {
		return -1
	}
	return len(list)
}
