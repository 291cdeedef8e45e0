package indexer_test

import (
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// keep gives the rig's namespace a retention.
func (r *rig) keep(retention time.Duration) {
	r.t.Helper()
	if _, err := r.registry.SetRetention(r.t.Context(), r.namespace, retention); err != nil {
		r.t.Fatal(err)
	}
}

// ago is the index of a day so many days before today.
func (r *rig) ago(days int) string {
	return r.index(period.Daily().Name(time.Now().UTC().AddDate(0, 0, -days)))
}

func (r *rig) indices() []string {
	r.t.Helper()
	names, err := r.elastic.Indices(r.t.Context(), r.namespace)
	if err != nil {
		r.t.Fatal(err)
	}
	return names
}

const verdicts = "sluice_indexer_documents_total"

// Documents that waited until their index was deleted, in the stream or as dead letters, do not bring it back. Their
// neighbours in the same message are indexed.
func TestAnExpiredDocumentNeverBringsItsIndexBack(t *testing.T) {
	r := newRig(t)
	s := r.run()
	old, inside := r.ago(40), r.ago(30)
	r.publish(r.lines(old, "a", ""), r.lines(inside, "a", ""), r.lines(r.index(period.Undated), "a", ""))
	r.awaitFinished()
	r.wantCount(3)
	r.keep(30 * 24 * time.Hour)
	r.call("DELETE", "/"+old, "") // as retention does; the indexer believes that it is there
	r.publish(r.lines(old, "b", ""), r.lines(inside, "b", ""), r.lines(old, "c", ""), r.lines(r.index(period.Undated), "b", ""))
	r.awaitFinished()
	r.wantCount(4)
	if got := s.value(t, verdicts, "expired"); got != 2 || len(r.indices()) != 2 || !s.says("documents expired", old) {
		t.Errorf("%v expired, indices %v", got, r.indices())
	}
	second := r.run() // knows of no index yet
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	r.publish(r.lines(old, "d", ""))
	r.awaitFinished()
	if got := second.value(t, verdicts, "expired"); got != 1 || len(r.indices()) != 2 || len(r.dead()) > 0 {
		t.Errorf("%v expired, indices %v, %d letters", got, r.indices(), len(r.dead()))
	}
	r.keep(0) // for ever: from now on the same document has a place again
	r.publish(r.lines(old, "e", ""))
	r.awaitFinished()
	r.wantCount(5)
}

func TestARetentionThatIsMadeLongerCountsAtOnce(t *testing.T) {
	r := newRig(t)
	r.keep(30 * 24 * time.Hour)
	s := r.run()
	r.publish(r.document("a"))
	r.awaitFinished()
	r.keep(365 * 24 * time.Hour)
	r.publish(r.lines(r.ago(100), "a", "")) // the indexer need not have heard of it
	r.awaitFinished()
	r.wantCount(2)
	if got := s.value(t, verdicts, "expired"); got != 0 {
		t.Errorf("%v expired", got)
	}
}

// While the registry cannot be asked, nothing is given up.
func TestADocumentWaitsWhileItIsNotKnownWhetherItExpired(t *testing.T) {
	r := newRig(t)
	r.keep(30 * 24 * time.Hour)
	s := r.run()
	r.publish(r.document("a"))
	r.awaitFinished()
	bucket, err := r.conn.Bucket(t.Context(), stream.BucketEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	record, err := bucket.Get(t.Context(), "namespace."+r.namespace)
	if err != nil {
		t.Fatal(err)
	}
	if err := bucket.Put(t.Context(), record.Key, []byte("no record")); err != nil {
		t.Fatal(err)
	}
	r.publish(r.lines(r.ago(40), "b", ""), r.document("c"))
	r.await("it says that documents wait", func() bool { return s.says("documents wait", "namespace."+r.namespace) })
	r.await("the other document is searchable", func() bool { return r.count() == 2 })
	if r.finished() || s.value(t, verdicts, "expired") != 0 {
		t.Error("a document was given up")
	}
	if err := bucket.Put(t.Context(), record.Key, record.Value); err != nil {
		t.Fatal(err)
	}
	r.awaitFinished()
	if got := s.value(t, verdicts, "expired"); got != 1 {
		t.Errorf("%v expired", got)
	}
}

// Two indexers that know of no index yet meet old and new documents, again and again.
func TestNoIndexIsMadeThatRetentionWouldDelete(t *testing.T) {
	r := newRig(t)
	r.keep(30 * 24 * time.Hour)
	small := func(c *indexer.Config) { c.BulkMessages, c.BulkBytes = 3, config.Bytes(4096) }
	r.run(small)
	r.run(small)
	for round := range 12 {
		for _, days := range []int{2, 29, 40, 60} {
			r.publish(r.lines(r.ago(days), string(rune('a'+round)), ""), r.lines(r.ago(days), "same", ""))
		}
	}
	r.awaitFinished()
	r.wantCount(2 * 13)
	if names := r.indices(); len(names) != 2 {
		t.Errorf("indices %v", names)
	}
}
