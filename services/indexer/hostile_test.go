package indexer_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/leaktest"
	"github.com/sluicelog/sluice/shared/stream"
)

// hostile is a server that only calls itself Elasticsearch: a real one cannot be made to give the malformed answers that
// are tried here. It answers a bulk as bulk says; what else an indexer asks is answered well.
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

// created answers a bulk of these documents.
func created(ids ...string) string {
	items := make([]string, len(ids))
	for i, id := range ids {
		items[i] = fmt.Sprintf(`{"create":{"_id":%q,"status":201}}`, id)
	}
	return `{"errors":false,"items":[` + strings.Join(items, ",") + `]}`
}

// documentsIn are the ids of the documents in a bulk.
func documentsIn(t *testing.T, req *http.Request) (ids []string) {
	t.Helper()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(body)) {
		var action struct {
			Create *struct {
				ID string `json:"_id"`
			}
		}
		if json.Unmarshal([]byte(line), &action) == nil && action.Create != nil {
			ids = append(ids, action.Create.ID)
		}
	}
	return ids
}

func TestNoAnswerButAWholeOneAcknowledges(t *testing.T) {
	var elsewhere atomic.Int32
	password := leaktest.Secret()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = io.WriteString(w, body) }
	}
	answers := map[string]http.HandlerFunc{
		"fewer items":      text(200, created("a", "b")),
		"more items":       text(200, created("a", "b", "c", "d")),
		"another order":    text(200, created("b", "a", "c")),
		"another document": text(200, created("a", "b", "x")),
		"one twice":        text(200, created("a", "b", "b")),
		"no ids":           text(200, strings.Replace(created("a", "b", "c"), `"_id":"b",`, "", 1)),
		"two actions":      text(200, `{"items":[{"create":{"_id":"a","status":201},"index":{"_id":"a","status":400}},{"create":{"_id":"b","status":201}},{"create":{"_id":"c","status":201}}]}`),
		"items twice":      text(200, `{"items":[],`+created("a", "b")[1:]),
		"deep":             text(200, strings.Repeat(`{"items":[`, 200_000)),
		"100 MB": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "{")
			for range 100 {
				_, _ = w.Write(bytes.Repeat([]byte{' '}, 1<<20))
			}
			_, _ = io.WriteString(w, created("a", "b", "c")[1:])
		},
		"a gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			packed := gzip.NewWriter(w)
			for range 256 {
				_, _ = packed.Write(bytes.Repeat([]byte{' '}, 1<<20))
			}
			_, _ = io.WriteString(packed, created("a", "b", "c"))
			_ = packed.Close()
		},
		"binary":           text(200, "\x00\xff\xfe"+created("a", "b", "c")),
		"two at once":      text(200, created("a", "b", "c")+created("a", "b", "c")),
		"no items":         text(200, `{"errors":false}`),
		"empty":            text(200, ""),
		"html":             text(200, "<html>all is well</html>"),
		"cut off":          text(200, created("a", "b", "c")[:40]),
		"empty items":      text(200, `{"items":[{},{},{}]}`),
		"null items":       text(200, `{"items":[null,null,null]}`),
		"items of numbers": text(200, `{"items":[201,201,201]}`),
		"status as text":   text(200, `{"items":[{"create":{"_id":"a","status":"201"}},{"create":{"_id":"b","status":"201"}},{"create":{"_id":"c","status":"201"}}]}`),
		"odd statuses":     text(200, `{"items":[{"create":{"_id":"a","status":100}},{"create":{"_id":"b","status":-1}},{"create":{"_id":"c","status":302}}]}`),
		"not documents' fault": text(200, `{"items":[{"create":{"_id":"a","status":400,"error":{"type":"illegal_argument_exception"}}},`+
			`{"create":{"_id":"b","status":400}},{"create":{"_id":"c","status":429,"error":{"type":"document_parsing_exception"}}}]}`),
		"400 for all": text(400, `{"error":{"type":"document_parsing_exception","reason":"x"}}`),
		"401":         text(401, `{"error":{"type":"security_exception"}}`),
		"404":         text(404, ""), "429": text(429, "{}"), "502": text(502, "bad gateway"),
		"redirect": func(w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, other.URL+"/_bulk", http.StatusTemporaryRedirect)
		},
		"hang up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	t.Run("answers", func(t *testing.T) {
		for name, answer := range answers {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // each mostly waits
				var honest, asked atomic.Bool
				r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
					if honest.Load() {
						_, _ = io.WriteString(w, created(documentsIn(t, req)...))
						return
					}
					asked.Store(true)
					answer(w, req)
				})
				s := r.run(func(c *indexer.Config) {
					c.ElasticsearchUsername, c.ElasticsearchPassword = "u", config.Secret(password)
				})
				r.publish(r.document("a"), r.document("b"), r.document("c"))
				r.await("the writer says that documents wait", func() bool { return asked.Load() && s.says("documents wait") })
				if r.finished() || len(r.dead()) > 0 {
					t.Errorf("finished: %v, %d letters", r.finished(), len(r.dead()))
				}
				honest.Store(true)
				r.awaitFinished()
				if strings.Contains(s.logs.String(), password) {
					t.Error("the password was logged")
				}
			})
		}
	})
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

func TestATooLargeRequestIsHalved(t *testing.T) {
	var stored atomic.Int64
	r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
		ids := documentsIn(t, req)
		if len(ids) > 7 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		stored.Add(int64(len(ids)))
		_, _ = io.WriteString(w, created(ids...))
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

// sizes are how many documents each bulk held.
type sizes struct {
	mu  sync.Mutex
	all []int
}

func (s *sizes) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, n)
}

func (s *sizes) list() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// A server that is too slow for many documents at once gets fewer, until it is well again.
func TestARequestThatCameTooLateIsHalved(t *testing.T) {
	var stored atomic.Int64
	var well atomic.Bool
	var asked sizes
	r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
		ids := documentsIn(t, req)
		asked.add(len(ids))
		if len(ids) > 20 && !well.Load() {
			<-req.Context().Done()
			return
		}
		stored.Add(int64(len(ids)))
		_, _ = io.WriteString(w, created(ids...))
	})
	r.run(func(c *indexer.Config) { c.BulkTimeout, c.Workers = time.Second, 1 })
	const count = 100
	message := func(name string) {
		var docs []string
		for i := range count {
			docs = append(docs, r.document(fmt.Sprintf("%s-%02d", name, i)))
		}
		r.publish(docs...)
	}
	message("first")
	r.awaitFinished()
	if stored.Load() != count {
		t.Errorf("%d documents are stored, want %d", stored.Load(), count)
	}
	all := asked.list()
	for i, n := range all[:len(all)-1] {
		if n > 20 && all[i+1] > n/2+1 {
			t.Errorf("a request of %d documents came too late, and then one of %d was sent", n, all[i+1])
		}
	}
	well.Store(true)
	for i := 0; asked.list()[len(asked.list())-1] < count; i++ {
		if i == 50 {
			t.Fatalf("requests stay small: %v", asked.list())
		}
		message(strconv.Itoa(i))
		r.awaitFinished()
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
