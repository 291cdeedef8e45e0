package indexer_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/services/indexer"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

func TestEveryDocumentIsSearchableOnce(t *testing.T) {
	r := newRig(t)
	s := r.run()
	r.publish(r.document("a"), r.document("b"))
	r.publish(r.document("b"), r.document("c"))
	r.publish(r.lines(r.index("2026.11.22"), "a", ""))
	r.awaitFinished()
	r.wantCount(4)
	if indexed, again := s.value(t, "sluice_indexer_documents_total", "indexed"), s.value(t, "sluice_indexer_documents_total", "duplicate"); indexed != 4 || again != 1 {
		t.Errorf("%v indexed, %v duplicate", indexed, again)
	}
	if err := s.tel.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if len(r.dead()) > 0 {
		t.Errorf("%+v", r.dead()[0])
	}
}

func TestADocumentThatElasticsearchRefusesIsSetAsideAlone(t *testing.T) {
	r := newRig(t)
	s := r.run()
	bad := r.lines(r.index(today), "bad", `,"event":{"created":"yesterday"}`)
	twice := r.lines(r.index(today), "twice", `,"message":"a","message":"b"`)
	broken := fmt.Sprintf(`{"create":{"_index":%q,"_id":"broken"}}`+"\n"+`{"@timestamp":`+"\n", r.index(today))
	for range 2 { // the same again changes nothing
		r.publish(r.document("a"), bad, twice, broken, r.document("b"))
		r.awaitFinished()
		r.wantCount(2)
		letters := map[string]*deadletter.Letter{}
		for _, l := range r.dead() {
			letters[l.Key] = l
		}
		if len(r.dead()) != 3 || len(letters) != 3 {
			t.Fatalf("%d letters", len(r.dead()))
		}
		for key, lines := range map[string]string{"bad": bad, "twice": twice, "broken": broken} {
			l := letters[key]
			if l == nil || string(l.Body) != lines || l.Namespace != r.namespace || l.Stage != "indexer" || l.Detail == "" {
				t.Errorf("%s: %+v", key, l)
				continue
			}
			if want := "document_parsing_exception"; l.Reason != want {
				t.Errorf("%s: %s", key, l.Reason)
			}
		}
		if l := letters["bad"]; l.Delivery != "01JAAA" || l.Item != 3 || l.Endpoint != "e1" || !strings.Contains(l.Detail, "yesterday") {
			t.Errorf("%+v", l)
		}
	}
	if got := s.value(t, "sluice_indexer_dead_lettered_total", ""); got != 3 {
		t.Errorf("%v counted", got)
	}
}

// No event may be lost for the length of what is in it. The forms that events may have are tested with the enricher.
func TestElasticsearchTakesLongValues(t *testing.T) {
	r := newRig(t)
	r.run()
	var all []string
	add := func(id, doc string) {
		all = append(all, fmt.Sprintf(`{"create":{"_index":%q,"_id":%q}}`+"\n%s\n", r.index(today), id, doc))
	}
	long := strings.Repeat("lang ", 40_000)
	add("long_values", fmt.Sprintf(`{"@timestamp":"0001-01-01T00:00:00.000Z","event":{"id":%[1]q,"code":%[1]q,"original":%[1]q},"message":%[1]q,"user":{"id":%[1]q,"name":%[1]q},`+
		`"user_agent":{"original":%[1]q},"related":{"user":[%[1]q]},"auth0":{"logs":{"data":{"client_name":%[1]q,"other":%[1]q,"details":{"a":{"b":%[1]q}}}}}}`, long))
	add("long_number", `{"@timestamp":"2026-11-23T10:00:00.000Z","auth0":{"logs":{"data":{"scope":`+strings.Repeat("1", 900)+`,"details":{"request":{"method":"patch"}}}}}}`)
	r.publish(all...)
	r.awaitFinished()
	for _, l := range r.dead() {
		t.Errorf("%s: %s", l.Key, l.Detail)
	}
	r.wantCount(int64(len(all)))
	found, err := r.elastic.Search(t.Context(), period.Alias(r.namespace), map[string]any{"query": map[string]any{"term": map[string]any{"auth0.logs.data.details.request.method": "patch"}}})
	if err != nil || found.Total != 1 {
		t.Errorf("%d documents have a detail of a management call: %v", found.Total, err)
	}
}

