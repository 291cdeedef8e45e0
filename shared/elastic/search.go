package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// ErrLarge says that an answer is larger than what is read of one: ask for fewer documents at a time.
var ErrLarge = fmt.Errorf("the answer is larger than %d MiB", maxAnswer>>20)

// Document is one document of a page. Sort is a JSON array that search_after takes as it is: as numbers of Go the
// extremes that stand for a missing value would lose their last digits.
type Document struct {
	Index  string          `json:"_index"`
	ID     string          `json:"_id"`
	Source json.RawMessage `json:"_source"`
	Sort   json.RawMessage `json:"sort"`
}

// Page is the answer to a search over several indices, aliases or patterns.
type Page struct {
	Total        int64 // documents that match, also those of other pages
	Documents    []Document
	Aggregations json.RawMessage
	Shards       int    // that were asked; 0 when nothing of that name exists
	Failed       int    // of them did not answer: what they hold is missing here
	Failure      string // what the first of them said
}

// searchAnswer is what Elasticsearch answers to a search.
type searchAnswer struct {
	Shards struct {
		Total    int `json:"total"`
		Failed   int `json:"failed"`
		Failures []struct {
			Reason Cause `json:"reason"`
		} `json:"failures"`
	} `json:"_shards"`
	Hits struct {
		Total struct {
			Value int64 `json:"value"`
		} `json:"total"`
		Hits []Document `json:"hits"`
	} `json:"hits"`
	Aggregations json.RawMessage `json:"aggregations"`
}

// Page runs a search body on indices, aliases or patterns; those that do not exist hold nothing. A shard that does not
// answer is no error as long as another one does: see Page.Failed.
func (c *Client) Page(ctx context.Context, indices []string, search any) (Page, error) {
	raw, err := json.Marshal(search)
	if err != nil {
		return Page{}, fmt.Errorf("searching %s: %w", strings.Join(indices, ","), err)
	}
	yes := true
	what := "searching " + strings.Join(indices, ",")
	body, err := c.searched(ctx, what, esapi.SearchRequest{
		Index: indices, IgnoreUnavailable: &yes, AllowNoIndices: &yes, Body: bytes.NewReader(raw), TrackTotalHits: true,
	})
	if err != nil {
		return Page{}, err
	}
	var doc searchAnswer
	if err := decode(body, &doc); err != nil {
		return Page{}, err
	}
	p := Page{Total: doc.Hits.Total.Value, Documents: doc.Hits.Hits, Aggregations: doc.Aggregations, Shards: doc.Shards.Total, Failed: doc.Shards.Failed}
	if len(doc.Shards.Failures) > 0 {
		p.Failure = doc.Shards.Failures[0].Reason.Text()
	}
	return p, nil
}

// Field is what can be done with a field of a mapping.
type Field struct {
	Type         string // such as keyword; object for one that only holds others
	Searchable   bool
	Aggregatable bool
}

// Fields lists the mapped fields of indices, aliases or patterns by their dotted names. A field with several types has
// one of them, and what can be done with any.
func (c *Client) Fields(ctx context.Context, indices []string) (map[string]Field, error) {
	yes := true
	body, err := c.do(ctx, "asking for the fields of "+strings.Join(indices, ","), esapi.FieldCapsRequest{
		Index: indices, Fields: []string{"*"}, IgnoreUnavailable: &yes, AllowNoIndices: &yes,
	})
	if err != nil {
		return nil, err
	}
	var doc struct {
		Fields map[string]map[string]struct {
			Type         string `json:"type"`
			Metadata     bool   `json:"metadata_field"`
			Searchable   bool   `json:"searchable"`
			Aggregatable bool   `json:"aggregatable"`
		} `json:"fields"`
	}
	if err := decode(body, &doc); err != nil {
		return nil, err
	}
	all := make(map[string]Field, len(doc.Fields))
	for name, types := range doc.Fields {
		for _, t := range types {
			if known := all[name]; !t.Metadata {
				all[name] = Field{Type: t.Type, Searchable: t.Searchable || known.Searchable, Aggregatable: t.Aggregatable || known.Aggregatable}
			}
		}
	}
	return all, nil
}

// searched sends a search and returns the body of a 2xx answer. Its errors say what the first shard said: the answer as a
// whole says no more than that all of them failed.
func (c *Client) searched(ctx context.Context, what string, req esapi.SearchRequest) ([]byte, error) {
	res, err := req.Do(ctx, c.es)
	if err != nil {
		return nil, fmt.Errorf("%s at %s: %w", what, c.url, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s at %s: reading the answer: %w", what, c.url, err)
	case res.StatusCode > 299:
		e := answerError(res.StatusCode, body)
		if reason := shardReason(body); reason != "" {
			e.Reason = reason
		}
		return nil, fmt.Errorf("%s at %s: %w", what, c.url, e)
	case len(body) >= maxAnswer:
		return nil, fmt.Errorf("%s at %s: %w", what, c.url, ErrLarge)
	}
	return body, nil
}

// shardReason is what the first shard that failed says, in one line; empty when no shard failed.
func shardReason(body []byte) string {
	var doc struct {
		Error struct {
			Shards []struct {
				Reason Cause `json:"reason"`
			} `json:"failed_shards"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &doc) != nil || len(doc.Error.Shards) == 0 {
		return ""
	}
	cause := &doc.Error.Shards[0].Reason
	if reason, ok := strings.CutPrefix(cause.Reason, "failed to create query: "); ok {
		return reason // says more than what caused it
	}
	for cause.CausedBy != nil && cause.CausedBy.Reason != "" {
		cause = cause.CausedBy
	}
	line, _, _ := strings.Cut(cause.Reason, "\n")
	return line
}
