package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func setup(t *testing.T, args ...string) ([]stream.Change, error) {
	t.Helper()
	out, err := run(t.Context(), t, "", append([]string{"setup", "--json"}, args...)...)
	var changes []stream.Change
	if out != "" {
		if err := json.Unmarshal([]byte(out), &changes); err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
	}
	return changes, err
}

func TestSetupTwiceChangesNothing(t *testing.T) {
	cluster, server := elastictest.Start(t), streamtest.Start(t)
	namespace := cluster.Namespace(t)
	dir := announce(t, state.Ready{NATSURL: server.URL(), ElasticsearchURL: cluster.URL})
	first, err := setup(t, "--state", dir, "--namespace", namespace)
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]string{}
	for _, c := range first {
		made[c.Kind+" "+c.Name] = c.Action
	}
	for _, want := range []string{"stream DELIVERIES", "consumer DOCUMENTS/indexer-" + namespace, "index template sluice-logs-auth0.logs-" + namespace} {
		if made[want] != "created" {
			t.Errorf("%s: %q, want created, in %+v", want, made[want], first)
		}
	}
	second, err := setup(t, "--state", dir) // the registry knows the namespace by now
	if err != nil || len(second) != len(first) {
		t.Fatalf("%d changes, then %d: %v", len(first), len(second), err)
	}
	for _, c := range second {
		if c.Action != "unchanged" {
			t.Errorf("%s %s is %s the second time", c.Kind, c.Name, c.Action)
		}
	}
}

func TestSetupMakesTheStreamsAlsoWhenElasticsearchIsAway(t *testing.T) {
	server := streamtest.Start(t)
	dir := announce(t, state.Ready{NATSURL: server.URL(), ElasticsearchURL: "http://127.0.0.1:1"})
	changes, err := setup(t, "--state", dir)
	if err == nil || len(changes) == 0 || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("got %v and %+v; want the streams and a word about Elasticsearch", err, changes)
	}
}

func TestSetupRefusesASettingNobodyKnowsAndANamespaceNobodyCanHave(t *testing.T) {
	dir := announce(t, state.Ready{NATSURL: "nats://127.0.0.1:1"})
	if _, err := setup(t, "--state", dir, "--namespace", "No Such"); err == nil || !strings.Contains(err.Error(), "No Such") {
		t.Errorf("got %v", err)
	}
	t.Setenv("INDEXER_REPLICAZ", "1")
	if _, err := setup(t, "--state", dir); err == nil || !strings.Contains(err.Error(), "INDEXER_REPLICAS") {
		t.Errorf("got %v, want a suggestion", err)
	}
}
