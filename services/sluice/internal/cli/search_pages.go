package cli

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/sluicelog/sluice/shared/elastic"
)

// pageSize is how many whole documents are asked for at once, idPageSize how many without their content.
const (
	pageSize   = 1000
	idPageSize = 10_000
)

// pages reads documents page by page, in the order of a time and, where that is the same, of what is different in any
// two documents: item and delivery. It needs no snapshot on the server, and so no right but to read.
type pages struct {
	client    *elastic.Client
	indices   []string
	query     any
	clock     string // field of the order
	ascending bool
	source    any // as _source takes it
	size      int
	limit     time.Duration // for one page; 0 for none
}

// order is the sort of a search. The two directions are each other's reverse, also where a field is missing.
func (p *pages) order() []any {
	direction, missing := "desc", "_first"
	if p.ascending {
		direction, missing = "asc", "_last"
	}
	var all []any
	for _, f := range [][2]string{{p.clock, "date"}, {fieldLogID, "keyword"}, {fieldDelivery, "keyword"}, {"sluice.item", "long"}} {
		all = append(all, map[string]any{f[0]: map[string]any{"order": direction, "missing": missing, "unmapped_type": f[1]}})
	}
	return all
}

// one reads the page that follows a place; a nil place is before the first.
func (p *pages) one(ctx context.Context, after json.RawMessage, size int) (elastic.Page, error) {
	body := map[string]any{"size": size, "query": p.query, "sort": p.order(), "_source": p.source}
	if after != nil {
		body["search_after"] = after
	}
	if p.limit > 0 {
		limited, cancel := context.WithTimeout(ctx, p.limit)
		defer cancel()
		ctx = limited
	}
	page, err := p.client.Page(ctx, p.indices, body)
	return page, asLook(err)
}

// each calls use with page after page until it says that it has enough, or there is no more. Where documents are so
// large that an answer cannot hold a page, pages become smaller.
func (p *pages) each(ctx context.Context, after json.RawMessage, use func(elastic.Page) (enough bool, err error)) error {
	size := p.size
	for {
		page, err := p.one(ctx, after, size)
		if errors.Is(err, elastic.ErrLarge) && size > 1 {
			size /= 2
			continue
		}
		if err != nil {
			return err
		}
		enough, err := use(page)
		if err != nil || enough || len(page.Documents) < size {
			return err
		}
		after = page.Documents[len(page.Documents)-1].Sort
	}
}

// newest calls use with the newest limit documents, the oldest of them first; all when limit is 0.
func (p *pages) newest(ctx context.Context, limit int, use func(elastic.Page) (enough bool, err error)) error {
	back := *p
	back.ascending = false
	if limit > 0 && limit <= p.size {
		all, err := back.first(ctx, limit)
		if err == nil {
			slices.Reverse(all.Documents)
			_, err = use(all)
		}
		return err
	}
	before, err := back.place(ctx, limit)
	if err != nil {
		return err
	}
	p.ascending = true
	return p.each(ctx, before, use)
}

// first reads so many documents into memory.
func (p *pages) first(ctx context.Context, count int) (all elastic.Page, err error) {
	few := *p
	few.size = count
	err = few.each(ctx, nil, func(page elastic.Page) (bool, error) {
		page.Documents = append(all.Documents, page.Documents...)
		page.Documents = page.Documents[:min(len(page.Documents), count)]
		all = page
		return len(all.Documents) == count, nil
	})
	return all, err
}

// place is the sort of the document that has limit newer ones; nil when there are fewer.
func (p *pages) place(ctx context.Context, limit int) (before json.RawMessage, err error) {
	if limit == 0 {
		return nil, nil
	}
	ids, passed := *p, 0
	ids.source, ids.size = false, idPageSize
	err = ids.each(ctx, nil, func(page elastic.Page) (bool, error) {
		if passed+len(page.Documents) > limit {
			before = page.Documents[limit-passed].Sort
		}
		passed += len(page.Documents)
		return before != nil || page.Total <= int64(limit), nil
	})
	return before, err
}