func TestABlockedIndexHoldsItsDocuments(t *testing.T) {
	r := newRig(t)
	s := r.run()
	r.publish(r.document("a"))
	r.awaitFinished()
	r.call("PUT", "/"+r.index(today)+"/_settings", `{"index.blocks.write":true}`)
	r.publish(r.document("b"), r.lines(r.index("2026.11.22"), "c", ""))
	r.await("an alarm", func() bool { return s.says(`"level":"ERROR"`, "forbidden", "cluster_block_exception") })
	r.await("the open index has its document", func() bool { return r.count() == 2 })
	if r.finished() || len(r.dead()) > 0 {
		t.Errorf("finished: %v, %d letters", r.finished(), len(r.dead()))
	}
	if s.value(t, "sluice_indexer_retries_total", "forbidden") == 0 || s.value(t, "sluice_indexer_oldest_unprocessed_age_seconds", "") <= 0 {
		t.Error("no metric says that documents wait")
	}
	r.call("PUT", "/"+r.index(today)+"/_settings", `{"index.blocks.write":null}`)
	r.awaitFinished()
	r.wantCount(3)
	if len(r.dead()) > 0 {
		t.Errorf("%+v", r.dead()[0])
	}
}

func TestAnIndexThatCannotBeMadeHoldsUpNoOther(t *testing.T) {
	r := newRig(t)
	r.call("PUT", "/"+r.index("2026.11.21"), `{"aliases":{"`+r.index("2026.11.20")+`":{}}}`) // its name is an alias
	s := r.run()
	r.publish(r.lines(r.index("2026.11.20"), "waits", ""), r.document("a"))
	r.await("the other document is searchable", func() bool { return r.count() == 1 })
	r.await("an alarm", func() bool { return s.says(`"level":"ERROR"`, "documents wait") })
	if r.finished() || len(r.dead()) > 0 {
		t.Errorf("finished: %v, %d letters", r.finished(), len(r.dead()))
	}
	r.call("DELETE", "/"+r.index("2026.11.21"), "")
	r.awaitFinished()
	r.wantCount(2)
}

func TestAnIndexThatIsGoneComesBackWithAliasAndMapping(t *testing.T) {
	r := newRig(t)
	r.run()
	r.publish(r.document("a"))
	r.awaitFinished()
	r.call("DELETE", "/"+r.index(today), "")
	r.publish(r.document("b"))
	r.awaitFinished()
	r.wantCount(1)
	r.checkMapping(r.index(today))
	r.call("DELETE", "/_index_template/sluice-"+period.Alias(r.namespace), "")
	r.publish(r.lines(r.index("2026.11.24"), "c", ""))
	r.awaitFinished()
	r.wantCount(2)
	r.checkMapping(r.index("2026.11.24"))
}

// checkMapping fails unless an index was made from our template.
func (r *rig) checkMapping(index string) {
	r.t.Helper()
	var answer map[string]struct {
		Aliases  map[string]any
		Mappings struct{ Dynamic string }
	}
	if err := json.Unmarshal([]byte(r.call("GET", "/"+index, "")), &answer); err != nil {
		r.t.Fatal(err)
	}
	got := answer[index]
	if _, ok := got.Aliases[period.Alias(r.namespace)]; !ok || got.Mappings.Dynamic != "false" {
		r.t.Errorf("%s: %+v", index, got)
	}
}

func TestANewNamespaceIsTakenUpByARunningIndexer(t *testing.T) {
	r := newRig(t)
	s := r.run()
	r.publish(r.document("a"))
	r.awaitFinished()
	other := *r
	other.namespace = r.cluster.Namespace(t)
	if err := r.registry.EnsureNamespace(t.Context(), other.namespace); err != nil {
		t.Fatal(err)
	}
	r.await("the missing consumer is noticed", func() bool { return s.says("cannot be indexed yet", other.namespace) })
	if err := s.tel.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), other.namespace) {
		t.Errorf("readiness says %v", err)
	}
	if _, err := r.conn.SetupNamespace(t.Context(), other.namespace); err != nil {
		t.Fatal(err)
	}
	other.publish(other.document("a"), other.document("b"))
	other.awaitFinished()
	other.wantCount(2)
	r.wantCount(1)
	if err := s.tel.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAForeignAliasIsNeverWrittenTo(t *testing.T) {
	r := newRig(t)
	r.call("PUT", "/"+period.Alias(r.namespace), "") // an index of somebody else with our alias' name
	t.Cleanup(func() { r.call("DELETE", "/"+period.Alias(r.namespace), "") })
	s := r.run()
	r.publish(r.document("a"))
	r.await("an alarm", func() bool { return s.says(`"level":"ERROR"`, "not made by sluice") })
	if r.finished() || len(r.dead()) > 0 {
		t.Error("the message is gone")
	}
}

