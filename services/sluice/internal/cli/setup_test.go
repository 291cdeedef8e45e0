package cli_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
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

// removal is what the tests read of setup --remove --json.
type removal struct {
	Parts      []stream.Change
	Unfinished int `json:"unfinished_messages"`
	Letters    int `json:"dead_letters"`
}

func (r removal) actions() map[string]string {
	all := map[string]string{}
	for _, c := range r.Parts {
		all[c.Kind+" "+c.Name] = c.Action
	}
	return all
}

func TestRemoveTakesBackWhatSetupMadeAndNothingElse(t *testing.T) {
	cluster, server := elastictest.Start(t), streamtest.Start(t)
	namespace, other := cluster.Namespace(t), cluster.Namespace(t)
	client, err := elastic.Open(elastic.Config{ElasticsearchURL: config.URL(cluster.URL)})
	if err != nil {
		t.Fatal(err)
	}
	dir := announce(t, state.Ready{NATSURL: server.URL(), ElasticsearchURL: cluster.URL})
	if _, err := setup(t, "--state", dir, "--namespace", namespace); err != nil {
		t.Fatal(err)
	}
	index := period.Index(namespace, "2026.11.23")
	if _, err := client.EnsureIndex(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	// An index of a name like ours that was made without our template.
	foreign := period.Index(other, "2026.11.23")
	if _, err := client.EnsureIndex(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	conn := server.Open(t)
	registry, err := conn.Bucket(t.Context(), stream.BucketEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Delete(t.Context(), "namespace.default"); err != nil { // other tests work in it
		t.Fatal(err)
	}
	if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDocuments(namespace), Data: []byte("waits")}); err != nil {
		t.Fatal(err)
	}
	remove := func(args ...string) (r removal, err error) {
		t.Helper()
		out, err := run(t.Context(), t, "", append([]string{"setup", "--remove", "--json", "--state", dir}, args...)...)
		if out != "" {
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v in\n%s", err, out)
			}
		}
		return r, err
	}
	shared := "index template " + elastic.TemplateName("default")
	template, mine := "index template "+elastic.TemplateName(namespace), "index "+index
	preview, err := remove("--dry-run")
	if got := preview.actions(); err != nil || preview.Unfinished != 1 || got[template] != "would be removed" || got[mine] != "kept" || got["stream DOCUMENTS"] != "would be removed" {
		t.Fatalf("%v %+v", err, preview)
	}
	if _, err := remove("--yes"); err == nil || !strings.Contains(err.Error(), "1 messages are not finished") {
		t.Fatalf("with a message that waits: %v", err)
	}
	if _, err := remove("--lose-events-that-auth0-was-told-are-safe"); err == nil {
		t.Fatal("nobody was asked")
	}
	if there, err := client.HasNamespace(t.Context(), namespace); err != nil || !there {
		t.Fatalf("something was removed without leave: %v %v", there, err)
	}
	for round, want := range []string{"removed", ""} { // running it twice is fine
		r, err := remove("--yes", "--indices", "--namespace", namespace, "--namespace", other, "--lose-events-that-auth0-was-told-are-safe")
		if err != nil {
			t.Fatal(err)
		}
		got := r.actions()
		for _, name := range []string{template, mine, "stream DELIVERIES", "stream DOCUMENTS", "stream DEAD_LETTERS", "bucket ENDPOINTS", "bucket ENDPOINT_STATUS", "bucket VERDICTS", "bucket LOSSES"} {
			if got[name] != want {
				t.Errorf("round %d: %s is %q, want %q", round, name, got[name], want)
			}
		}
		if got[shared] != "kept" {
			t.Errorf("round %d: the template of a namespace that is not in the registry is %q", round, got[shared])
		}
		if got["index "+foreign] != "kept" {
			t.Errorf("round %d: somebody else's index is %q", round, got["index "+foreign])
		}
	}
	if names, err := client.Indices(t.Context(), other); err != nil || len(names) != 1 {
		t.Errorf("somebody else's index is gone: %v %v", names, err)
	}
	if changes, err := setup(t, "--state", dir); err != nil || len(changes) == 0 { // and everything can be made again
		t.Errorf("%v %v", changes, err)
	}
}

func TestRemoveSeesAReceiver(t *testing.T) {
	cluster, server := elastictest.Start(t), streamtest.Start(t)
	dir := announce(t, state.Ready{NATSURL: server.URL(), ElasticsearchURL: cluster.URL})
	if _, err := setup(t, "--state", dir); err != nil {
		t.Fatal(err)
	}
	conn := server.Open(t)
	registry, err := endpoint.Open(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	directory := registry.Follow(slog.New(slog.DiscardHandler)) // as a receiver does
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = directory.Run(ctx) }()
	if err := directory.AwaitFilled(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = run(t.Context(), t, "", "setup", "--remove", "--yes", "--lose-events-that-auth0-was-told-are-safe", "--state", dir)
	if err == nil || !strings.Contains(err.Error(), "services are running") {
		t.Errorf("while a receiver runs: %v", err)
	}
	if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("goes on")}); err != nil {
		t.Errorf("the receiver cannot go on: %v", err)
	}
	cancel()
	<-done
}

func TestRemoveRefusesWhileServicesRun(t *testing.T) {
	cluster, server := elastictest.Start(t), streamtest.Start(t)
	dir := announce(t, state.Ready{NATSURL: server.URL(), ElasticsearchURL: cluster.URL})
	if _, err := setup(t, "--state", dir); err != nil {
		t.Fatal(err)
	}
	conn := server.Open(t)
	inbox, err := conn.Inbox(t.Context(), stream.Deliveries, stream.Enricher, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = inbox.Run(ctx) }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		stock, err := conn.Inventory(t.Context())
		if err != nil || time.Now().After(end) {
			t.Fatalf("nobody reads: %+v %v", stock, err)
		}
		if len(stock.Busy) > 0 {
			break
		}
	}
	if _, err := run(t.Context(), t, "", "setup", "--remove", "--yes", "--state", dir); err == nil || !strings.Contains(err.Error(), "services are running") {
		t.Errorf("while an enricher reads: %v", err)
	}
	cancel()
	<-done
}
