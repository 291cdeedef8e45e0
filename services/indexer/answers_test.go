package indexer_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sluicelog/sluice/shared/elastic/elastictest"
)

// TestAnswersOfARealServer meets what only a server set up for it answers: 413 to a request larger than it takes, 429 while
// it has too much to do, 503 for an index without a shard. Each message ends in exactly one verdict, whatever came before.
func TestAnswersOfARealServer(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs Elasticsearch")
	}
	own := elastictest.StartOwn(t, map[string]string{
		"http.max_content_length": "64kb", "thread_pool.write.size": "1", "thread_pool.write.queue_size": "1",
	})
	r := rigOn(t, &own.Cluster, own.Namespace(t))
	s := r.run()
	retries := func(reason string) float64 { return s.value(t, "sluice_indexer_retries_total", reason) }

	var want int64
	t.Run("413 for many documents", func(t *testing.T) {
		r := r.in(t)
		for i := range 4 {
			var documents []string
			for n := range 300 {
				documents = append(documents, r.document(fmt.Sprintf("many%d-%d", i, n)))
			}
			r.publish(documents...)
			want += int64(len(documents))
		}
		r.awaitFinished()
		r.wantCount(want)
		if failed := s.value(t, "sluice_indexer_bulks_total", "failed"); failed == 0 || retries("request_too_large") > 0 {
			t.Errorf("%v requests were refused, and documents waited for it %v times", failed, retries("request_too_large"))
		}
	})
	t.Run("429 of a full queue", func(t *testing.T) {
		r := r.in(t)
		done := make(chan struct{})
		crowd := r.crowd(done)
		for i := 0; retries("rejected") == 0; i++ {
			if i == 2000 {
				t.Fatal("the server takes everything")
			}
			r.publish(r.document(fmt.Sprintf("crowded%d", i)))
			want++
			r.await("the message before has an answer", func() bool { return r.finished() || retries("rejected") > 0 })
		}
		close(done)
		crowd.Wait()
		r.awaitFinished()
		r.wantCount(want)
	})
	t.Run("503 of an index without a shard", func(t *testing.T) {
		r := r.in(t)
		r.call("PUT", "/"+r.index(yesterday), `{"settings":{"index.routing.allocation.require._name":"nobody"}}`)
		r.publish(r.lines(r.index(yesterday), "homeless", ""), r.document("beside"))
		r.await("a document waits for its shard", func() bool { return retries("server_error") > 0 })
		if r.finished() {
			t.Error("the message is finished before its document is stored")
		}
		r.call("PUT", "/"+r.index(yesterday)+"/_settings", `{"index.routing.allocation.require._name":null}`)
		r.awaitFinished()
		want += 2
		r.wantCount(want)
	})
	t.Run("413 for a single document", func(t *testing.T) {
		r := r.in(t)
		r.publish(r.lines(r.index(today), "huge", `,"filler":"`+strings.Repeat("x", 100<<10)+`"`))
		huge := r.last
		r.publish(r.document("after"))
		want++
		r.await("it waits, and the one after it is stored", func() bool { return retries("request_too_large") > 0 && r.count() == want })
		if r.finished() || len(r.dead()) > 0 {
			t.Fatalf("message %d is given up, or %d letters", huge, len(r.dead()))
		}
		own.Restart(t, nil)
		r.awaitFinished()
		want++
		r.wantCount(want)
	})
	if letters := r.dead(); len(letters) > 0 {
		t.Errorf("%d documents were set aside: %+v", len(letters), letters[0])
	}
}

// in is the same rig for a part of the test.
func (r *rig) in(t *testing.T) *rig {
	t.Helper()
	same := *r
	same.t = t
	return &same
}

// crowd keeps the server busy with other people's bulks until done.
func (r *rig) crowd(done <-chan struct{}) *sync.WaitGroup {
	r.t.Helper()
	client, err := r.cluster.Client()
	if err != nil {
		r.t.Fatal(err)
	}
	body := strings.Repeat(`{"index":{"_index":"crowd"}}`+"\n"+`{"text":"`+strings.Repeat("word ", 20)+`"}`+"\n", 200)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if res, err := client.Post(r.cluster.URL+"/_bulk", "application/x-ndjson", strings.NewReader(body)); err == nil {
					_ = res.Body.Close()
				}
			}
		})
	}
	r.t.Cleanup(client.CloseIdleConnections)
	return &all
}
