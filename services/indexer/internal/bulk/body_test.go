package bulk //nolint:testpackage // it stands for a writer without an Elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// recorder keeps the bodies that it gets. It answers the first request not at all, and later ones as status says of an id.
type recorder struct {
	bodies [][]byte
	copies [][]byte // what the bodies were when they came
	status func(id string) int
}

func (r *recorder) EnsureIndex(context.Context, string) (bool, error) { return false, nil }

func (r *recorder) Bulk(_ context.Context, ndjson []byte, count int) ([]elastic.Item, error) {
	r.bodies, r.copies = append(r.bodies, ndjson), append(r.copies, bytes.Clone(ndjson))
	if len(r.bodies) == 1 {
		return nil, errors.New("the connection broke")
	}
	var items []elastic.Item
	lines := bytes.Split(bytes.TrimSuffix(ndjson, []byte("\n")), []byte("\n"))
	for i := 0; i < len(lines); i += 2 {
		_, id, _ := names(append(bytes.Clone(lines[i]), '\n'), nil)
		items = append(items, elastic.Item{ID: string(id), Status: r.status(string(id))})
	}
	if len(items) != count {
		return nil, fmt.Errorf("%d documents came, not %d", len(items), count)
	}
	return items, nil
}

// storedBatch stores messages of documents and takes them as one batch.
func storedBatch(t *testing.T, messages, documents int) (batch []*stream.Message, texts [][]byte) {
	t.Helper()
	conn := streamtest.Start(t).Open(t, "shop")
	for m := range messages {
		var text []byte
		for d := range documents {
			text = fmt.Appendf(text, `{"create":{"_index":"logs-auth0.logs-shop-2026.01.0%d","_id":"m%dd%d"}}`+"\n"+`{"message":"a document of the message"}`+"\n", 1+d%2, m, d)
		}
		header := stream.Header{stream.SchemaHeader: strconv.Itoa(stream.DocumentsSchema), countHeader: strconv.Itoa(documents)}
		if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDocuments("shop"), Header: header, Data: bytes.Clone(text), Pack: true}); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return take(t, conn, messages), texts
}

func write(t *testing.T, r *recorder, batch []*stream.Message) {
	t.Helper()
	New(Parts{
		Cluster: r, MaxLetter: 1 << 20, Metrics: NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler), Timeout: time.Minute,
	}).Write(t.Context(), batch)
}

func TestAWholeBatchIsSentFromWhereItLies(t *testing.T) {
	batch, texts := storedBatch(t, 3, 40)
	joined := stream.Joined(batch)
	r := &recorder{status: func(string) int { return http.StatusCreated }}
	write(t, r, batch)
	want := bytes.Join(texts, nil)
	if len(r.bodies) != 2 || !bytes.Equal(r.copies[0], want) || !bytes.Equal(r.copies[1], want) {
		t.Fatalf("%d requests, the first of %d bytes", len(r.bodies), len(r.copies[0]))
	}
	if &r.bodies[0][0] != &joined[0] {
		t.Error("it was copied")
	}
	// No answer came to the first request, so it may still be being sent: where the race detector runs memory that is used
	// again is overwritten.
	if !bytes.Equal(r.bodies[0], want) {
		t.Error("the memory of a request without an answer was given away")
	}
}

func TestWhatIsLeftOfABatchIsSentWithoutTheRest(t *testing.T) {
	batch, texts := storedBatch(t, 2, 30)
	busy := map[string]bool{"m0d3": true, "m1d0": true, "m1d29": true}
	r := &recorder{}
	r.status = func(id string) int {
		if len(r.bodies) == 2 && busy[id] {
			return http.StatusTooManyRequests
		}
		return http.StatusCreated
	}
	write(t, r, batch)
	if len(r.copies) != 3 || !bytes.Equal(r.copies[1], bytes.Join(texts, nil)) {
		t.Fatalf("%d requests", len(r.copies))
	}
	lines := bytes.Split(bytes.TrimSuffix(r.copies[2], []byte("\n")), []byte("\n"))
	if len(lines) != 2*len(busy) {
		t.Fatalf("%d lines were sent again: %s", len(lines), r.copies[2])
	}
	for id := range busy {
		if !bytes.Contains(r.copies[2], []byte(`"_id":"`+id+`"`)) {
			t.Errorf("%s was not sent again", id)
		}
	}
}
