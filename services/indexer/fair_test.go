package indexer_test

import (
	"fmt"
	"testing"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// bulk stores one message of a document in the bulk class.
func (r *rig) bulk(document string) {
	r.t.Helper()
	r.sendAs(headers(1), document, true)
}

// More is blocked in the bulk class than its workers and its consumer hold at once.
func TestABlockedBulkClassHoldsUpNoOther(t *testing.T) {
	r := newRig(t)
	r.call("PUT", "/"+r.index(yesterday), "")
	r.call("PUT", "/"+r.index(yesterday)+"/_settings", `{"index.blocks.write":true}`)
	r.run()
	for i := range 100 {
		r.bulk(r.lines(r.index(yesterday), fmt.Sprintf("old%d", i), ""))
	}
	r.await("the bulk class is being worked on", func() bool {
		p, err := r.conn.Progress(t.Context(), stream.Documents, stream.BulkConsumer(stream.Indexer(r.namespace)))
		return err == nil && p.InFlight > 0
	})
	for i := range 20 {
		r.publish(r.document(fmt.Sprintf("new%d", i)))
	}
	r.await("the plain class has all its documents", func() bool { return r.countIn(today) == 20 })
	if r.finished() || len(r.dead()) > 0 {
		t.Fatalf("finished: %v, %d letters", r.finished(), len(r.dead()))
	}
	r.call("PUT", "/"+r.index(yesterday)+"/_settings", `{"index.blocks.write":null}`)
	r.awaitFinished()
	if got := r.countIn(yesterday); got != 100 || len(r.dead()) > 0 {
		t.Errorf("%d documents of yesterday, %d letters", got, len(r.dead()))
	}
}

// The same document in both classes is one document, and a message of another namespace is refused in either.
func TestBothClassesWriteTheSameIndicesAndNoOthers(t *testing.T) {
	r := newRig(t)
	r.run()
	for range 3 {
		r.bulk(r.document("a"))
		r.publish(r.document("a"))
	}
	r.bulk(r.document("b"))
	foreign := *r
	foreign.namespace = r.namespace + "_other"
	r.bulk(foreign.document("c"))
	r.awaitFinished()
	r.wantCount(2)
	if got := len(r.dead()); got != 1 {
		t.Errorf("%d letters", got)
	}
}

func TestAnIndexerWorksBeforeThereIsABulkClass(t *testing.T) {
	r := newRig(t)
	r.nats.WithoutBulk(t)
	s := r.run()
	r.bulk(r.document("a")) // to the plain class
	r.awaitFinished()
	r.await("it says what is missing", func() bool { return s.says("the bulk class of a namespace is not read yet", r.namespace) })
	_, err := r.conn.Setup(t.Context(), streamtest.Topology())
	if err == nil {
		_, err = r.conn.SetupNamespace(t.Context(), r.namespace)
	}
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := r.conn.Publish(t.Context(), stream.Outgoing{Subject: stream.BulkSubject(stream.SubjectDocuments(r.namespace)), Header: headers(1), Data: []byte(r.document("b"))})
	if err != nil {
		t.Fatal(err)
	}
	r.last = receipt.Sequence
	r.awaitFinished()
	r.wantCount(2)
}
