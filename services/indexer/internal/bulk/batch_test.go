package bulk //nolint:testpackage // it stands for a writer without an Elasticsearch

import (
	"context"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// take returns the first n messages for the namespace shop as one batch.
func take(t *testing.T, conn *stream.Conn, n int) []*stream.Message {
	t.Helper()
	in, err := conn.Inbox(t.Context(), stream.Documents, stream.Indexer("shop"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = in.Run(ctx) }() // never fails
	t.Cleanup(func() { cancel(); <-ended })
	batch, err := in.Next(ctx, stream.Want{Count: n, Bytes: 1 << 20, Age: time.Minute})
	if err != nil || len(batch) != n {
		t.Fatalf("%d messages, not %d: %v", len(batch), n, err)
	}
	return batch
}

// count stores a message of one document, finishes it as became, and returns what the ledger then says.
func count(t *testing.T, header stream.Header, became string) stream.Ledger {
	t.Helper()
	conn := streamtest.Start(t).Open(t, "shop")
	const lines = `{"create":{"_index":"logs-auth0.logs-shop-2026.01.01","_id":"x"}}` + "\n{}\n"
	_, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDocuments("shop"), Header: header, Data: []byte(lines)})
	if err != nil {
		t.Fatal(err)
	}
	docs, err := parse(take(t, conn, 1)[0], nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	docs[0].message.count(docs[0], became)
	docs[0].message.done()
	janitor := conn.NewJanitor(stream.Documents, time.Hour)
	for {
		if err := janitor.Sweep(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		l, err := conn.Ledger(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if l.Drained() {
			return l
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestAReplayedDeadLetterIsCountedForItsEndpointOnBothSides(t *testing.T) {
	header := stream.Header{stream.SchemaHeader: "1", countHeader: "1", ownersHeader: "prod=1", replayHeader: "true"}
	l := count(t, header, stream.BecameIndexed)
	want := stream.LedgerEntry{Endpoint: "prod", Received: 1, Documents: 1, Indexed: 1}
	if len(l.Entries) != 1 || l.Entries[0] != want {
		t.Errorf("the ledger says %+v, want %+v", l.Entries, want)
	}
}

func TestWhatTheEnricherMadeIsNotCountedAsMadeAgain(t *testing.T) {
	l := count(t, stream.Header{stream.SchemaHeader: "1", countHeader: "1", ownersHeader: "prod=1"}, stream.BecameDead)
	if len(l.Entries) != 1 || l.Entries[0].Documents != 0 || l.Entries[0].Dead != 1 || l.Entries[0].Endpoint != "prod" {
		t.Errorf("the ledger says %+v", l.Entries)
	}
}
