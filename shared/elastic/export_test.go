package elastic

import (
	"bytes"
	"context"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// RawBulk returns the answer to a bulk as it came.
func RawBulk(ctx context.Context, c *Client, ndjson []byte) ([]byte, error) {
	return c.do(ctx, "indexing", esapi.BulkRequest{Body: bytes.NewReader(ndjson), FilterPath: bulkFilter})
}

// Answers reads the answer to a bulk of count documents.
var Answers = answers

// PlainAnswers and DecodedAnswers are the two ways in which it is read.
var (
	PlainAnswers   = plainAnswers
	DecodedAnswers = decodedAnswers
)
