package elastic

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// Item is the answer to one document of a bulk.
type Item struct {
	Status int
	Cause  *Cause // nil for success
}

// bulkFilter keeps of the answer only what decides a verdict.
var bulkFilter = []string{"items.*.status", "items.*.error.type", "items.*.error.reason", "items.*.error.caused_by"}

// shardPatience is how long Elasticsearch waits for a primary shard before it answers 503 for the document. It is shorter
// than any caller's limit, so that one index without a shard does not look like a cluster that is away.
const shardPatience = 15 * time.Second

// Bulk sends NDJSON of count documents and returns one Item per document, in their order. An error means that nothing is
// known of any of them: they may all be stored, or none.
func (c *Client) Bulk(ctx context.Context, ndjson []byte, count int) ([]Item, error) {
	body, err := c.do(ctx, "indexing", esapi.BulkRequest{Body: bytes.NewReader(ndjson), FilterPath: bulkFilter, Timeout: shardPatience})
	if err != nil {
		return nil, err
	}
	var doc struct {
		Items []map[string]struct {
			Status int    `json:"status"`
			Error  *Cause `json:"error"`
		} `json:"items"`
	}
	if err := decode(body, &doc); err != nil {
		return nil, err
	}
	if len(doc.Items) != count {
		return nil, fmt.Errorf("indexing at %s: %d documents were sent and %d answered", c.url, count, len(doc.Items))
	}
	items := make([]Item, count)
	for i, answers := range doc.Items {
		for _, a := range answers {
			items[i] = Item{Status: a.Status, Cause: a.Error}
		}
	}
	return items, nil
}
