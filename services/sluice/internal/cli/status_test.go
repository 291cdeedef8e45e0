package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/endpoint"
)

// send posts a body to an endpoint and returns the status.
func send(t *testing.T, url, token, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// await polls until done.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func TestStatusTellsWhatAPersonMustDo(t *testing.T) {
	b := newBench(t)
	base := b.startReceiver(t)
	token := endpoint.NewToken()
	registry, err := endpoint.Open(t.Context(), b.conn)
	if err != nil {
		t.Fatal(err)
	}
	e, err := registry.Create(t.Context(), endpoint.Endpoint{Name: "shop", Namespace: "default"}, token)
	if err != nil {
		t.Fatal(err)
	}
	url := base + "/v1/endpoints/" + e.ID
	await(t, "an accepted delivery", func() bool { return send(t, url, token, `{"log_id":"1","data":{}}`) == http.StatusOK })
	state := func() map[string]any {
		return b.object(t, "endpoint", "show", e.ID)
	}
	await(t, "the delivery on the board", func() bool { return state()["last_delivery"] != nil && state()["state"] == "active" })
	if code := send(t, url, token+"x", "{}"); code != http.StatusUnauthorized {
		t.Fatalf("a wrong token is answered %d", code)
	}
	await(t, "a failing endpoint", func() bool { return state()["state"] == "failing" })
	if s := state(); fmt.Sprint(s["days_left"]) < "6.9" || s["starting_cursor"] == nil {
		t.Errorf("%v", s)
	}
	if _, err := deadletter.Open(b.conn).Put(t.Context(), &deadletter.Letter{Stage: deadletter.StageIndexer, Reason: "document_parsing_exception", Key: "k", Delivery: "d", FirstSeen: time.Now(), Body: []byte("?")}); err != nil {
		t.Fatal(err)
	}
	text, err := b.run(t, "status")
	if cli.ExitCode(err) != 1 {
		t.Errorf("exit code %d: %v", cli.ExitCode(err), err)
	}
	for _, want := range []string{"failing for", "unauthorized", "rotate", "document_parsing_exception", "nobody makes room", "elasticsearch:", "DELIVERIES", "enricher", "indexer-default", "TO DO"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	shown := b.must(t, "endpoint", "show", e.ID)
	for _, want := range []string{"failing for", "Starting Cursor", "Enterprise", "30 days", "What to do:"} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %q in\n%s", want, shown)
		}
	}
	if list := b.must(t, "endpoint", "list"); !strings.Contains(list, "failing for") {
		t.Errorf("endpoint list:\n%s", list)
	}
	if strings.Contains(text+shown, token) {
		t.Error("a token is shown")
	}
	await(t, "an accepted delivery", func() bool { return send(t, url, token, `{"log_id":"2","data":{}}`) == http.StatusOK })
	await(t, "the end of the failure", func() bool { return state()["state"] == "active" })
}

// syncBuffer can be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

func TestStatusWatchWritesOneObjectPerLookUntilItIsStopped(t *testing.T) {
	b := newBench(t)
	var out syncBuffer
	cmd := cli.New(strings.NewReader(""), &out, &out).Command()
	cmd.SetArgs([]string{"--state", string(b.dir), "status", "--watch", "--interval", "500ms", "--json"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
	await(t, "three looks", func() bool { return strings.Count(out.text(), "\n") >= 3 })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the end of a watch: %v", err)
	}
	for line := range strings.Lines(out.text()) {
		var page struct {
			At      time.Time
			Streams []struct{ Name string }
		}
		if err := json.Unmarshal([]byte(line), &page); err != nil || page.At.IsZero() || len(page.Streams) != 2 {
			t.Errorf("%v: %s", err, line)
		}
	}
}
