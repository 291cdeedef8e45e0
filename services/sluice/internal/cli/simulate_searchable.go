package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
)

// How events are looked up in Elasticsearch.
const (
	idsPerQuery  = 5000
	pollInterval = 500 * time.Millisecond
)

// searchable says how many of the acknowledged events a search finds.
type searchable struct {
	Acked    int     `json:"acked_log_ids"`
	Found    int     `json:"searchable"`
	Waited   float64 `json:"waited_seconds"`
	Problem  string  `json:"problem,omitempty"`
	Complete bool    `json:"complete"`
}

// awaitSearchable polls until every log_id is found in some namespace, the limit passed or ctx ended.
func (a *App) awaitSearchable(ctx context.Context, ids map[string]struct{}, limit time.Duration) *searchable {
	out := &searchable{Acked: len(ids)}
	client, err := a.openElastic()
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	pending := slices.Collect(slices.Chunk(slices.Sorted(maps.Keys(ids)), idsPerQuery))
	whole := 0
	for {
		pending, whole, err = lookUp(ctx, client, pending, whole, out)
		out.Waited = time.Since(began).Seconds()
		if out.Complete = err == nil && len(pending) == 0; out.Complete {
			out.Problem = ""
			return out
		}
		select {
		case <-ctx.Done():
			return out
		case <-tick.C:
		}
	}
}

// lookUp counts what is found of each chunk and returns the chunks that are not complete. whole is the number of ids
// in those that are.
func lookUp(ctx context.Context, client *elastic.Client, pending [][]string, whole int, out *searchable) (open [][]string, complete int, err error) {
	found := 0
	for i, chunk := range pending {
		n, err := client.Count(ctx, period.Alias("*"), map[string]any{"terms": map[string]any{"event.id": chunk}})
		if err != nil {
			if ctx.Err() == nil || out.Problem == "" {
				out.Problem = err.Error()
			}
			return append(open, pending[i:]...), whole, err
		}
		if n >= int64(len(chunk)) {
			whole += len(chunk)
			continue
		}
		found += int(n)
		open = append(open, chunk)
	}
	out.Problem = ""
	out.Found = whole + found
	return open, whole, nil
}

// write adds the result to a table.
func (s *searchable) write(w io.Writer) {
	fmt.Fprintf(w, "searchable\t%d of %d acknowledged log_ids after %.1f s\n", s.Found, s.Acked, s.Waited)
	if s.Problem != "" {
		fmt.Fprintf(w, "\tElasticsearch could not be asked: %s\n", s.Problem)
	} else if !s.Complete {
		fmt.Fprintln(w, "\tthe others still wait or were set aside: see `sluice deadletter list` and `sluice doctor`")
	}
}
