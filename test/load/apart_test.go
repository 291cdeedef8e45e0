package load_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/test/harness"
)

// The stages whose processor time is told apart.
const (
	stageNATS     = "nats"
	stageReceiver = "receiver"
	stageEnricher = "enricher"
	stageIndexer  = "indexer"
)

// stages are all of them, in the order of an event's way.
func stages() []string { return []string{stageReceiver, stageNATS, stageEnricher, stageIndexer} }

// apart is a Sluice whose services and NATS server are processes of their own, with the fake sink in Elasticsearch's
// place.
type apart struct {
	machine   machine
	sink      *sink
	dir       string // of logs
	data      string // of the NATS server
	inFlight  int    // deliveries at a time
	env       []string
	conn      *stream.Conn
	registry  *endpoint.Registry
	client    *http.Client
	children  []*child
	endpoints []target
	next      atomic.Int64 // counts deliveries, so that they go round
	sent      atomic.Int64 // events that were acknowledged
}

// target is where a sender posts to, at any receiver.
type target struct{ path, token string }

// startApart starts NATS and sets up the streams. Services are started by the benchmark.
func startApart(b *testing.B, s *sink) *apart {
	b.Helper()
	a := &apart{machine: openMachine(b), sink: s, dir: harness.Dir(b), data: b.TempDir(), inFlight: loadInFlight, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	nats := spawn(b, a.dir, stageNATS, []string{roleVariable + "=nats", dirVariable + "=" + filepath.Join(a.data, "nats")}, os.Args[0])
	a.children = append(a.children, nats)
	at := nats.greeting(b)
	a.env = []string{
		"NATS_URL=" + at.URL, "NATS_MONITOR_URLS=" + at.Monitor, "ELASTICSEARCH_URL=" + s.url, "ADMIN_LISTEN=127.0.0.1:0",
		"RECEIVER_LISTEN=127.0.0.1:0", "LOG_FORMAT=json", "LOG_LEVEL=warn",
	}
	if out, errs, code := harness.Run(b, a.env, harness.Binary(b, "sluice"), "setup"); code != 0 {
		b.Fatalf("setup: %d\n%s%s", code, out, errs)
	}
	var err error
	cfg := stream.Config{NATSURL: config.URL(at.URL), NATSMonitorURLs: []string{at.Monitor}}
	if a.conn, err = stream.Open(b.Context(), "load", cfg, slog.New(slog.DiscardHandler)); err != nil {
		b.Fatal(err)
	}
	if a.registry, err = endpoint.Open(b.Context(), a.conn); err != nil {
		b.Fatal(err)
	}
	return a
}

// stop ends everything and deletes the streams, so that the next round shares neither processors nor disk with this one.
func (a *apart) stop(b *testing.B) {
	b.Helper()
	a.conn.Close()
	a.client.CloseIdleConnections()
	a.end(b, stageReceiver, stageEnricher, stageIndexer, stageNATS) // NATS last: the others say goodbye to it
	if err := os.RemoveAll(a.data); err != nil {
		b.Error(err)
	}
}

// run starts services of one kind and waits until they are ready.
func (a *apart) run(b *testing.B, stage string, count int) {
	b.Helper()
	first := len(a.children)
	for range count {
		a.children = append(a.children, spawn(b, a.dir, stage, a.env, harness.Binary(b, "sluice"), "run", stage))
	}
	for _, c := range a.children[first:] {
		c.await(b, a.machine)
	}
}

// end stops the services of some kinds.
func (a *apart) end(b *testing.B, stages ...string) {
	b.Helper()
	for _, stage := range stages {
		for _, c := range a.of(stage) {
			c.end(b)
		}
	}
}

// of are the processes of a kind that run.
func (a *apart) of(stage string) (all []*child) {
	for _, c := range a.children {
		select {
		case <-c.exited:
		default:
			if c.stage == stage {
				all = append(all, c)
			}
		}
	}
	return all
}

// endpoint makes an endpoint of a namespace, which is made with its first one.
func (a *apart) endpoint(b *testing.B, namespace string) target {
	b.Helper()
	id, token := endpoint.NewID(), endpoint.NewToken()
	if _, err := a.conn.SetupNamespace(b.Context(), namespace); err != nil {
		b.Fatal(err)
	}
	if _, err := a.registry.Create(b.Context(), endpoint.Endpoint{ID: id, Name: id, Namespace: namespace}, token); err != nil {
		b.Fatal(err)
	}
	t := target{path: "/v1/endpoints/" + id, token: "Bearer " + token}
	a.endpoints = append(a.endpoints, t)
	return t
}

// post sends deliveries to one receiver after the other and, unless an endpoint is named, to one endpoint after the other.
// While more than window events have been acknowledged and not indexed it waits; with 0 it never does.
func (a *apart) post(b *testing.B, bodies [][]byte, window int, to ...target) {
	b.Helper()
	if len(to) == 0 {
		to = a.endpoints
	}
	ways, receivers := a.dial(b, to[0]), a.of(stageReceiver)
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	err := inParallel(a.inFlight, bodies, func(worker int, body []byte) error {
		if window > 0 {
			if err := a.sink.await(ctx, "", int(a.sent.Load())-window); err != nil {
				return err
			}
		}
		n := int(a.next.Add(1))
		t, r := to[n%len(to)], n%len(receivers)
		way := ways[r][worker]
		if err := errors.Join(way.aim(receivers[r].public+t.path, t.token), way.post(body)); err != nil {
			return err
		}
		a.sent.Add(int64(bytes.Count(body, []byte{'\n'})))
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// dial opens connections to each receiver, one for each delivery at a time. They end with the benchmark, or with the
// receiver.
func (a *apart) dial(b *testing.B, to target) (ways [][]*wire) {
	b.Helper()
	for _, r := range a.of(stageReceiver) {
		wires, done, err := dialWires(r.public+to.path, to.token, a.inFlight)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(done)
		ways = append(ways, wires)
	}
	return ways
}

// indexed waits until the sink has everything that was acknowledged, once.
func (a *apart) indexed(b *testing.B) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	defer cancel()
	if err := a.sink.await(ctx, "", int(a.sent.Load())); err != nil {
		b.Fatal(err)
	}
	if have, want := a.sink.total(), int(a.sent.Load()); have != want {
		b.Fatalf("%d events were acknowledged and %d documents came: some came twice, so nothing is known of the others", want, have)
	}
}

// mapped is how many events the running enrichers have made documents of.
func (a *apart) mapped(b *testing.B) (n int) {
	b.Helper()
	for _, c := range a.of(stageEnricher) {
		n += int(scrape(b, a.client, c.admin, `sluice_enricher_events_total{result="mapped"}`))
	}
	return n
}
