package enricher_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
	"github.com/sluicelog/sluice/shared/telemetry"
)

func TestMain(m *testing.M) { // idle connections of HTTP clients end some time later
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// rig is a stream and the eyes of a test.
type rig struct {
	t    *testing.T
	nats *streamtest.Server
	conn *stream.Conn
	last uint64 // sequence of the last delivery
}

func newRig(t *testing.T, topology stream.Topology) *rig {
	t.Helper()
	r := &rig{t: t, nats: streamtest.Start(t)}
	r.conn = r.nats.Open(t)
	r.setup(topology)
	if _, err := r.conn.SetupNamespace(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	registry, err := endpoint.Open(t.Context(), r.conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.EnsureNamespace(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) setup(topology stream.Topology) {
	r.t.Helper()
	if _, err := r.conn.Setup(r.t.Context(), topology); err != nil {
		r.t.Fatal(err)
	}
}

// logs keeps everything that was logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
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

// run starts an enricher; stop ends it, at the latest with the test, and fails the test when it ends with an error.
func (r *rig) run() (l *logs, stop func()) {
	r.t.Helper()
	var cfg enricher.Config
	if err := config.Load("enricher", &cfg); err != nil {
		r.t.Fatal(err)
	}
	cfg.Stream = r.nats.Config()
	tel, err := telemetry.Open(r.t.Context(), "enricher", telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "error", LogFormat: "json"})
	if err != nil {
		r.t.Fatal(err)
	}
	pages := make(chan error, 1)
	go func() { pages <- tel.Serve(context.Background()) }()
	l = &logs{}
	tel.Log = slog.New(slog.NewJSONHandler(l, nil))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- enricher.Run(ctx, cfg, tel) }()
	stop = sync.OnceFunc(func() {
		begin := time.Now()
		cancel()
		if err := <-done; err != nil || time.Since(begin) > 10*time.Second {
			r.t.Errorf("the enricher ended after %s with %v", time.Since(begin), err)
		}
		if err := errors.Join(tel.Shutdown(context.Background()), <-pages); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	return l, stop
}

// post stores one delivery of ten events, the last of which is broken.
func (r *rig) post(number int) { r.postAs(number, false) }

// postAs stores it in a class.
func (r *rig) postAs(number int, bulk bool) {
	r.t.Helper()
	var lines []string
	for i := range 9 {
		lines = append(lines, fmt.Sprintf(`{"log_id":"%d-%d","data":{"type":"s","date":%q,"user_agent":%q}}`, number, i, time.Now().UTC().Format(time.RFC3339), strings.Repeat("x", 400)))
	}
	lines = append(lines, fmt.Sprintf(`{"broken":%d}`, number))
	header, body, err := delivery.Encode([]delivery.Delivery{{
		ID: fmt.Sprintf("D%d", number), Endpoint: "e1", Namespace: "default", Received: time.Now(), Body: []byte(strings.Join(lines, "\n")),
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	receipt, err := r.conn.Publish(r.t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Header: header, Data: body, Bulk: bulk})
	if err != nil {
		r.t.Fatal(err)
	}
	r.last = receipt.Sequence
}

func (r *rig) await(what string, condition func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (r *rig) awaitFinished() {
	r.t.Helper()
	r.await("every delivery is acknowledged", func() bool {
		p, err := r.conn.Overall(r.t.Context(), stream.Deliveries, stream.Enricher)
		return err == nil && p.Done >= r.last
	})
}

// check fails unless every event of the deliveries 0 to n-1 is a document, and every broken one a letter, once.
func (r *rig) check(n int) {
	r.t.Helper()
	seen := map[string]int{}
	for message, err := range r.conn.Scan(r.t.Context(), stream.Documents, stream.Range{}) {
		if err != nil {
			r.t.Fatal(err)
		}
		for line := range strings.Lines(string(message.Data)) {
			if _, id, ok := strings.Cut(line, `"event":{"id":"`); ok {
				id, _, _ = strings.Cut(id, `"`)
				seen[id]++
			}
		}
	}
	for l, err := range deadletter.Open(r.conn).All(r.t.Context()) {
		if err != nil {
			r.t.Fatal(err)
		}
		seen[l.Delivery+" "+l.Reason]++
	}
	for number := range n {
		for i := range 9 {
			if id := fmt.Sprintf("%d-%d", number, i); seen[id] != 1 {
				r.t.Errorf("event %s is there %d times", id, seen[id])
			}
		}
		if id := fmt.Sprintf("D%d no_log_id", number); seen[id] != 1 {
			r.t.Errorf("letter %s is there %d times", id, seen[id])
		}
	}
	if len(seen) != 10*n {
		r.t.Errorf("%d things are stored, want %d", len(seen), 10*n)
	}
}

func TestTwoEnrichersShareTheWork(t *testing.T) {
	r := newRig(t, streamtest.Topology())
	r.run()
	for i := range 60 {
		r.post(i)
	}
	r.run()
	r.awaitFinished()
	r.check(60)
}

func TestDocumentsKeepTheClassOfTheirDelivery(t *testing.T) {
	r := newRig(t, streamtest.Topology())
	for i := range 20 {
		r.postAs(i, i%4 > 0)
	}
	r.run()
	r.awaitFinished()
	r.check(20)
	classes := map[string]int{}
	for message, err := range r.conn.Scan(t.Context(), stream.Documents, stream.Range{}) {
		if err != nil {
			t.Fatal(err)
		}
		var number int
		if _, rest, ok := strings.Cut(string(message.Data), `"event":{"id":"`); !ok {
			t.Fatalf("no event in %.200s", message.Data)
		} else if _, err := fmt.Sscanf(rest, "%d-", &number); err != nil {
			t.Fatal(err)
		}
		classes[message.Subject]++
		want := stream.SubjectDocuments("default")
		if number%4 > 0 {
			want = stream.BulkSubject(want)
		}
		if message.Subject != want {
			t.Errorf("the documents of delivery %d are on %s", number, message.Subject)
		}
	}
	if len(classes) != 2 {
		t.Errorf("%v", classes)
	}
}

// The enricher comes before setup, as nothing says that it must not.
func TestAnEnricherWorksBeforeThereIsABulkClass(t *testing.T) {
	r := newRig(t, streamtest.Topology())
	r.nats.WithoutBulk(t)
	l, _ := r.run()
	r.postAs(0, true)
	r.awaitFinished()
	if !l.has("the bulk class has no consumer yet") {
		t.Error("it does not say what is missing")
	}
	r.setup(streamtest.Topology())
	if _, err := r.conn.SetupNamespace(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	first, err := r.conn.Get(t.Context(), stream.Deliveries, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.conn.Publish(t.Context(), stream.Outgoing{Subject: stream.BulkSubject(stream.SubjectDeliveries), Header: first.Header, Data: first.Data})
	if err != nil {
		t.Fatal(err)
	}
	r.last = again.Sequence
	r.awaitFinished()
}

func TestDeliveriesWaitWhileAStreamIsFull(t *testing.T) {
	full := map[string]func(*stream.Topology){
		"documents":    func(c *stream.Topology) { c.DocumentsMaxBytes = 15_000 },
		"dead letters": func(c *stream.Topology) { c.DeadLettersMaxBytes = 2_000 },
	}
	for name, shrink := range full {
		t.Run(name, func(t *testing.T) {
			topology := streamtest.Topology()
			shrink(&topology)
			r := newRig(t, topology)
			for i := range 20 {
				r.post(i)
			}
			l, stop := r.run()
			r.await("an alarm", func() bool { return l.has(`"level":"ERROR"`, "a delivery waits", "full") })
			stop() // what it holds goes back
			r.run()
			r.setup(streamtest.Topology())
			r.awaitFinished()
			r.check(20)
		})
	}
}

func TestAStopWhileItStartsIsClean(t *testing.T) {
	r := newRig(t, streamtest.Topology())
	_, stop := r.run()
	stop()
}

func TestADeliveryOfALaterVersionWaitsAndHoldsUpNoOther(t *testing.T) {
	r := newRig(t, streamtest.Topology())
	header, body, err := delivery.Encode([]delivery.Delivery{{ID: "LATER", Endpoint: "e1", Namespace: "default", Received: time.Now(), Body: []byte(`{"log_id":"later"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	header[delivery.HeaderSchema] = "2"
	receipt, err := r.conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Header: header, Data: body})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		r.post(i)
	}
	r.waitsAlone(receipt.Sequence, "later version waits", 5)
	if p, err := r.conn.Progress(t.Context(), stream.Deliveries, stream.Enricher); err != nil || p.Done >= receipt.Sequence {
		t.Errorf("it is acknowledged: %+v %v", p, err)
	}
}

func TestADeliveryOfANamespaceThatCannotBeReadWaitsAndHoldsUpNoOther(t *testing.T) {
	r := newRig(t, streamtest.Topology())
	bucket, err := r.conn.Bucket(t.Context(), stream.BucketEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Put(t.Context(), "namespace.later", []byte(`{"schema":99,"name":"later","calendar":[{"unit":"day"}]}`)); err != nil {
		t.Fatal(err)
	}
	header, body, err := delivery.Encode([]delivery.Delivery{{ID: "LATER", Endpoint: "e1", Namespace: "later", Received: time.Now(), Body: []byte(`{"log_id":"later"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := r.conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Header: header, Data: body})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		r.post(i)
	}
	r.waitsAlone(receipt.Sequence, "the record of its namespace cannot be read", 5)
}

// waitsAlone runs an enricher that must say why a message waits, and finish all the others meanwhile.
func (r *rig) waitsAlone(sequence uint64, why string, others int) {
	r.t.Helper()
	l, stop := r.run()
	r.await("an alarm", func() bool { return l.has(`"level":"ERROR"`, why) })
	r.await("the others are finished", func() bool {
		p, err := r.conn.Progress(r.t.Context(), stream.Deliveries, stream.Enricher)
		return err == nil && p.Waiting == 0 && p.InFlight == 1 && p.Done == sequence-1
	})
	r.check(others)
	stop()
}
