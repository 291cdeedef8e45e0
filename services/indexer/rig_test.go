package indexer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
	"github.com/sluicelog/sluice/shared/telemetry"
)

func TestMain(m *testing.M) {
	// The client of Elasticsearch keeps idle connections and has no way to close them.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// rig is a stream with one namespace, an Elasticsearch, and the eyes of a test.
type rig struct {
	t         *testing.T
	nats      *streamtest.Server
	conn      *stream.Conn
	registry  *endpoint.Registry
	letters   *deadletter.Box
	cluster   *elastictest.Cluster
	elastic   *elastic.Client
	namespace string
	last      uint64 // sequence of the last message that was published
}

// newRig works with the shared Elasticsearch.
func newRig(t *testing.T) *rig {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs Elasticsearch")
	}
	cluster := elastictest.Start(t)
	return rigOn(t, cluster, cluster.Namespace(t))
}

func rigOn(t *testing.T, cluster *elastictest.Cluster, namespace string) *rig {
	t.Helper()
	r := &rig{t: t, nats: streamtest.Start(t), cluster: cluster, namespace: namespace}
	r.conn = r.nats.Open(t, namespace)
	r.letters = deadletter.Open(r.conn)
	var err error
	if r.elastic, err = elastic.Open(r.settings().Elasticsearch); err != nil {
		t.Fatal(err)
	}
	if r.registry, err = endpoint.Open(t.Context(), r.conn); err != nil {
		t.Fatal(err)
	}
	if err = r.registry.EnsureNamespace(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) settings() indexer.Config {
	r.t.Helper()
	var cfg indexer.Config
	if err := config.Load("indexer", &cfg); err != nil {
		r.t.Fatal(err)
	}
	cfg.Stream, cfg.Refresh = r.nats.Config(), "50ms"
	cfg.ElasticsearchURL, cfg.ElasticsearchUsername = config.URL(r.cluster.URL), r.cluster.Username
	cfg.ElasticsearchPassword, cfg.ElasticsearchCAFile = config.Secret(r.cluster.Password), r.cluster.CAFile
	return cfg
}

// service is a running indexer.
type service struct {
	tel  *telemetry.Telemetry
	logs *logs
	stop func() error // ends it and returns what Run returned
}

// logs keeps everything that was logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// run starts an indexer; it ends with the test, and must end without an error.
func (r *rig) run(adjust ...func(*indexer.Config)) *service {
	r.t.Helper()
	cfg := r.settings()
	for _, change := range adjust {
		change(&cfg)
	}
	tel, err := telemetry.Open(r.t.Context(), "indexer", telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "error", LogFormat: "json"})
	if err != nil {
		r.t.Fatal(err)
	}
	pages := make(chan error, 1)
	go func() { pages <- tel.Serve(context.Background()) }()
	s := &service{tel: tel, logs: &logs{}}
	tel.Log = slog.New(slog.NewJSONHandler(s.logs, nil))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- indexer.Run(ctx, cfg, tel) }()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, tel.Shutdown(context.Background()), <-pages)
	})
	r.t.Cleanup(func() {
		if err := s.stop(); err != nil {
			r.t.Errorf("the indexer ended with %v", err)
		}
		if r.t.Failed() {
			r.t.Logf("the indexer's log:\n%.4000s", s.logs)
		}
	})
	return s
}

// index is an index of the rig's namespace.
func (r *rig) index(name string) string { return period.Index(r.namespace, name) }

const today = "2026.11.23"

// lines are one document as it stands in a message.
func (r *rig) lines(index, id, fields string) string {
	return fmt.Sprintf(`{"create":{"_index":%q,"_id":%q}}`+"\n"+
		`{"@timestamp":"2026-11-23T10:00:00.000Z","data_stream":{"namespace":%q},"sluice":{"endpoint":"e1","delivery":"01JAAA","item":3}%s}`+"\n",
		index, id, r.namespace, fields)
}

func (r *rig) document(id string) string { return r.lines(r.index(today), id, "") }

func headers(documents int) stream.Header {
	return stream.Header{"Sluice-Schema": "1", "Sluice-Count": strconv.Itoa(documents), "Sluice-Received-At": time.Now().UTC().Format(time.RFC3339Nano)}
}

// publish stores one message with documents.
func (r *rig) publish(documents ...string) {
	r.t.Helper()
	r.send(headers(len(documents)), strings.Join(documents, ""))
}

func (r *rig) send(header stream.Header, data string) { r.t.Helper(); r.sendAs(header, data, false) }

// sendAs stores a message in a class.
func (r *rig) sendAs(header stream.Header, data string, bulk bool) {
	r.t.Helper()
	receipt, err := r.conn.Publish(r.t.Context(), stream.Outgoing{Subject: stream.SubjectDocuments(r.namespace), Header: header, Data: []byte(data), Bulk: bulk})
	if err != nil {
		r.t.Fatal(err)
	}
	r.last = receipt.Sequence
}

// await polls until condition holds.
func (r *rig) await(what string, condition func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// finished reports whether every message is acknowledged.
func (r *rig) finished() bool {
	r.t.Helper()
	p, err := r.conn.Overall(r.t.Context(), stream.Documents, stream.Indexer(r.namespace))
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Done >= r.last
}

func (r *rig) awaitFinished() {
	r.t.Helper()
	r.await("every message has its verdict", r.finished)
}

// count is how many documents are searchable through the alias.
func (r *rig) count() int64 {
	r.t.Helper()
	alias := period.Alias(r.namespace)
	if err := r.elastic.Refresh(r.t.Context(), alias); err != nil {
		r.t.Fatal(err)
	}
	var n int64
	var err error
	r.await("an answer of all indices", func() bool { // one that is being made has no shard yet
		n, err = r.elastic.Count(r.t.Context(), alias, nil)
		return elastic.Status(err) != http.StatusServiceUnavailable
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) wantCount(want int64) {
	r.t.Helper()
	if got := r.count(); got != want {
		r.t.Errorf("%d documents are searchable, want %d", got, want)
	}
}

func (r *rig) dead() (all []*deadletter.Letter) {
	r.t.Helper()
	for l, err := range r.letters.All(r.t.Context()) {
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// call asks Elasticsearch directly and returns the answer's body.
func (r *rig) call(method, path, body string) string {
	r.t.Helper()
	req, err := http.NewRequest(method, r.cluster.URL+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if r.cluster.Username != "" {
		req.SetBasicAuth(r.cluster.Username, r.cluster.Password)
	}
	client, err := r.cluster.Client()
	if err != nil {
		r.t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 299 {
		r.t.Fatalf("%s %s: %s: %s %v", method, path, res.Status, text, err)
	}
	return string(text)
}

// value is the sum of a series over all labels, or of those that include label.
func (s *service) value(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := s.tel.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && (label == "" || len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == label) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// says reports whether a line of the log has all these words.
func (s *service) says(words ...string) bool {
	for line := range strings.Lines(s.logs.String()) {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return true
		}
	}
	return false
}
