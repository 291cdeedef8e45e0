package stream_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// Whoever reads a packed message gets it as it was published, while the stream holds a part of it.
func TestAPackedMessageIsPlainToEveryReader(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	ctx := t.Context()
	data := bytes.Repeat([]byte(`{"log_id":"900","data":{}}`+"\n"), 10_000)
	out := stream.Outgoing{Subject: stream.SubjectDeliveries, Header: stream.Header{stream.SchemaHeader: "1"}, Data: data, Pack: true}
	receipt, err := conn.Publish(ctx, out)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := conn.State(ctx, stream.Deliveries); err != nil || state.Bytes > uint64(len(data)/10) {
		t.Errorf("the stream holds %d of %d bytes: %v", state.Bytes, len(data), err)
	}
	plain := func(who string, h stream.Header, got []byte) {
		if h[stream.SchemaHeader] != "1" || !bytes.Equal(got, data) {
			t.Errorf("%s: version %s, %d bytes", who, h[stream.SchemaHeader], len(got))
		}
	}
	one, err := conn.Get(ctx, stream.Deliveries, receipt.Sequence)
	if err != nil {
		t.Fatal(err)
	}
	plain("Get", one.Header, one.Data)
	first, err := conn.First(ctx, stream.Deliveries, stream.Enricher)
	if err != nil {
		t.Fatal(err)
	}
	plain("First", first.Header, first.Data)
	for _, headers := range []bool{false, true} {
		for s, err := range conn.Scan(ctx, stream.Deliveries, stream.Range{HeadersOnly: headers}) {
			if err != nil {
				t.Fatal(err)
			}
			if headers {
				s.Data = data
			}
			plain("Scan", s.Header, s.Data)
		}
	}
	in, _ := inbox(t, conn)
	batch, err := in.Next(ctx, stream.Want{Bytes: 1, Count: 1, Age: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	plain("Inbox", batch[0].Header, batch[0].Data)
	batch[0].Done()
}

// A batch is as large as its messages are when they are unpacked.
func TestABatchIsMeasuredByPlainBytes(t *testing.T) {
	conn := streamtest.Start(t).Open(t, "default")
	data := bytes.Repeat([]byte("abcdefgh"), 10_000)
	for range 4 {
		out := stream.Outgoing{Subject: stream.SubjectDeliveries, Header: stream.Header{stream.SchemaHeader: "1"}, Data: data, Pack: true}
		if _, err := conn.Publish(t.Context(), out); err != nil {
			t.Fatal(err)
		}
	}
	in, _ := inbox(t, conn)
	for left := 4; left > 0; {
		batch, err := in.Next(t.Context(), stream.Want{Bytes: 2 * len(data), Count: 100, Age: time.Second})
		if err != nil || len(batch) > 2 {
			t.Fatalf("%d messages at once: %v", len(batch), err)
		}
		for _, m := range batch {
			m.Done()
		}
		left -= len(batch)
	}
}
