package cli_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// shown is what the tests read of `delivery show --json`.
type shown struct {
	Namespace string         `json:"namespace"`
	Count     int            `json:"events"`
	States    map[string]int `json:"states"`
	Notes     []string       `json:"notes"`
	Items     []struct {
		Item  int    `json:"item"`
		Line  int    `json:"line"`
		LogID string `json:"log_id"`
		Code  string `json:"code"`
		State string `json:"state"`
		Why   string `json:"why"`
	} `json:"items"`
}

func show(t *testing.T, dir, id string) (s shown, err error) {
	t.Helper()
	out, err := run(t.Context(), t, "", "delivery", "show", "--json", "--state", dir, id)
	if err == nil {
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
	}
	return s, err
}

// commit stores deliveries in one message, as a receiver does.
func commit(t *testing.T, conn *stream.Conn, all ...delivery.Delivery) {
	t.Helper()
	header, payload, err := delivery.Encode(all)
	if err == nil {
		_, err = conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Header: header, Data: payload})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func arrived(namespace, body string) delivery.Delivery {
	return delivery.Delivery{ID: ulid.Make().String(), Endpoint: "ep", Namespace: namespace, Received: time.Now(), Body: []byte(body)}
}

func TestDeliveryShowTellsWhatItKnowsWhileElasticsearchIsAway(t *testing.T) {
	server := streamtest.Start(t)
	conn := server.Open(t, "default")
	dir := announce(t, state.Ready{NATSURL: server.URL(), ElasticsearchURL: "http://127.0.0.1:1", PID: os.Getpid()})
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprint(w, `{"log_id":"a","data":{"type":"s"}}`+"\n{broken\n")
	w.Close()
	d := arrived("default", packed.String())
	d.Encoding = "gzip"
	commit(t, conn, arrived("default", `{"log_id":"z","data":{}}`), d)
	key := deadletter.KeyOf("ep", []byte(`{"log_id":"a","data":{"type":"s"}}`+"\n{broken\n"))
	letter := &deadletter.Letter{Stage: deadletter.StageEnricher, Reason: "not_json", Delivery: "the-first-one", Key: key, Item: 1, Line: 2, Namespace: "default"}
	if _, err := deadletter.Open(conn).Put(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	s, err := show(t, dir, d.ID)
	if err != nil || s.Count != 2 || s.States["unknown"] != 1 || s.States["dead"] != 1 {
		t.Fatalf("got %v and %+v", err, s)
	}
	if left, err := conn.Consumers(t.Context(), stream.Deliveries); err != nil || len(left) != 2 || !slices.Contains(left, stream.Enricher) || !slices.Contains(left, stream.BulkConsumer(stream.Enricher)) {
		t.Errorf("looking left consumers on the stream: %v %v", left, err)
	}
	if s.Items[0].LogID != "a" || s.Items[0].Code != "s" || !strings.Contains(s.Items[1].Why, "not_json") || s.Items[1].Line != 2 {
		t.Errorf("got %+v", s.Items)
	}
}

func TestDeliveryShowRefusesUnknownIDs(t *testing.T) {
	server := streamtest.Start(t)
	server.Open(t, "default")
	dir := announce(t, state.Ready{NATSURL: server.URL(), ElasticsearchURL: "http://127.0.0.1:1"})
	if _, err := show(t, dir, "nonsense"); err == nil || !strings.Contains(err.Error(), "26 characters") {
		t.Errorf("got %v", err)
	}
	id := ulid.Make().String()
	if _, err := show(t, dir, id); err == nil || !strings.Contains(err.Error(), id) {
		t.Errorf("got %v", err)
	}
}

func TestDeliveryShowTellsSearchableFromDuplicateAndWaiting(t *testing.T) {
	cluster := elastictest.Start(t)
	namespace := cluster.Namespace(t)
	client, err := elastic.Open(elastic.Config{ElasticsearchURL: config.URL(cluster.URL)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.SetupNamespace(t.Context(), namespace, elastic.Index{Shards: 1, Refresh: "1s", Codec: "default"}); err != nil {
		t.Fatal(err)
	}
	server := streamtest.Start(t)
	conn := server.Open(t, namespace)
	dir := announce(t, state.Ready{NATSURL: server.URL(), ElasticsearchURL: cluster.URL})
	d := arrived(namespace, `[{"log_id":"mine","data":{"tenant_name":"acme"}},{"log_id":"theirs","data":{"tenant_name":"acme"}},
		{"log_id":"late","data":{"tenant_name":"acme"}},{"log_id":"mine","data":{"tenant_name":"acme"}}]`)
	commit(t, conn, d)
	index := period.Index(namespace, "2026.01.01")
	document := func(logID, delivery string, item int) string {
		return fmt.Sprintf(`{"create":{"_index":%q,"_id":%q}}`+"\n"+`{"@timestamp":"2026-01-01T00:00:00Z","event":{"id":%q},"sluice":{"delivery":%q,"item":%d}}`+"\n",
			index, auth0.DocumentID("acme", logID), logID, delivery, item)
	}
	if _, err := client.EnsureIndex(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Bulk(t.Context(), []byte(document("mine", d.ID, 0)+document("theirs", "ANOTHER", 5)), 2); err != nil {
		t.Fatal(err)
	}
	if err := client.Refresh(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	s, err := show(t, dir, d.ID)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, item := range s.Items {
		states = append(states, item.State)
	}
	if got := strings.Join(states, " "); got != "searchable duplicate waiting duplicate" {
		t.Errorf("got %s: %+v", got, s.Items)
	}
	if !strings.Contains(s.Items[1].Why, "ANOTHER") || !strings.Contains(s.Items[2].Why, "enricher") || !strings.Contains(s.Items[3].Why, "item 0") {
		t.Errorf("got %+v", s.Items)
	}
	empty := streamtest.Start(t) // a stream from which the delivery was purged
	empty.Open(t, namespace)
	s, err = show(t, announce(t, state.Ready{NATSURL: empty.URL(), ElasticsearchURL: cluster.URL}), d.ID)
	if err != nil || s.States["searchable"] != 1 || s.Namespace != namespace || len(s.Notes) == 0 {
		t.Errorf("after the purge: %v, %+v", err, s)
	}
}
