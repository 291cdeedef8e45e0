package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// bench is a real NATS server with its topology, announced in a state folder. Elasticsearch is away.
type bench struct {
	nats *streamtest.Server
	conn *stream.Conn
	dir  state.Dir
}

func newBench(t *testing.T) *bench {
	t.Helper()
	t.Setenv("NATS_URL", "")
	b := &bench{nats: streamtest.Start(t), dir: state.Dir(t.TempDir())}
	b.conn = b.nats.Open(t, "default")
	b.announce(t, "http://127.0.0.1:8080")
	return b
}

func (b *bench) announce(t *testing.T, base string) {
	t.Helper()
	err := b.dir.WriteReady(state.Ready{
		PayloadURL: base + "/v1/endpoints/first", NATSURL: b.nats.URL(), ElasticsearchURL: "http://127.0.0.1:1", Endpoint: "first",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run executes one command line and returns what it printed.
func (b *bench) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return b.runWith(t, strings.NewReader(""), args...)
}

func (b *bench) runWith(t *testing.T, in io.Reader, args ...string) (string, error) {
	t.Helper()
	var out, screen bytes.Buffer
	cmd := cli.New(in, &out, &screen).Command()
	cmd.SetArgs(append([]string{"--state", string(b.dir)}, args...))
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// must is run for commands that have to succeed.
func (b *bench) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := b.run(t, args...)
	if err != nil {
		t.Fatalf("sluice %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// object is must with --json, decoded.
func (b *bench) object(t *testing.T, args ...string) map[string]any {
	t.Helper()
	return decode[map[string]any](t, b.must(t, append(args, "--json")...))
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("no JSON: %v\n%s", err, text)
	}
	return value
}

// startReceiver runs the real receiver and announces its address.
func (b *bench) startReceiver(t *testing.T) (base string) {
	t.Helper()
	admin := telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "error", LogFormat: "json"}
	tel, err := telemetry.Open(t.Context(), "receiver", admin)
	if err != nil {
		t.Fatal(err)
	}
	var cfg receiver.Config
	if err := config.Load("receiver", &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Listen, cfg.Instance, cfg.Stream, cfg.Telemetry = "127.0.0.1:0", "test", b.nats.Config(), admin
	service, err := receiver.Open(t.Context(), cfg, tel)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("receiver: %v", err)
		}
	})
	base = "http://" + service.Addr().String()
	b.announce(t, base)
	return base
}

// post sends one delivery and returns the status, waiting until the receiver knows the endpoint.
func post(t *testing.T, url, token, body string) int {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		unheard := res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusServiceUnavailable // of the first endpoint
		if !unheard || time.Now().After(deadline) {
			return res.StatusCode
		}
	}
}
