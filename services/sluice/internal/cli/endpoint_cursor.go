package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// cursorMargin is how long before the last searchable delivery a Starting Cursor lies: deliveries overtake one another, and
// what is sent twice is stored once.
const cursorMargin = time.Hour

// cursor is what to ask Auth0 for where an endpoint's deliveries were lost with their stream.
type cursor struct {
	Endpoint string    `json:"endpoint"`
	Name     string    `json:"name"`
	Last     time.Time `json:"last_searchable,omitzero"` // receipt of the last delivery that is searchable; zero: none is
	From     time.Time `json:"starting_cursor,omitzero"`
}

// cursors finds, for every endpoint, the last delivery from before the present stream whose events are searchable. What was
// accepted after it and was not searchable when the stream was lost is gone, unless Auth0 sends it again.
func (s *Session) cursors(ctx context.Context, endpoints []*endpoint.Endpoint) ([]cursor, error) {
	state, err := s.Conn.State(ctx, stream.Deliveries)
	if err != nil {
		return nil, err
	}
	all := make([]cursor, 0, len(endpoints))
	for chunk := range slices.Chunk(endpoints, 100) {
		last, err := s.lastDeliveries(ctx, chunk, state.Created)
		if err != nil {
			return nil, err
		}
		for _, e := range chunk {
			c := cursor{Endpoint: e.ID, Name: e.Name, Last: last[e.ID]}
			if !c.Last.IsZero() {
				c.From = c.Last.Add(-cursorMargin).Truncate(time.Second)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// lastDeliveries reads the times of receipt from the deliveries' ids, which sort by time.
func (s *Session) lastDeliveries(ctx context.Context, endpoints []*endpoint.Endpoint, before time.Time) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var ids []string
	for _, e := range endpoints {
		ids = append(ids, e.ID)
	}
	var limit ulid.ULID
	if err := limit.SetTime(ulid.Timestamp(before)); err != nil {
		return nil, err
	}
	found, err := s.Elastic.Search(ctx, period.Alias("*"), map[string]any{
		"size": 0,
		"query": map[string]any{"bool": map[string]any{"filter": []any{
			map[string]any{"terms": map[string]any{"sluice.endpoint": ids}},
			map[string]any{"range": map[string]any{fieldDelivery: map[string]any{"lt": limit.String()}}},
		}}},
		"aggs": map[string]any{"endpoints": map[string]any{
			"terms": map[string]any{"field": "sluice.endpoint", "size": len(ids)},
			"aggs": map[string]any{"last": map[string]any{"top_hits": map[string]any{
				"size": 1, "_source": []string{fieldDelivery}, "sort": []any{map[string]any{fieldDelivery: "desc"}},
			}}},
		}},
	})
	if err != nil {
		return nil, err
	}
	return readLastDeliveries(found)
}

func readLastDeliveries(found elastic.Result) (map[string]time.Time, error) {
	last := map[string]time.Time{}
	if len(found.Aggregations) == 0 { // no index at all
		return last, nil
	}
	var aggs struct {
		Endpoints struct {
			Buckets []struct {
				Key  string `json:"key"`
				Last struct {
					Hits struct {
						Hits []struct {
							Source struct {
								Sluice struct {
									Delivery string `json:"delivery"`
								} `json:"sluice"`
							} `json:"_source"`
						} `json:"hits"`
					} `json:"hits"`
				} `json:"last"`
			} `json:"buckets"`
		} `json:"endpoints"`
	}
	if err := json.Unmarshal(found.Aggregations, &aggs); err != nil {
		return nil, fmt.Errorf("reading elasticsearch's answer: %w", err)
	}
	for _, b := range aggs.Endpoints.Buckets {
		for _, hit := range b.Last.Hits.Hits {
			if id, err := ulid.ParseStrict(hit.Source.Sluice.Delivery); err == nil {
				last[b.Key] = ulid.Time(id.Time()).UTC()
			}
		}
	}
	return last, nil
}

// writeCursors says what to ask Auth0 for.
func writeCursors(w io.Writer, all []cursor, note string) {
	switch {
	case note != "":
		fmt.Fprintf(w, "\nWhere events may be missing could not be looked up: %s\n", note)
		return
	case len(all) == 0:
		return
	}
	fmt.Fprint(w, "\nIf NATS was lost, deliveries that were accepted but not searchable yet are gone. Auth0 sends them again to a new log\n"+
		"stream with this Starting Cursor; what comes twice is stored once. Take an earlier one where the indexer was behind.\n\n")
	fmt.Fprintln(w, "ENDPOINT\tNAME\tLAST SEARCHABLE\tSTARTING CURSOR")
	for _, c := range all {
		last, from := "none", "the time of its creation"
		if !c.Last.IsZero() {
			last, from = c.Last.Format(time.RFC3339), c.From.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.Endpoint, c.Name, last, from)
	}
}
