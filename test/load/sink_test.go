package load_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// sink is a fake sink: it answers what an indexer asks of Elasticsearch and stores nothing. A benchmark takes it where
// Elasticsearch would be the bottleneck of what is measured, and says "fake sink" beside the figures. It does not
// remember documents: one that comes twice is counted twice, where Elasticsearch would refuse it.
type sink struct {
	url   string
	tb    testing.TB
	spare sync.Pool                     // of buffers
	rate  float64                       // documents a second that it takes; 0: as many as come
	seen  func(action, document []byte) // told of every document, unless nil; it must not keep them

	mu        sync.Mutex
	templates map[string]json.RawMessage
	indices   map[string]int // documents, by the index that they were sent to
	documents int
	changed   chan struct{} // closed and replaced when documents came
	held      chan struct{} // closed when templates may be read; nil: always
	free      time.Time     // until when it is busy with what came
}

// startSink serves on loopback until the benchmark ends; setUp is for fields that are not as usual.
func startSink(tb testing.TB, setUp ...func(*sink)) *sink {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &sink{
		url: "http://" + listener.Addr().String(), tb: tb, templates: map[string]json.RawMessage{}, indices: map[string]int{},
		changed: make(chan struct{}), spare: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	for _, set := range setUp {
		set(s)
	}
	server := &http.Server{Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // ends with Close
	tb.Cleanup(func() { _ = server.Close() })
	return s
}

func (s *sink) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /_bulk", s.bulk)
	mux.HandleFunc("GET /_cluster/health", say(`{"cluster_name":"fake-sink","status":"green","number_of_nodes":1}`))
	mux.HandleFunc("GET /_nodes", say(`{"nodes":{"fake-sink":{"version":"0.0.0"}}}`))
	mux.HandleFunc("GET /_nodes/stats/process", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, fmt.Sprintf(`{"nodes":{"fake-sink":{"timestamp":%d}}}`, time.Now().UnixMilli()))
	})
	mux.HandleFunc("GET /_index_template/{name}", s.readTemplate)
	mux.HandleFunc("PUT /_index_template/{name}", s.writeTemplate)
	mux.HandleFunc("GET /_resolve/index/{name}", missing)
	mux.HandleFunc("GET /_alias/{name}", missing)
	mux.HandleFunc("PUT /{index}", s.create)
	mux.HandleFunc("POST /{index}/_refresh", say(`{}`))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.tb.Errorf("the fake sink does not know %s %s", r.Method, r.URL)
		answer(w, http.StatusNotImplemented, `{"error":"the fake sink does not know this"}`)
	})
	return mux
}

// answer writes as Elasticsearch does: its client refuses servers that do not say that they are one.
func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client has gone
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, text) }
}

func missing(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusNotFound, `{}`) }

// hold keeps indexers from beginning until release: none pulls a message before it has seen its namespace's template.
func (s *sink) hold() (release func()) {
	held := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	return func() { close(held) }
}

func (s *sink) readTemplate(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	body, there := s.templates[r.PathValue("name")]
	held := s.held
	s.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}
	if !there {
		missing(w, r)
		return
	}
	answer(w, http.StatusOK, fmt.Sprintf(`{"index_templates":[{"name":%q,"index_template":%s}]}`, r.PathValue("name"), body))
}

func (s *sink) writeTemplate(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !json.Valid(body) {
		answer(w, http.StatusBadRequest, `{"error":"no template"}`)
		return
	}
	s.mu.Lock()
	s.templates[r.PathValue("name")] = body
	s.mu.Unlock()
	answer(w, http.StatusOK, `{"acknowledged":true}`)
}

// create makes an index, once.
func (s *sink) create(w http.ResponseWriter, r *http.Request) {
	index := r.PathValue("index")
	s.mu.Lock()
	_, there := s.indices[index]
	if !there {
		s.indices[index] = 0
	}
	s.mu.Unlock()
	if there {
		answer(w, http.StatusBadRequest, `{"error":{"type":"resource_already_exists_exception","reason":"it exists"}}`)
		return
	}
	answer(w, http.StatusOK, `{"acknowledged":true}`)
}

// bulk answers that every document was created.
func (s *sink) bulk(w http.ResponseWriter, r *http.Request) {
	in, out := s.buffer(), s.buffer()
	defer s.spare.Put(in)
	defer s.spare.Put(out)
	_, err := in.ReadFrom(r.Body)
	found := map[string]int{}
	if err == nil {
		err = s.created(out, in.Bytes(), found)
	}
	if err != nil {
		answer(w, http.StatusBadRequest, fmt.Sprintf(`{"error":%q}`, err))
		return
	}
	s.count(found)
	answer(w, http.StatusOK, out.String())
}

func (s *sink) buffer() *bytes.Buffer {
	b, _ := s.spare.Get().(*bytes.Buffer) // it makes no others
	b.Reset()
	return b
}

// created writes the answer to a bulk, as shared/elastic reads it without decoding, and adds its documents to found, by
// index. Of the documents it looks for the end only. It returns when a slow sink would have written them.
func (s *sink) created(out *bytes.Buffer, body []byte, found map[string]int) error {
	out.WriteString(`{"items":[`)
	documents, all := 0, body
	for comma := ""; len(body) > 0; comma = "," {
		action, rest, whole := bytes.Cut(body, []byte{'\n'})
		end := bytes.IndexByte(rest, '\n')
		index, tail, parted := bytes.Cut(bytes.TrimPrefix(action, []byte(`{"create":{"_index":"`)), []byte(`","_id":"`))
		id, ended := bytes.CutSuffix(tail, []byte(`"}}`))
		if !whole || end < 0 || !parted || !ended {
			return errors.New("this is no bulk request of an indexer")
		}
		found[string(index)]++
		documents++
		out.WriteString(comma)
		out.WriteString(`{"create":{"_id":"`)
		out.Write(id)
		out.WriteString(`","status":201}}`)
		body = rest[end+1:]
	}
	out.WriteString(`]}`)
	s.work(documents)
	for ; s.seen != nil && len(all) > 0; documents-- {
		action, rest, _ := bytes.Cut(all, []byte{'\n'})
		document, more, _ := bytes.Cut(rest, []byte{'\n'})
		s.seen(action, document)
		all = more
	}
	return nil
}

// work takes as long as a sink that takes so many documents a second is busy with them, one request after another.
func (s *sink) work(documents int) {
	if s.rate == 0 {
		return
	}
	s.mu.Lock()
	begin := time.Now()
	if s.free.After(begin) {
		begin = s.free
	}
	s.free = begin.Add(time.Duration(float64(documents) / s.rate * float64(time.Second)))
	end := s.free
	s.mu.Unlock()
	time.Sleep(time.Until(end))
}

func (s *sink) count(found map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for index, n := range found {
		s.indices[index] += n
		s.documents += n
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// total is how many documents came; in is how many of them to indices whose names begin so.
func (s *sink) total() int { return s.in("") }

func (s *sink) in(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if prefix == "" {
		return s.documents
	}
	for index, documents := range s.indices {
		if strings.HasPrefix(index, prefix) {
			n += documents
		}
	}
	return n
}

// names are the indices that were made.
func (s *sink) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.indices))
}

// await returns when n documents or more have come to the indices whose names begin with prefix.
func (s *sink) await(ctx context.Context, prefix string, n int) error {
	return s.until(ctx, func() bool { return s.in(prefix) >= n })
}

// until returns when something is true that may become so when documents come.
func (s *sink) until(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("the fake sink has %d documents by now: %w", s.total(), ctx.Err())
		}
	}
}
