package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/test/harness"
)

// house is a Sluice of single services with an outside NATS that a test may lose, and one endpoint.
type house struct {
	t         *testing.T
	port      int
	nats      *embedded.Server
	cluster   *elastictest.Cluster
	elastic   *elastic.Client
	namespace string
	endpoint  string
	token     string
	unpacked  bool // services of the present build store messages that those of an earlier one can read
}

func newHouse(t *testing.T) *house {
	t.Helper()
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, cluster: elastictest.Start(t), token: endpoint.NewToken()}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listening on %s", l.Addr())
	}
	h.port = address.Port // the next server must have the same one
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	h.namespace = h.cluster.Namespace(t)
	h.endpoint, h.elastic = strings.ReplaceAll(h.namespace, "_", "-"), harness.Elastic(t, h.cluster.URL)
	h.startNATS()
	t.Cleanup(func() { _ = h.nats.Stop(context.Background()) })
	return h
}

// startNATS starts a server that holds nothing.
func (h *house) startNATS() {
	h.t.Helper()
	var err error
	h.nats, err = embedded.Start(h.t.Context(), embedded.Options{Dir: harness.Dir(h.t), Port: h.port, MaxStore: 16 << 30, Monitor: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) env() []string {
	return []string{
		"NATS_URL=" + h.nats.URL(), "NATS_MONITOR_URLS=" + h.nats.MonitorURL(), "ELASTICSEARCH_URL=" + h.cluster.URL,
		"ADMIN_LISTEN=127.0.0.1:0", "RECEIVER_LISTEN=127.0.0.1:0", "LOG_FORMAT=json", "LOG_LEVEL=info",
	}
}

// sluice runs the operator's program, which must succeed.
func (h *house) sluice(args ...string) string {
	h.t.Helper()
	out, errs, code := harness.Run(h.t, h.env(), harness.Binary(h.t, "sluice"), args...)
	if code != 0 {
		h.t.Fatalf("sluice %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// furnish makes streams, template and endpoint.
func (h *house) furnish() {
	h.t.Helper()
	h.sluice("setup", "--namespace", h.namespace)
	file := filepath.Join(harness.Dir(h.t), "token")
	if err := os.WriteFile(file, []byte(h.token), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.sluice("endpoint", "create", "--id", h.endpoint, "--name", "house", "--namespace", h.namespace, "--token-file", file)
}

// start starts a service of a build; the present one for an empty folder.
func (h *house) start(folder, name string) *process {
	h.t.Helper()
	program, env := harness.Binary(h.t, name), h.env()
	switch {
	case folder != "":
		program = filepath.Join(folder, name)
	case h.unpacked:
		env = append(env, "STREAM_UNPACKED=true")
	}
	return start(h.t, env, program)
}

// receiver starts a receiver and waits until it listens.
func (h *house) receiver(folder string) *process {
	h.t.Helper()
	p := h.start(folder, "receiver")
	harness.Await(h.t, time.Minute, "a receiver that listens", func() bool { return p.address() != "" })
	return p
}

// end stops a process as an operator does.
func (h *house) end(p *process) {
	h.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		h.t.Errorf("stopping %s: %v", p.log, err)
	}
}

// post sends one delivery and returns the status of the answer and the word in it.
func (h *house) post(p *process, events ...simulator.Event) (int, string) {
	h.t.Helper()
	url := "http://" + p.address() + "/v1/endpoints/" + h.endpoint
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, url, strings.NewReader(string(simulator.Body(simulator.Lines, events))))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Authorization", h.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Status string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, answer.Status
}

// deliver sends events in deliveries of 50; each must be accepted.
func (h *house) deliver(p *process, events []simulator.Event) {
	h.t.Helper()
	for len(events) > 0 {
		n := min(50, len(events))
		if status, word := h.post(p, events[:n]...); status != http.StatusOK {
			h.t.Fatalf("answered %d %s", status, word)
		}
		events = events[n:]
	}
}

// awaitCount waits until exactly want documents of the house are searchable.
func (h *house) awaitCount(want int) {
	h.t.Helper()
	last := int64(0)
	harness.Await(h.t, 2*time.Minute, fmt.Sprintf("%d documents", want), func() bool {
		n, err := h.elastic.Count(h.t.Context(), period.Alias(h.namespace), nil)
		if err == nil { // an index that is being made has no shard yet
			last = n
		}
		return last >= int64(want)
	})
	if last != int64(want) {
		h.t.Fatalf("%d documents are searchable, want %d", last, want)
	}
}

// balanced reads the ledger until nothing waits, and wants nothing missing or doubled.
func (h *house) balanced() books {
	h.t.Helper()
	var b books
	harness.Await(h.t, time.Minute, "nothing waits", func() bool {
		b = books{}
		if err := json.Unmarshal([]byte(h.sluice("ledger", "--json")), &b); err != nil {
			h.t.Fatal(err)
		}
		return b.Total.Received > 0 && b.Total.Waiting == 0
	})
	if !b.Total.adds() || b.Total.Missing+b.Total.Doubled+b.Total.Dead > 0 || len(b.Wrong) > 0 {
		h.t.Errorf("the books: %+v", b)
	}
	return b
}

func TestALostNATSIsRestoredFromTheExportAndRefusesNoTenant(t *testing.T) {
	h := newHouse(t)
	h.furnish()
	backup := filepath.Join(harness.Dir(t), "registry.json")
	h.sluice("endpoint", "export", "-o", backup)
	receiver, enricher, indexer := h.receiver(""), h.start("", "enricher"), h.start("", "indexer")
	source, begin := tenant(t), time.Now()
	events := take(source, 300)
	h.deliver(receiver, events)
	h.awaitCount(300)
	h.end(indexer)
	searchable := time.Now()
	lost := take(source, 100) // accepted, and gone with the stream before they were searchable
	h.deliver(receiver, lost)

	refused := func(p *process, words ...string) {
		t.Helper()
		status, word := h.post(p, events[0])
		if status != http.StatusServiceUnavailable || !strings.Contains(strings.Join(words, " "), word) {
			t.Errorf("answered %d %s, want 503 %v", status, word, words)
		}
	}
	if err := h.nats.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(receiver, "stream_away")
	h.startNATS() // with empty disks
	refused(receiver, "stream_away", "no_registry")
	h.sluice("setup", "--namespace", h.namespace)
	fresh := h.receiver("")
	refused(fresh, "no_registry") // it has never heard of the endpoint, and does not say that there is none
	if status, word := h.post(receiver, events[0]); status == http.StatusUnauthorized || status == http.StatusNotFound {
		t.Errorf("the receiver that knew the endpoint answers %d %s", status, word)
	}

	var out struct {
		Written []string
		Cursors []struct {
			Endpoint       string
			LastSearchable time.Time `json:"last_searchable"`
			StartingCursor time.Time `json:"starting_cursor"`
		}
		Note string
	}
	if err := json.Unmarshal([]byte(h.sluice("endpoint", "import", backup, "--json")), &out); err != nil {
		t.Fatal(err)
	}
	if len(out.Written) != 1 || len(out.Cursors) != 1 || out.Note != "" {
		t.Fatalf("import says %+v", out)
	}
	last := out.Cursors[0].LastSearchable
	if last.Before(begin.Truncate(time.Second)) || last.After(searchable) || !out.Cursors[0].StartingCursor.Before(last) {
		t.Errorf("the cursor is %+v; the last searchable delivery came between %s and %s", out.Cursors[0], begin, searchable)
	}
	for _, p := range []*process{receiver, fresh} {
		harness.Await(t, time.Minute, "deliveries are accepted again", func() bool {
			status, word := h.post(p, events[0])
			if status == http.StatusUnauthorized || status == http.StatusNotFound {
				t.Fatalf("answered %d %s", status, word)
			}
			return status == http.StatusOK
		})
	}
	indexer = h.start("", "indexer")
	more := take(source, 50)
	for _, again := range [][]simulator.Event{events, lost, more} { // what Auth0 sends from the cursor on, and what is new
		h.deliver(fresh, again)
	}
	h.awaitCount(450)
	h.balanced()
	h.end(enricher)
	h.end(indexer)
	h.wantNoLoss()
}

// wantNoLoss lets a janitor of the test's own look at both streams until it would have named every loss.
func (h *house) wantNoLoss() {
	h.t.Helper()
	log := slog.New(slog.DiscardHandler)
	conn, err := stream.Open(h.t.Context(), "test", stream.Config{NATSURL: config.URL(h.nats.URL()), SyncAlways: true}, log)
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		janitor := conn.NewJanitor(name, time.Hour)
		for i := range 5 {
			if err := janitor.Sweep(h.t.Context(), time.Now().Add(time.Duration(i)*time.Minute)); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	losses, err := conn.Losses(h.t.Context())
	if err != nil || len(losses) > 0 {
		h.t.Errorf("losses are noted: %+v %v", losses, err)
	}
}
