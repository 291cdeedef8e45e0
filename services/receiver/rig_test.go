package receiver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
	"github.com/sluicelog/sluice/shared/telemetry"
)

func TestMain(m *testing.M) { // idle connections of HTTP clients end some time later
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// rig is a running receiver with a NATS server of its own, and the eyes of a test.
type rig struct {
	t        *testing.T
	nats     *streamtest.Server
	conn     *stream.Conn
	registry *endpoint.Registry
	board    *endpoint.Board
	service  *receiver.Service
	tel      *telemetry.Telemetry
	endpoint *endpoint.Endpoint
	token    string
	client   *http.Client
	logs     *logs
	seen     *uint64      // the last message that partsOf has looked at
	stop     func() error // ends the receiver and returns what Run returned
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

// start runs a receiver until the test ends; adjust changes its settings and the sizes of the streams.
func start(t *testing.T, adjust func(*receiver.Config, *stream.Topology)) *rig {
	t.Helper()
	r := prepare(t, adjust)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.service.Run(ctx) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("the receiver ended with %v", err)
		}
	})
	r.await("the receiver is ready", func() bool { return r.tel.Ready(t.Context()) == nil })
	return r
}

// prepare opens a receiver without running it.
func prepare(t *testing.T, adjust func(*receiver.Config, *stream.Topology)) *rig {
	t.Helper()
	var cfg receiver.Config
	if err := config.Load("receiver", &cfg); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, nats: streamtest.Start(t), logs: &logs{}, seen: new(uint64), token: endpoint.NewToken()}
	topology := streamtest.Topology()
	cfg.Listen, cfg.Stream, cfg.Instance = "127.0.0.1:0", r.nats.Config(), "rig.1"
	cfg.InProcess = nil // a socket, so that the server may be started again on its port
	if adjust != nil {
		adjust(&cfg, &topology)
	}
	r.connect(topology)
	tel, err := telemetry.Open(t.Context(), "receiver", telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "error", LogFormat: "json"})
	if err != nil {
		t.Fatal(err)
	}
	pages := make(chan error, 1)
	go func() { pages <- tel.Serve(context.Background()) }()
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := <-pages; err != nil {
			t.Error(err)
		}
	})
	tel.Log, r.tel = slog.New(slog.NewJSONHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), tel
	if r.service, err = receiver.Open(t.Context(), cfg, tel); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 300, DisableCompression: true}
	r.client = &http.Client{
		Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() { transport.CloseIdleConnections(); r.checkSecrecy(r.token) })
	return r
}

// connect makes the streams and the endpoint.
func (r *rig) connect(topology stream.Topology) {
	r.t.Helper()
	ctx := r.t.Context()
	r.conn = r.nats.Open(r.t)
	if _, err := r.conn.Setup(ctx, topology); err != nil {
		r.t.Fatal(err)
	}
	var err error
	if r.registry, err = endpoint.Open(ctx, r.conn); err != nil {
		r.t.Fatal(err)
	}
	if r.board, err = endpoint.OpenBoard(ctx, r.conn); err != nil {
		r.t.Fatal(err)
	}
	if r.endpoint, err = r.registry.Create(ctx, endpoint.Endpoint{Name: "test", Namespace: "default"}, r.token); err != nil {
		r.t.Fatal(err)
	}
}

// in is the same rig for a part of the test.
func (r *rig) in(t *testing.T) *rig {
	t.Helper()
	same := *r
	same.t = t
	return &same
}

// checkSecrecy fails when a token is in a log line.
func (r *rig) checkSecrecy(token string) {
	r.t.Helper()
	if strings.Contains(r.logs.String(), token) {
		r.t.Errorf("a token was logged:\n%s", r.logs)
	}
}

func (r *rig) base() string { return "http://" + r.service.Addr().String() }

func (r *rig) url() string { return r.base() + "/v1/endpoints/" + r.endpoint.ID }

// reply is an answer as its sender sees it.
type reply struct {
	status int
	header http.Header
	text   string
	word   string
	id     string
	bytes  int
	closes bool // the connection ends with this answer
}

// post sends a body to the endpoint with its token; change may alter the request.
func (r *rig) post(body io.Reader, change func(*http.Request)) reply {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url(), body)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", r.token)
	if change != nil {
		change(req)
	}
	return r.do(req)
}

func (r *rig) do(req *http.Request) reply {
	r.t.Helper()
	res, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.read(res)
}

// read takes an answer apart; each one is JSON in one form and names no token.
func (r *rig) read(res *http.Response) reply {
	r.t.Helper()
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	out := reply{status: res.StatusCode, header: res.Header, text: string(raw), closes: res.Close}
	if strings.Contains(out.text, r.token) {
		r.t.Errorf("a token was answered: %s", raw)
	}
	if res.Request != nil && res.Request.Method == http.MethodHead {
		return out
	}
	var say struct {
		Status, Message, Delivery string
		Bytes                     *int
	}
	if err := json.Unmarshal(raw, &say); err != nil || say.Status == "" || say.Message == "" {
		r.t.Fatalf("%d is answered with %q: %v", res.StatusCode, raw, err)
	}
	if (say.Bytes != nil) != (res.StatusCode == http.StatusOK) {
		r.t.Errorf("%d is answered with %s", res.StatusCode, raw)
	}
	out.word, out.id = say.Status, say.Delivery
	if say.Bytes != nil {
		out.bytes = *say.Bytes
	}
	return out
}

// await polls until condition holds.
func (r *rig) await(what string, condition func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("waited in vain until %s; the log says\n%s", what, r.logs)
		}
	}
}

// stored returns everything in the stream, and in how many messages it lies.
func (r *rig) stored() (all []delivery.Delivery, messages int) {
	r.t.Helper()
	for message := range r.scan(stream.Range{}) {
		all, messages = append(all, r.unpack(message)...), messages+1
	}
	return all, messages
}

// partsOf returns the parts, in order, of a delivery that was stored since the last call.
func (r *rig) partsOf(id string) (parts []delivery.Delivery) {
	r.t.Helper()
	for message := range r.scan(stream.Range{From: *r.seen + 1}) {
		parts, *r.seen = append(parts, r.unpack(message)...), message.Sequence
	}
	parts = slices.DeleteFunc(parts, func(d delivery.Delivery) bool { return d.ID != id })
	slices.SortFunc(parts, func(a, b delivery.Delivery) int { return a.Part - b.Part })
	return parts
}

func (r *rig) scan(what stream.Range) iter.Seq[stream.Stored] {
	r.t.Helper()
	return func(yield func(stream.Stored) bool) {
		for message, err := range r.conn.Scan(r.t.Context(), stream.Deliveries, what) {
			if err != nil {
				r.t.Fatal(err)
			}
			if !yield(message) {
				return
			}
		}
	}
}

func (r *rig) unpack(message stream.Stored) []delivery.Delivery {
	r.t.Helper()
	some, err := delivery.Decode(message.Header, message.Data)
	if err != nil {
		r.t.Fatal(err)
	}
	return some
}

// value is the sum of a metric's series whose labels include value, all of them when it is empty.
func (r *rig) value(name, label string) float64 {
	r.t.Helper()
	families, err := r.tel.Metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	var sum float64
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if label == "" || len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() == label {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
