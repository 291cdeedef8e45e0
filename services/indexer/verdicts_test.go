package indexer_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
)

// moods is a way to a real Elasticsearch on which anything may happen to a bulk, by the dice.
type moods struct {
	mu   sync.Mutex
	dice *rand.Rand
	seen map[string]int
	left int // requests that something may happen to
}

// next chooses what happens to a bulk, and notes it.
func (m *moods) next() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := []string{"well", "well", "cut before", "cut after", "cut within", "429", "503", "413", "401", "late"}
	mood := all[m.dice.IntN(len(all))]
	if m.left--; m.left < 0 {
		return "well" // else it might take for ever
	}
	m.seen[mood]++
	return mood
}

// serve stands before the Elasticsearch at target.
func (m *moods) serve(t *testing.T, target string) string {
	t.Helper()
	transport := &http.Transport{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return // the indexer has gone
		}
		mood := "well"
		if req.URL.Path == "/_bulk" {
			mood = m.next()
		}
		switch mood {
		case "cut before":
			panic(http.ErrAbortHandler)
		case "429", "503", "401":
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.WriteHeader(map[string]int{"429": 429, "503": 503, "401": 401}[mood])
			return
		case "413":
			if bytes.Count(body, []byte("\n")) > 2 { // one document is never too large here
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
		}
		res, err := forward(transport, req, target, body)
		if err != nil {
			return
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err != nil || mood == "cut after" {
			panic(http.ErrAbortHandler)
		}
		if mood == "late" { // the indexer has given up by then, and Elasticsearch has stored it
			<-req.Context().Done()
			return
		}
		maps.Copy(w.Header(), res.Header)
		w.WriteHeader(res.StatusCode)
		if mood == "cut within" {
			_, _ = w.Write(answer[:len(answer)/2])
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(func() { server.Close(); transport.CloseIdleConnections() })
	return server.URL
}

func forward(transport *http.Transport, req *http.Request, target string, body []byte) (*http.Response, error) {
	out, err := http.NewRequest(req.Method, target+req.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = req.Header.Clone()
	return transport.RoundTrip(out)
}

// TestEachMessageEndsInOneVerdictWhateverHappensToABulk sends good documents, ones that Elasticsearch refuses for ever and
// repeated ones, and lets everything happen to the requests: what is good is searchable once, what is not lies in one letter.
func TestEachMessageEndsInOneVerdictWhateverHappensToABulk(t *testing.T) {
	seed := rand.Uint64N(1 << 32)
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	r := newRig(t)
	m := &moods{dice: rand.New(rand.NewPCG(seed, 2)), seen: map[string]int{}, left: 30}
	url := m.serve(t, r.cluster.URL)
	r.run(func(c *indexer.Config) {
		c.ElasticsearchURL, c.BulkTimeout, c.BulkMessages = config.URL(url), time.Second, 5
	})
	good, bad := map[string]bool{}, map[string]bool{}
	for i := range 60 {
		var documents []string
		for n := range 1 + dice.IntN(4) {
			id := fmt.Sprintf("d%d-%d", i, n)
			switch dice.IntN(6) {
			case 0:
				bad[id] = true
				documents = append(documents, r.lines(r.index(today), id, `,"event":{"created":"no time at all"}`))
			case 1: // it comes twice in one message, and may be in another bulk later
				good[id] = true
				documents = append(documents, r.document(id), r.document(id))
			default:
				good[id] = true
				documents = append(documents, r.document(id))
			}
		}
		r.publish(documents...)
		if dice.IntN(4) == 0 {
			r.publish(documents...)
		}
	}
	r.awaitFinished()
	r.wantCount(int64(len(good)))
	letters := map[string]int{}
	for _, l := range r.dead() {
		letters[l.Key]++
		if !bad[l.Key] || l.Reason != "document_parsing_exception" || !strings.Contains(l.Detail, "created") || l.Attempts < 1 || l.FirstSeen.IsZero() || !strings.Contains(string(l.Body), "no time at all") {
			t.Errorf("a letter of %s: %+v", l.Key, l)
		}
	}
	for id := range bad {
		if letters[id] != 1 {
			t.Errorf("%s lies in %d letters", id, letters[id])
		}
	}
	t.Logf("%d good and %d bad documents; requests: %v", len(good), len(bad), m.seen)
	if len(m.seen) < 6 {
		t.Error("hardly anything happened: the test does nothing")
	}
}

// TestTooFewCopiesOfAShardHoldTheirDocuments lets Elasticsearch wait for copies that are not there: no answer in time.
func TestTooFewCopiesOfAShardHoldTheirDocuments(t *testing.T) {
	r := newRig(t)
	s := r.run(func(c *indexer.Config) { c.BulkTimeout = time.Second })
	r.publish(r.document("first")) // makes the index
	r.awaitFinished()
	r.call("PUT", "/"+r.index(today)+"/_settings", `{"index.number_of_replicas":1,"index.write.wait_for_active_shards":2}`)
	r.publish(r.document("a"), r.document("b"))
	r.await("the indexer says that documents wait", func() bool { return s.value(t, "sluice_indexer_retries_total", "no_answer") >= 2 })
	if r.finished() || len(r.dead()) > 0 {
		t.Errorf("finished: %v, %d letters", r.finished(), len(r.dead()))
	}
	r.call("PUT", "/"+r.index(today)+"/_settings", `{"index.write.wait_for_active_shards":1}`)
	r.awaitFinished()
	r.wantCount(3)
}
