package indexer_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/stream"
)

// hostile is a server that calls itself Elasticsearch and answers a bulk as bulk says; what else an indexer asks is
// answered well.
func hostile(t *testing.T, bulk http.HandlerFunc) *rig {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case req.URL.Path == "/_bulk":
			bulk(w, req)
		case req.Method == http.MethodGet && strings.HasPrefix(req.URL.Path, "/_index_template/"), strings.HasPrefix(req.URL.Path, "/_resolve/"):
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = io.WriteString(w, `{"status":"green"}`)
		}
	}))
	t.Cleanup(server.Close)
	return rigOn(t, &elastictest.Cluster{URL: server.URL}, "default")
}

// created answers a bulk of n documents.
func created(n int) string {
	return `{"errors":false,"items":[` + strings.TrimSuffix(strings.Repeat(`{"create":{"status":201}},`, n), ",") + `]}`
}

func documentsIn(t *testing.T, req *http.Request) int {
	t.Helper()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Error(err)
	}
	return strings.Count(string(body), "\n") / 2
}

func TestNoAnswerButAWholeOneAcknowledges(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
	}
	answers := map[string]http.HandlerFunc{
		"fewer items":      text(200, created(2)),
		"more items":       text(200, created(4)),
		"no items":         text(200, `{"errors":false}`),
		"empty":            text(200, ""),
		"html":             text(200, "<html>all is well</html>"),
		"cut off":          text(200, created(3)[:40]),
		"empty items":      text(200, `{"items":[{},{},{}]}`),
		"null items":       text(200, `{"items":[null,null,null]}`),
		"items of numbers": text(200, `{"items":[201,201,201]}`),
		"status as text":   text(200, `{"items":[{"create":{"status":"201"}},{"create":{"status":"201"}},{"create":{"status":"201"}}]}`),
		"odd statuses":     text(200, `{"items":[{"create":{"status":100}},{"create":{"status":-1}},{"create":{"status":302}}]}`),
		"not documents' fault": text(200, `{"items":[{"create":{"status":400,"error":{"type":"illegal_argument_exception"}}},`+
			`{"create":{"status":400}},{"create":{"status":429,"error":{"type":"document_parsing_exception"}}}]}`),
		"400 for all": text(400, `{"error":{"type":"document_parsing_exception","reason":"x"}}`),
		"401":         text(401, `{"error":{"type":"security_exception"}}`),
		"404":         text(404, ""), "429": text(429, "{}"), "502": text(502, "bad gateway"),
		"redirect": func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, other.URL+"/_bulk", http.StatusTemporaryRedirect)
		},
		"hang up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			var honest, asked atomic.Bool
			r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
				if honest.Load() {
					_, _ = io.WriteString(w, created(documentsIn(t, req)))
					return
				}
				asked.Store(true)
				answer(w, req)
			})
			s := r.run(func(c *indexer.Config) { c.ElasticsearchUsername, c.ElasticsearchPassword = "u", "canary" })
			r.publish(r.document("a"), r.document("b"), r.document("c"))
			r.await("the writer says that documents wait", func() bool { return asked.Load() && s.says("documents wait") })
			if r.finished() || len(r.dead()) > 0 {
				t.Errorf("finished: %v, %d letters", r.finished(), len(r.dead()))
			}
			honest.Store(true)
			r.awaitFinished()
			if strings.Contains(s.logs.String(), "canary") {
				t.Error("the password was logged")
			}
		})
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

func TestATooLargeRequestIsHalved(t *testing.T) {
	var stored atomic.Int64
	r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
		n := documentsIn(t, req)
		if n > 7 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		stored.Add(int64(n))
		_, _ = io.WriteString(w, created(n))
	})
	s := r.run()
	var docs []string
	for i := range 100 {
		docs = append(docs, r.document(strconv.Itoa(i)))
	}
	r.publish(docs...)
	r.awaitFinished()
	if stored.Load() != 100 || s.value(t, "sluice_indexer_retries_total", "") != 0 {
		t.Errorf("%d documents, %v retries", stored.Load(), s.value(t, "sluice_indexer_retries_total", ""))
	}
}

func TestAStopWhileElasticsearchIsAwayLosesNothing(t *testing.T) {
	r := newRig(t)
	through := func(p *proxy) func(*indexer.Config) {
		return func(c *indexer.Config) { c.ElasticsearchURL = config.URL(p.server.URL) }
	}
	r.publish(r.document("a"), r.document("b"))
	stopsInTime(t, r.run()) // while it starts

	gone := newProxy(t, r.cluster.URL)
	gone.server.Close()
	s := r.run(through(gone))
	r.await("it says what is missing", func() bool { return s.says("cannot be indexed yet", r.namespace) })
	stopsInTime(t, s)

	silent := newProxy(t, r.cluster.URL)
	silent.hang.Store(true)
	s = r.run(through(silent))
	r.await("a namespace is being taken up", func() bool { return silent.held.Load() > 0 })
	stopsInTime(t, s)

	silent.hang.Store(false)
	s = r.run(through(silent))
	r.awaitFinished()
	silent.held.Store(0)
	silent.hang.Store(true)
	r.publish(r.document("c"))
	r.await("a document is on its way", func() bool { return silent.held.Load() > 0 })
	stopsInTime(t, s)
	if r.finished() || len(r.dead()) > 0 {
		t.Error("the message is gone")
	}
	r.run()
	r.awaitFinished()
	r.wantCount(3)
}

func stopsInTime(t *testing.T, s *service) {
	t.Helper()
	begin := time.Now()
	if err := s.stop(); err != nil || time.Since(begin) > 10*time.Second {
		t.Errorf("stopping took %s: %v", time.Since(begin), err)
	}
}

// proxy stands before a real Elasticsearch and can fall silent.
type proxy struct {
	server *httptest.Server
	hang   atomic.Bool
	held   atomic.Int32
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	p := &proxy{}
	transport := &http.Transport{}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if p.hang.Load() {
			_, _ = io.Copy(io.Discard, req.Body) // only then is the end of the connection noticed
			p.held.Add(1)
			<-req.Context().Done()
			return
		}
		out, err := http.NewRequestWithContext(req.Context(), req.Method, target+req.URL.RequestURI(), req.Body)
		if err != nil {
			t.Error(err)
			return
		}
		out.Header, out.ContentLength = req.Header, req.ContentLength
		res, err := transport.RoundTrip(out)
		if err != nil {
			return
		}
		defer res.Body.Close()
		maps.Copy(w.Header(), res.Header)
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	t.Cleanup(func() { p.server.Close(); transport.CloseIdleConnections() })
	return p
}

func TestDocumentsOfALaterVersionWaitAndHoldUpNoOther(t *testing.T) {
	r := newRig(t)
	header := headers(1)
	header["Sluice-Schema"] = "2"
	r.send(header, r.document("later"))
	later := r.last
	r.publish(r.document("a"), r.document("b"))
	s := r.run()
	r.await("an alarm", func() bool { return s.says(`"level":"ERROR"`, "later version wait") })
	r.await("the others are finished", func() bool {
		p, err := r.conn.Progress(t.Context(), stream.Documents, stream.Indexer(r.namespace))
		return err == nil && p.Waiting == 0 && p.InFlight == 1 && p.Done == later-1
	})
	r.wantCount(2)
	if len(r.dead()) > 0 || s.value(t, "sluice_indexer_retries_total", "newer_version") == 0 {
		t.Errorf("%d dead letters", len(r.dead()))
	}
}
