package cli_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/period"
)

// write makes a file of the test's own.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSendPostsEveryFormOfARecording(t *testing.T) {
	in := newIntake(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken})
	lines := write(t, "lines.jsonl", `{"log_id":"l1","data":{"type":"s"}}`+"\r\n\r\n"+`{"log_id":"l2","data":{"type":"s"}}`)
	export := write(t, "export.json", "[\n  {\n    \"_id\": \"e1\",\n    \"log_id\": \"e1\",\n    \"type\": \"fp\"\n  },\n  {\"_id\": \"e2\"}\n]\n")
	object := write(t, "object.json", `{"logs":[{"log_id":"o1","data":{}}]}`)
	out, err := run(t.Context(), t, "{\n \"log_id\": \"p1\",\n \"data\": {\"type\": \"s\"}\n}\n", "send", "--json", "--state", dir, lines, export, object, "-")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if want := []string{"l1", "l2", "e1", "e2", "o1", "p1"}; !slices.Equal(in.ids, want) {
		t.Errorf("%v arrived, want %v", in.ids, want)
	}
	sent := string(in.bodies[0])
	if len(in.bodies) != 1 || strings.Count(sent, "\n") != 6 || !strings.Contains(sent, `{"log_id":"e2","data":{"_id": "e2"}}`) {
		t.Errorf("%d deliveries, the first one is\n%s", len(in.bodies), sent)
	}
}

func TestSendNamesBrokenElementsByLineAndSendsThemAlone(t *testing.T) {
	in := newIntake(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken})
	file := write(t, "mixed.jsonl", `{"log_id":"a","data":{}}`+"\n{broken\n"+`{"log_id":"b","data":{}}`+"\n"+`{"type":"s"}`+"\n")
	out, err := run(t.Context(), t, "", "send", "--json", "--state", dir, file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := decoded(t, out).Files[0]
	if found.Elements != 4 || found.Events != 2 || len(found.Broken) != 2 || found.Broken[0].Line != 2 || found.Broken[1].Line != 4 || found.Broken[1].Reason != "no_log_id" {
		t.Errorf("got %+v", found)
	}
	if len(in.bodies) != 3 || string(in.bodies[1]) != "{broken\n" {
		t.Errorf("%d deliveries: %q; want one of events and one for each broken element", len(in.bodies), in.bodies)
	}
	if out, err := run(t.Context(), t, "", "send", "--state", dir, "--skip-broken", file); err != nil || len(in.bodies) != 4 {
		t.Errorf("with --skip-broken %d deliveries, want one more: %v\n%s", len(in.bodies), err, out)
	}
}

func TestSendGoesOnAfterAFileItCannotUse(t *testing.T) {
	in := newIntake(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken})
	out, err := run(t.Context(), t, "", "send", "--json", "--state", dir,
		filepath.Join(t.TempDir(), "absent.json"), write(t, "empty.json", " \n"), write(t, "good.json", `{"log_id":"g","data":{}}`))
	r := decoded(t, out)
	if !errors.Is(err, cli.ErrSilent) || len(r.Files) != 3 || r.Files[0].Problem == "" || r.Files[1].Problem == "" || r.Files[2].Problem != "" {
		t.Errorf("got %v and\n%s", err, out)
	}
	if !slices.Equal(in.ids, []string{"g"}) {
		t.Errorf("%v arrived, want g", in.ids)
	}
}

func TestSendWaitsUntilWhatWasAcknowledgedIsSearchable(t *testing.T) {
	cluster, in := elastictest.Start(t), newIntake(t)
	namespace, logID := cluster.Namespace(t), "wait-"+ulid.Make().String()
	client, err := elastic.Open(elastic.Config{ElasticsearchURL: config.URL(cluster.URL)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SetupNamespace(t.Context(), namespace, elastic.Index{Shards: 1, Refresh: "1s", Codec: "default"}); err != nil {
		t.Fatal(err)
	}
	index := period.Index(namespace, "2026.01.01")
	if _, err := client.EnsureIndex(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken, NATSURL: "nats://127.0.0.1:1", ElasticsearchURL: cluster.URL})
	file := write(t, "one.jsonl", fmt.Sprintf(`{"log_id":%q,"data":{}}`, logID))
	out, err := run(t.Context(), t, "", "send", "--json", "--state", dir, "--wait-searchable", "100ms", file)
	if r := decoded(t, out); !errors.Is(err, cli.ErrSilent) || r.Searchable == nil || r.Searchable.Found != 0 {
		t.Errorf("before it is indexed: %v and\n%s", err, out)
	}
	document := fmt.Sprintf(`{"create":{"_index":%q,"_id":"1"}}`+"\n"+`{"@timestamp":"2026-01-01T00:00:00Z","event":{"id":%q}}`+"\n", index, logID)
	if _, err := client.Bulk(t.Context(), []byte(document), 1); err != nil {
		t.Fatal(err)
	}
	out, err = run(t.Context(), t, "", "send", "--json", "--state", dir, "--wait-searchable", "30s", file)
	if r := decoded(t, out); err != nil || r.Searchable == nil || r.Searchable.Found != 1 {
		t.Errorf("when it is indexed: %v and\n%s", err, out)
	}
}