func TestMessagesOfOthersAreSetAside(t *testing.T) {
	r := newRig(t)
	r.run()
	cases := []struct {
		header stream.Header
		data   string
	}{
		{nil, ""},
		{nil, "hello"},
		{stream.Header{"Sluice-Schema": "0", "Sluice-Count": "1"}, r.document("x")},
		{headers(1), ""},
		{headers(0), ""},
		{headers(2), r.document("y")},
		{headers(1), strings.TrimSuffix(r.document("x"), "\n")},
		{headers(1), `{"delete":{"_index":"` + r.index(today) + `","_id":"a"}}` + "\n{}\n"},
		{headers(1), `{"create":{"_index":"` + r.index(today) + `","_id":"a","pipeline":"p"}}` + "\n{}\n"},
		{headers(1), `{"create":{"_index":"` + r.index(today) + `","_id":""}}` + "\n{}\n"},
		{headers(1), r.lines(r.index(today), strings.Repeat("i", 600), "")},
		{headers(1), r.lines("logs-auth0.logs-somebody_else-"+today, "x", "")},
		{headers(1), r.lines(".security", "x", "")},
		{headers(1), r.lines(r.index("UPPER"), "x", "")},
		{headers(1), strings.Repeat("x", 8<<20-300)}, // no letter can hold it with its own headers
	}
	for _, c := range cases {
		r.send(c.header, c.data)
	}
	r.publish(r.document("good"))
	r.awaitFinished()
	r.wantCount(1)
	bodies := map[string]string{}
	for _, l := range r.dead() {
		if l.Reason != "bad_message" || l.Detail == "" {
			t.Errorf("%+v", l)
		}
		bodies[l.Origin] += string(l.Body)
	}
	for i, c := range cases {
		origin := fmt.Sprintf("DOCUMENTS:%d", i+1)
		if c.data == "" { // the same content lies there once
			continue
		}
		if bodies[origin] != c.data {
			t.Errorf("case %d: %d bytes of %d are kept: %.100q", i, len(bodies[origin]), len(c.data), bodies[origin])
		}
	}
}

func TestTwoIndexersShareAConsumer(t *testing.T) {
	r := newRig(t)
	for i := range 100 {
		var docs []string
		for j := range 20 {
			docs = append(docs, r.document(fmt.Sprintf("d%d", i*15+j))) // neighbours overlap
		}
		r.publish(docs...)
	}
	small := func(c *indexer.Config) { c.BulkMessages = 5 }
	one, two := r.run(small), r.run(small)
	r.awaitFinished()
	r.wantCount(99*15 + 20)
	indexed := one.value(t, "sluice_indexer_documents_total", "indexed") + two.value(t, "sluice_indexer_documents_total", "indexed")
	again := one.value(t, "sluice_indexer_documents_total", "duplicate") + two.value(t, "sluice_indexer_documents_total", "duplicate")
	if indexed != 99*15+20 || indexed+again < 2000 {
		t.Errorf("%v indexed, %v duplicate", indexed, again)
	}
}

func TestDeadLettersThatFindNoRoomHoldTheirDocuments(t *testing.T) {
	r := newRig(t)
	topology := stream.Topology{DeliveriesMaxBytes: 1 << 20, DocumentsMaxBytes: 1 << 30, DeadLettersMaxBytes: 600, Replicas: 1, DuplicateWindow: time.Minute}
	if _, err := r.conn.Setup(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	s := r.run()
	r.publish(r.document("a"), r.lines(r.index(today), "bad", `,"@timestamp":"no"`), r.lines(r.index(today), "bad2", `,"event":{"created":"`+strings.Repeat("no", 300)+`"}`))
	r.await("an alarm", func() bool { return s.says(`"level":"ERROR"`, "dead letter cannot be stored") })
	r.await("the good document is searchable", func() bool { return r.count() == 1 })
	if r.finished() {
		t.Error("the message is acknowledged")
	}
	topology.DeadLettersMaxBytes = 1 << 20
	if _, err := r.conn.Setup(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	r.awaitFinished()
	if diff := cmp.Diff(2, len(r.dead())); diff != "" {
		t.Error(diff)
	}
}
