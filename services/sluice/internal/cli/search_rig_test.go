package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/period"
)

// archive is a namespace of a real Elasticsearch, announced in a state folder.
type archive struct {
	t         *testing.T
	client    *elastic.Client
	url       string
	namespace string
	dir       string
	stored    int
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	if testing.Short() {
		t.Skip("needs Elasticsearch: not with -short")
	}
	t.Setenv("NATS_URL", "")
	cluster := elastictest.Start(t)
	a := &archive{t: t, namespace: cluster.Namespace(t), url: cluster.URL}
	var err error
	if a.client, err = elastic.Open(elastic.Config{ElasticsearchURL: config.URL(cluster.URL)}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.client.SetupNamespace(t.Context(), a.namespace, elastic.Index{Shards: 2, Refresh: "1s", Codec: "default"}); err != nil {
		t.Fatal(err)
	}
	a.dir = announce(t, state.Ready{ElasticsearchURL: cluster.URL})
	return a
}

// store indexes documents and makes them searchable. Each is a JSON object without its braces.
func (a *archive) store(inner ...string) {
	a.t.Helper()
	index := period.Index(a.namespace, "2026.11.23")
	if _, err := a.client.EnsureIndex(a.t.Context(), index); err != nil {
		a.t.Fatal(err)
	}
	var bulk bytes.Buffer
	for _, members := range inner {
		a.stored++
		fmt.Fprintf(&bulk, `{"create":{"_index":%q,"_id":"%d"}}`+"\n{%s}\n", index, a.stored, members)
	}
	items, err := a.client.Bulk(a.t.Context(), bulk.Bytes(), len(inner))
	if err != nil {
		a.t.Fatal(err)
	}
	for i, item := range items {
		if item.Status != 201 {
			a.t.Fatalf("%s: %d %+v", inner[i], item.Status, item.Cause)
		}
	}
	if err := a.client.Refresh(a.t.Context(), index); err != nil {
		a.t.Fatal(err)
	}
}

// event is a document with a time, the time at which it was taken in, and an id.
func event(at, ingested, id, more string) string {
	if more != "" {
		more = "," + more
	}
	return fmt.Sprintf(`"@timestamp":%q,"event":{"id":%q,"ingested":%q,"code":"fp","outcome":"failure"},"sluice":{"delivery":"D","item":1}%s`, at, id, ingested, more)
}

// screen is a writer that can be read while a command writes.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// start runs a command line with its own streams.
func (a *archive) start(ctx context.Context, out, err io.Writer, args ...string) error {
	cmd := cli.New(strings.NewReader(""), out, err).Command() //nolint:contextcheck // the context comes with ExecuteContext
	cmd.SetArgs(append([]string{"--state", a.dir}, args...))
	return cmd.ExecuteContext(ctx)
}

// search runs a search; note is what it says beside its result.
func (a *archive) search(args ...string) (out, note string, err error) {
	a.t.Helper()
	var stdout, stderr bytes.Buffer
	err = a.start(a.t.Context(), &stdout, &stderr, append([]string{"search", "--namespace", a.namespace}, args...)...)
	return stdout.String(), stderr.String(), err
}

// found returns the event.id of what a search prints, in its order.
func (a *archive) found(args ...string) []string {
	a.t.Helper()
	out, _, err := a.search(append([]string{"--json"}, args...)...)
	if err != nil && !errors.Is(err, cli.ErrSilent) {
		a.t.Fatalf("search %v: %v", args, err)
	}
	return idsOf(a.t, out)
}

// idsOf reads lines of JSON. A last line that has no end yet is left out.
func idsOf(t *testing.T, text string) []string {
	t.Helper()
	var all []string
	for line := range strings.SplitAfterSeq(text, "\n") {
		if !strings.HasSuffix(line, "\n") {
			continue
		}
		var doc struct {
			Event struct {
				ID string `json:"id"`
			} `json:"event"`
		}
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all = append(all, doc.Event.ID)
	}
	return all
}

func readyAt(url string) state.Ready { return state.Ready{ElasticsearchURL: url} }
