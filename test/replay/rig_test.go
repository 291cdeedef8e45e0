package replay_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/test/harness"
)

// indexers is how many of them work at once.
const indexers = 3

// rig is every service as a process of its own, each indexer on its own way to Elasticsearch.
type rig struct {
	t         *testing.T
	namespace string
	url       string // Payload URL
	token     string
	conn      *stream.Conn
	elastic   *elastic.Client
	server    int // the process of Elasticsearch; 0 when it runs elsewhere
	services  []*process
	receiver  *process
	indexers  []*process
	gates     []*harness.Gate
}

func newRig(t *testing.T, unit string) *rig {
	t.Helper()
	es := elastictest.Start(t)
	r := &rig{t: t, namespace: es.Namespace(t), token: endpoint.NewToken(), elastic: harness.Elastic(t, es.URL), server: serverProcess(t, es.URL)}
	url, monitor := startNATS(t)
	env := func(elasticsearch string) []string {
		return []string{
			"NATS_URL=" + url, "NATS_MONITOR_URLS=" + monitor, "ELASTICSEARCH_URL=" + elasticsearch, "ADMIN_LISTEN=127.0.0.1:0",
			"RECEIVER_LISTEN=127.0.0.1:0", "LOG_FORMAT=json", "LOG_LEVEL=info",
		}
	}
	tokenFile := filepath.Join(harness.Dir(t), "token")
	if err := os.WriteFile(tokenFile, []byte(r.token), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"setup"},
		{"namespace", "create", r.namespace, "--period", unit},
		{"endpoint", "create", "--id", "replay", "--namespace", r.namespace, "--token-file", tokenFile},
	} {
		if out, errs, code := harness.Run(t, env(es.URL), harness.Binary(t, "sluice"), args...); code != 0 {
			t.Fatalf("sluice %s: %d\n%s%s", strings.Join(args, " "), code, out, errs)
		}
	}
	var err error
	if r.conn, err = stream.Open(t.Context(), "replay", stream.Config{NATSURL: config.URL(url), SyncAlways: true}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.conn.Close)
	r.receiver = start(t, "receiver", harness.Binary(t, "receiver"), env(es.URL)...)
	r.services = append(r.services, r.receiver, start(t, "enricher", harness.Binary(t, "enricher"), env(es.URL)...))
	for i := range indexers {
		gate := harness.NewGate(t, es.URL)
		one := start(t, fmt.Sprintf("indexer-%d", i+1), harness.Binary(t, "indexer"), env(gate.URL)...)
		r.gates, r.indexers, r.services = append(r.gates, gate), append(r.indexers, one), append(r.services, one)
	}
	harness.Await(t, time.Minute, "a receiver that listens", func() bool { return r.address() != "" })
	r.url = "http://" + r.address() + "/v1/endpoints/replay"
	return r
}

// serverProcess is the number of Elasticsearch's process on this machine.
func serverProcess(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url + "/_nodes/process?filter_path=nodes.*.process.id")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var doc struct {
		Nodes map[string]struct {
			Process struct {
				ID int `json:"id"`
			} `json:"process"`
		} `json:"nodes"`
	}
	raw, err := io.ReadAll(res.Body)
	if err != nil || json.Unmarshal(raw, &doc) != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	for _, n := range doc.Nodes {
		return n.Process.ID
	}
	return 0
}

// address reads the one line in which the receiver says where it listens.
func (r *rig) address() string {
	for line := range strings.Lines(harness.Tail(r.receiver.log, 1<<20)) {
		var say struct{ Msg, Address string }
		if json.Unmarshal([]byte(line), &say) == nil && say.Msg == "receiving" {
			return say.Address
		}
	}
	return ""
}

// send delivers events and waits until every document of them has its verdict.
func (r *rig) send(o simulator.StreamOptions, source func() (simulator.Event, bool), want int) {
	r.t.Helper()
	o.URL, o.Authorization, o.Timeout = r.url, r.token, 30*time.Second
	s, err := simulator.NewStream(o)
	if err != nil {
		r.t.Fatal(err)
	}
	report, err := s.Run(r.t.Context(), source)
	if err != nil || report.Acked < want {
		r.t.Fatalf("%v: %+v", err, report)
	}
	idle := func(name, consumer string) bool {
		p, err := r.conn.Overall(r.t.Context(), name, consumer)
		return err == nil && p.Waiting == 0 && p.InFlight == 0
	}
	harness.Await(r.t, 20*time.Minute, "a verdict for every document", func() bool {
		return idle(stream.Deliveries, stream.Enricher) && idle(stream.Documents, stream.Indexer(r.namespace))
	})
}

// verdicts adds up what the indexers said of their bulks.
func (r *rig) verdicts() (sum verdicts) {
	r.t.Helper()
	for _, p := range r.indexers {
		raw, err := os.ReadFile(p.log)
		if err != nil {
			r.t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			var say struct {
				Msg string
				verdicts
			}
			if json.Unmarshal([]byte(line), &say) == nil && say.Msg == "bulk" {
				sum.Indexed, sum.Duplicate, sum.Dead = sum.Indexed+say.Indexed, sum.Duplicate+say.Duplicate, sum.Dead+say.Dead
			}
		}
	}
	return sum
}

type verdicts struct{ Indexed, Duplicate, Dead int }

// stored is how many documents each index has.
func (r *rig) stored() map[string]int64 {
	r.t.Helper()
	if err := r.elastic.Refresh(r.t.Context(), period.Alias(r.namespace)); err != nil {
		r.t.Fatal(err)
	}
	names, err := r.elastic.Indices(r.t.Context(), r.namespace)
	if err != nil {
		r.t.Fatal(err)
	}
	count := map[string]int64{}
	for _, index := range names {
		if count[index], err = r.elastic.Count(r.t.Context(), index, nil); err != nil {
			r.t.Fatal(err)
		}
	}
	return count
}

// found reads the id of every event through the alias, with how often it is there.
func (r *rig) found() map[string]int {
	r.t.Helper()
	all, after := map[string]int{}, []any(nil)
	for {
		search := map[string]any{
			"size": 10_000, "_source": false, "track_total_hits": false,
			"sort": []any{map[string]any{"event.id": "asc"}, map[string]any{"sluice.delivery": "asc"}, map[string]any{"sluice.item": "asc"}},
		}
		if after != nil {
			search["search_after"] = after
		}
		page, err := r.elastic.Search(r.t.Context(), period.Alias(r.namespace), search)
		if err != nil {
			r.t.Fatal(err)
		}
		if len(page.Hits) == 0 {
			return all
		}
		for _, hit := range page.Hits {
			all[fmt.Sprint(hit.Sort[0])]++
		}
		after = page.Hits[len(page.Hits)-1].Sort
	}
}
