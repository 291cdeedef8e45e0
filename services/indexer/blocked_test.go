package indexer_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
)

const yesterday = "2026.11.22"

// The failures that a late replay meets: the index of an old day takes nothing while that of today is well.
func TestABlockedIndexHoldsUpNoOther(t *testing.T) {
	cases := map[string]struct{ block, open func(*rig) }{
		"read-only": {
			func(r *rig) { r.call("PUT", "/"+r.index(yesterday)+"/_settings", `{"index.blocks.write":true}`) },
			func(r *rig) { r.call("PUT", "/"+r.index(yesterday)+"/_settings", `{"index.blocks.write":null}`) },
		},
		"full disk": {
			func(r *rig) {
				r.call("PUT", "/"+r.index(yesterday)+"/_settings", `{"index.blocks.read_only_allow_delete":true}`)
			},
			func(r *rig) {
				r.call("PUT", "/"+r.index(yesterday)+"/_settings", `{"index.blocks.read_only_allow_delete":null}`)
			},
		},
		"closed": {
			func(r *rig) { r.call("POST", "/"+r.index(yesterday)+"/_close", "") },
			func(r *rig) { r.call("POST", "/"+r.index(yesterday)+"/_open", "") },
		},
		"cannot be made": {
			func(r *rig) {
				r.call("DELETE", "/"+r.index(yesterday), "")
				r.call("PUT", "/"+r.index("2026.11.21"), `{"aliases":{"`+r.index(yesterday)+`":{"is_write_index":false}}}`)
			},
			func(r *rig) { r.call("DELETE", "/"+r.index("2026.11.21"), "") },
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.call("PUT", "/"+r.index(yesterday), "")
			c.block(r)
			s := r.run(func(c *indexer.Config) { c.BulkMessages = 2 })
			for i := range 12 { // more batches than there are workers, each with something of both days
				r.publish(r.lines(r.index(yesterday), fmt.Sprintf("old%d", i), ""), r.document(fmt.Sprintf("beside%d", i)))
			}
			for i := range 20 {
				r.publish(r.document(fmt.Sprintf("new%d", i)))
			}
			r.await("the open index has all its documents", func() bool { return r.countIn(today) == 32 })
			if r.finished() || len(r.dead()) > 0 {
				t.Fatalf("finished: %v, %d letters", r.finished(), len(r.dead()))
			}
			r.await("it says that messages go back", func() bool { return s.says("go back to the stream", r.index(yesterday)) })
			r.publish(r.document("later")) // by now the blocked ones have been handed out again
			r.await("the open index goes on", func() bool { return r.countIn(today) == 33 })
			c.open(r)
			r.awaitFinished()
			if got := r.countIn(yesterday); got != 12 || len(r.dead()) > 0 {
				t.Errorf("%d documents of yesterday, %d letters", got, len(r.dead()))
			}
		})
	}
}

// countIn is how many documents are searchable in one index.
func (r *rig) countIn(name string) int64 {
	r.t.Helper()
	if err := r.elastic.Refresh(r.t.Context(), r.index(name)); err != nil {
		return -1 // not there yet
	}
	n, err := r.elastic.Count(r.t.Context(), r.index(name), nil)
	if err != nil {
		return -1 // being made, or opened
	}
	return n
}

func TestADocumentThatNoRequestTakesHoldsUpNoOther(t *testing.T) {
	var enlarged atomic.Bool
	var stored atomic.Int64
	r := hostile(t, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		if bytes.Contains(body, []byte("huge")) && !enlarged.Load() {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		ids := documentsIn(t, req)
		stored.Add(int64(len(ids)))
		_, _ = io.WriteString(w, created(ids...))
	})
	r.run(func(c *indexer.Config) { c.BulkMessages = 1 })
	for i := range 6 {
		r.publish(r.document(fmt.Sprintf("huge%d", i)))
	}
	r.publish(r.document("a"), r.document("b"))
	r.await("the others are stored", func() bool { return stored.Load() == 2 })
	if r.finished() {
		t.Error("a document was given up")
	}
	enlarged.Store(true)
	r.awaitFinished()
	if stored.Load() != 8 || len(r.dead()) > 0 {
		t.Errorf("%d stored, %d letters", stored.Load(), len(r.dead()))
	}
}

