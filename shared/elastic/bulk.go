package elastic

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Item is the answer to one document of a bulk.
type Item struct {
	ID     string // of the document that it is the answer to
	Status int
	Cause  *Cause // nil for success, and for a conflict: that one says all
}

// bulkFilter keeps of the answer only what decides a verdict.
var bulkFilter = []string{"items.*._id", "items.*.status", "items.*.error.type", "items.*.error.reason", "items.*.error.caused_by"}

// shardPatience is how long Elasticsearch waits for a primary shard before it answers 503 for the document. It is shorter
// than any caller's limit, so that one index without a shard does not look like a cluster that is away.
const shardPatience = 15 * time.Second

// Bulk sends NDJSON of count documents and returns one Item per document, in the order of the answer. An error means that nothing is
// known of any of them: they may all be stored, or none.
func (c *Client) Bulk(ctx context.Context, ndjson []byte, count int) ([]Item, error) {
	body, err := c.do(ctx, "indexing", esapi.BulkRequest{
		Body: bytes.NewReader(ndjson), FilterPath: bulkFilter, Timeout: shardPatience,
		Header: http.Header{"Accept-Encoding": {"identity"}}, // to pack and unpack a small answer takes processor time on both sides
	})
	if err != nil {
		return nil, err
	}
	items, err := answers(body, count)
	if err != nil {
		return nil, fmt.Errorf("indexing at %s: %w", c.url, err)
	}
	return items, nil
}
