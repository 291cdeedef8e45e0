// Package hostile_test sends a running Sluice what nobody should send, and checks what it answers, what becomes of it,
// and that the next good delivery is none the worse for it.
package hostile_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/test/harness"
)

// readTimeout is short, so that slow senders are answered within the test; everything else is as it comes.
const readTimeout = "10s"

// rig is an all-in-one as a process of its own, with a namespace that nobody else writes to.
type rig struct {
	*harness.Instance
	t         *testing.T
	namespace string
	host      string // of the receiver
	path      string // of the endpoint
	token     string
	old       string // a token that has been replaced and is still good
	gone      string // a token that was revoked
	other     string // path of another endpoint
	conn      *stream.Conn
	made      atomic.Int64 // event ids so far
}

func newRig(t *testing.T, env ...string) *rig {
	t.Helper()
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	cluster := elastictest.Start(t)
	r := &rig{t: t, namespace: cluster.Namespace(t)} // removed after the all-in-one has stopped
	env = append([]string{"RECEIVER_READ_TIMEOUT=" + readTimeout, "LOG_FORMAT=json", "LOG_LEVEL=debug"}, env...)
	r.Instance = harness.Up(t, harness.Options{Args: []string{"--elasticsearch", cluster.URL}, Env: env})
	var err error
	if r.conn, err = stream.Open(t.Context(), "hostile", stream.Config{NATSURL: config.URL(r.NATSURL), NATSUnsafe: true}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.conn.Close)
	r.endpoints()
	return r
}

// endpoints makes the endpoint that is attacked, with a token that was revoked and one that is being replaced, and
// another one beside it.
func (r *rig) endpoints() {
	r.t.Helper()
	ctx := r.t.Context()
	registry, err := endpoint.Open(ctx, r.conn)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.conn.SetupNamespace(ctx, r.namespace); err != nil {
		r.t.Fatal(err)
	}
	r.gone, r.old, r.token = endpoint.NewToken(), endpoint.NewToken(), endpoint.NewToken()
	e, err := registry.Create(ctx, endpoint.Endpoint{Name: "attacked", Namespace: r.namespace}, r.gone)
	if err == nil {
		_, err = registry.Rotate(ctx, e.ID, r.old, time.Hour)
	}
	if err == nil {
		_, err = registry.Revoke(ctx, e.ID, e.Tokens[0].ID)
	}
	if err == nil {
		_, err = registry.Rotate(ctx, e.ID, r.token, time.Hour)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	beside, err := registry.Create(ctx, endpoint.Endpoint{Name: "beside", Namespace: r.namespace}, endpoint.NewToken())
	if err != nil {
		r.t.Fatal(err)
	}
	u, err := url.Parse(r.LocalURL)
	if err != nil {
		r.t.Fatal(err)
	}
	base := strings.TrimSuffix(u.Path, r.Endpoint)
	r.host, r.path, r.other = u.Host, base+e.ID, base+beside.ID
	r.LocalURL, r.Authorization = "http://"+r.host+r.path, r.token
	r.Endpoint, r.Index = e.ID, period.Alias(r.namespace)
	harness.Await(r.t, time.Minute, "the endpoint is known", func() bool { status, _, _ := r.Post(nil, nil); return status == http.StatusOK })
}

// id makes a log id that no other event has, of the form and the time that Auth0 gives it.
func (r *rig) id() string {
	return fmt.Sprintf("900%s%039d", time.Now().UTC().Format("20060102150405"), r.made.Add(1))
}

// good posts an event that nothing is wrong with and returns its id.
func (r *rig) good() (id string, err error) {
	id = r.id()
	body := fmt.Sprintf(`{"log_id":%q,"data":{"date":%q,"type":"s","client_name":"good"}}`, id, time.Now().UTC().Format(time.RFC3339))
	status, answer, _ := r.Post([]byte(body), nil)
	if status != http.StatusOK {
		return id, fmt.Errorf("a good delivery was answered %d %s", status, answer)
	}
	return id, nil
}

// settle waits until every message has its verdict and what was stored is searchable.
func (r *rig) settle(limit time.Duration) {
	r.t.Helper()
	for _, c := range [][2]string{{stream.Deliveries, stream.Enricher}, {stream.Documents, stream.Indexer(r.namespace)}} {
		harness.Await(r.t, limit, "all messages of "+c[0]+" have their verdict", func() bool {
			p, err := r.conn.Overall(r.t.Context(), c[0], c[1])
			return err == nil && p.Waiting+uint64(p.InFlight) == 0
		})
	}
	if err := harness.Elastic(r.t, r.ElasticsearchURL).Refresh(r.t.Context(), r.Index); err != nil {
		r.t.Fatal(err)
	}
}

// stored is a document, as far as it matters here.
type stored struct {
	Event  struct{ ID string }
	Sluice struct{ Delivery string }
}

// documents reads all documents of the namespace.
func (r *rig) documents() (all []stored) {
	r.t.Helper()
	client := harness.Elastic(r.t, r.ElasticsearchURL)
	for after := []any(nil); ; {
		search := map[string]any{
			"size": 2000, "_source": []string{"event.id", "sluice.delivery"}, "query": map[string]any{"match_all": map[string]any{}},
			"sort": []any{map[string]any{"event.id": "asc"}, map[string]any{"sluice.delivery": "asc"}, map[string]any{"sluice.item": "asc"}},
		}
		if after != nil {
			search["search_after"] = after
		}
		page, err := client.Search(r.t.Context(), r.Index, search)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, hit := range page.Hits {
			var d stored
			if err := json.Unmarshal(hit.Source, &d); err != nil {
				r.t.Fatal(err)
			}
			all, after = append(all, d), hit.Sort
		}
		if len(page.Hits) == 0 {
			return all
		}
	}
}

// letters reads all dead letters.
func (r *rig) letters() (all []*deadletter.Letter) {
	r.t.Helper()
	for l, err := range deadletter.Open(r.conn).All(r.t.Context()) {
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}