func TestAWholeClusterThatIsAwayKeepsTheMessagesHere(t *testing.T) {
	r := newRig(t)
	away := newProxy(t, r.cluster.URL)
	s := r.run(func(c *indexer.Config) { c.ElasticsearchURL, c.BulkTimeout = config.URL(away.server.URL), time.Second })
	r.publish(r.document("a"))
	r.awaitFinished()
	away.hang.Store(true)
	r.publish(r.document("b"))
	r.await("several requests had no answer", func() bool { return s.value(t, "sluice_indexer_retries_total", "no_answer") > 4 })
	p, err := r.conn.Progress(t.Context(), stream.Documents, stream.Indexer(r.namespace))
	if err != nil || p.InFlight != 1 || s.says("go back to the stream") {
		t.Errorf("%+v %v", p, err)
	}
	away.hang.Store(false)
	r.awaitFinished()
	r.wantCount(2)
	if again := s.value(t, "sluice_indexer_documents_total", "waiting"); again != 0 {
		t.Errorf("%v documents were answered and waited", again)
	}
}

const ageMetric = "sluice_indexer_oldest_unprocessed_age_seconds"

func TestTheAgeCountsWhatWaitsInTheStreamWhileElasticsearchIsAwayAtStart(t *testing.T) {
	r := newRig(t)
	r.publish(r.document("a"))
	gone := newProxy(t, r.cluster.URL)
	gone.server.Close()
	s := r.run(func(c *indexer.Config) { c.ElasticsearchURL = config.URL(gone.server.URL) })
	r.await("the namespace cannot be taken up", func() bool { return s.says("cannot be indexed yet", r.namespace) })
	stored, err := r.conn.Get(t.Context(), stream.Documents, r.last)
	if err != nil {
		t.Fatal(err)
	}
	r.await("the age says that an event waits", func() bool { return s.value(t, ageMetric, "") > 0 })
	if got, most := s.value(t, ageMetric, ""), time.Since(stored.Time).Seconds(); got > most+1 {
		t.Errorf("an age of %v s, but the message is %v s old", got, most)
	}
	stopsInTime(t, s)
	s = r.run()
	r.awaitFinished()
	r.await("nothing waits any more", func() bool { return s.value(t, ageMetric, "") == 0 })
}

func TestTheOldestMessageIsTheConsumersOwn(t *testing.T) {
	r := newRig(t)
	other := *r
	other.namespace = r.cluster.Namespace(t) + "_other"
	if _, err := r.conn.SetupNamespace(t.Context(), other.namespace); err != nil {
		t.Fatal(err)
	}
	oldest := func(of *rig) time.Time {
		t.Helper()
		at, err := r.conn.Oldest(t.Context(), stream.Documents, stream.Indexer(of.namespace))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if at := oldest(r); !at.IsZero() {
		t.Errorf("%s in an empty stream", at)
	}
	for _, of := range []*rig{&other, &other, r, &other, r} {
		of.publish(of.document("a"))
		if of == r && r.last == 3 {
			stored, err := r.conn.Get(t.Context(), stream.Documents, r.last)
			if err != nil || !stored.Time.Equal(oldest(r)) {
				t.Errorf("%s, want %s: %v", oldest(r), stored.Time, err)
			}
		}
	}
	r.run()
	r.awaitFinished()
	if at := oldest(r); !at.IsZero() {
		t.Errorf("%s is left, but every message has its verdict", at)
	}
	first, err := r.conn.Get(t.Context(), stream.Documents, 1)
	if err != nil || !first.Time.Equal(oldest(&other)) {
		t.Errorf("%s, want %s: %v", oldest(&other), first.Time, err)
	}
	if _, err := r.conn.Oldest(t.Context(), stream.Documents, "indexer-nobody"); err == nil {
		t.Error("a consumer that is not there has an age")
	}
}
