package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/sluicelog/sluice/shared/elastic"
)

// pages reads what a query finds in the order in which it was taken in.
func (t *tailing) pages(query any, ascending bool) *pages {
	has := map[string]any{"exists": map[string]any{"field": fieldIngested}}
	return &pages{
		client: t.client, indices: t.indices, clock: fieldIngested, ascending: ascending,
		limit: lookLimit,
		query: map[string]any{"bool": map[string]any{"filter": []any{query, has}}},
	}
}

// ingested narrows a query to the seconds from one up to, and without, another.
func ingested(query any, from, to int64) any {
	span := map[string]any{"gte": from * 1000, "format": "epoch_millis"}
	if to != math.MaxInt64 {
		span["lt"] = to * 1000
	}
	return map[string]any{"bool": map[string]any{"filter": []any{query, map[string]any{"range": map[string]any{fieldIngested: span}}}}}
}

// remember reads which events are there: those of the last hour before the newest one, as far as they are not too many.
func (t *tailing) remember(ctx context.Context, seen *sightings) error {
	p := t.pages(t.parsed.body(), false)
	p.source, p.size = false, idPageSize
	return p.each(ctx, nil, func(page elastic.Page) (bool, error) {
		for _, d := range page.Documents {
			unix, err := secondOf(d)
			if err != nil {
				return false, err
			}
			switch {
			case seen.total == 0:
				seen.from = unix - lookBack
			case seen.total >= knownAtStart && unix < seen.oldest:
				seen.from = seen.oldest // every second from there on is known whole
			}
			if unix < seen.from {
				return true, nil
			}
			seen.oldest = unix
			if err := seen.add(d); err != nil {
				return false, err
			}
		}
		return false, nil
	})
}

// asLook marks an error of asking.
func asLook(err error) error {
	if err == nil {
		return nil
	}
	return lookError{err}
}

// look prints what is new.
func (t *tailing) look(ctx context.Context) error {
	if t.seen.newest == 0 {
		return t.read(ctx, t.seen.from, math.MaxInt64) // whatever there is now is new
	}
	split := max(t.seen.from, t.seen.newest-recentSeconds)
	now, older, err := t.counts(ctx, split, math.MaxInt64)
	if err != nil {
		return err
	}
	all := t.seen.differing(split, math.MaxInt64, now)
	if older != t.seen.before(split) {
		before, _, err := t.counts(ctx, t.seen.from, split)
		if err != nil {
			return err
		}
		all = append(t.seen.differing(t.seen.from, split, before), all...)
	}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n] == all[n-1]+1 {
			n++
		}
		if err := t.read(ctx, all[0], all[n-1]+1); err != nil {
			return err
		}
		all = all[n:]
	}
	t.seen.forget()
	return nil
}

// counts asks how many events there are in each second from one on up to another, and how many in those before that are
// remembered.
func (t *tailing) counts(ctx context.Context, from, to int64) (perSecond map[int64]int64, older int64, err error) {
	limited, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	page, err := t.client.Page(limited, t.indices, map[string]any{
		"size": 0, "query": ingested(t.parsed.body(), t.seen.from, to),
		"aggs": map[string]any{"span": map[string]any{
			"filter": ingested(map[string]any{"match_all": map[string]any{}}, from, to),
			"aggs": map[string]any{"seconds": map[string]any{"date_histogram": map[string]any{
				"field": fieldIngested, "fixed_interval": "1s", "min_doc_count": 1,
			}}},
		}},
	})
	if err != nil {
		return nil, 0, asLook(err)
	}
	t.noticeShards(page)
	var doc struct {
		Span struct {
			Seconds struct {
				Buckets []struct {
					Key   int64 `json:"key"` // milliseconds since 1970
					Count int64 `json:"doc_count"`
				} `json:"buckets"`
			} `json:"seconds"`
		} `json:"span"`
	}
	if page.Shards > 0 {
		if err := json.Unmarshal(page.Aggregations, &doc); err != nil {
			return nil, 0, asLook(fmt.Errorf("reading elasticsearch's answer: %w", err))
		}
	}
	perSecond, older = map[int64]int64{}, page.Total
	for _, b := range doc.Span.Seconds.Buckets {
		perSecond[floorDiv(b.Key, 1000)] = b.Count
		older -= b.Count
	}
	return perSecond, older, nil
}

// read reads some seconds whole and prints what is new in them. What was printed stays known when it breaks off.
func (t *tailing) read(ctx context.Context, from, to int64) error {
	p := t.pages(ingested(t.parsed.body(), from, to), true)
	p.source, p.size = t.printer.source(), pageSize
	counts := map[int64]int64{}
	err := p.each(ctx, nil, func(page elastic.Page) (bool, error) {
		fresh, err := t.fresh(page.Documents, counts)
		if err != nil || len(fresh) == 0 {
			return false, err
		}
		t.count += len(fresh)
		return t.most > 0 && t.count == t.most, t.printer.add(fresh)
	})
	if err != nil {
		return err
	}
	if t.most > 0 && t.count >= t.most {
		return errEnough
	}
	for unix, at := range t.seen.seconds {
		if unix >= from && unix < to {
			at.count = counts[unix]
		}
	}
	return nil
}

// fresh counts documents by their second and returns those that were not known, as many as are still wanted.
func (t *tailing) fresh(docs []elastic.Document, counts map[int64]int64) ([]elastic.Document, error) {
	var fresh []elastic.Document
	for _, d := range docs {
		if t.most > 0 && t.count+len(fresh) == t.most {
			break
		}
		unix, err := secondOf(d)
		if err != nil {
			return fresh, err
		}
		counts[unix]++
		isNew, err := t.seen.isNew(d)
		if err != nil {
			return fresh, err
		}
		if isNew {
			fresh = append(fresh, d)
		}
	}
	return fresh, nil
}
