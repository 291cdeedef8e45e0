package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluicelog/sluice/shared/elastic"
)

// printEvents prints what is found, page by page.
func (s *eventSearch) printEvents(ctx context.Context) (bool, error) {
	p := &pages{client: s.client, indices: s.indices, query: s.query, clock: "@timestamp", source: s.printer.source(), size: pageSize}
	var first elastic.Page
	shown := 0
	bar := &progress{}
	use := func(page elastic.Page) (bool, error) {
		if s.limit > 0 {
			page.Documents = page.Documents[:min(len(page.Documents), s.limit-shown)]
		}
		if shown == 0 {
			first = page
			if table, ok := s.printer.(*eventTable); ok {
				table.choosy = s.columns == "" && s.wanted(page.Total) <= len(page.Documents)
			}
			bar = s.newProgress(s.wanted(page.Total), "reading", terminal(s.Out))
		}
		shown += len(page.Documents)
		bar.add(len(page.Documents))
		if shown == 0 {
			return true, nil
		}
		return s.limit > 0 && shown >= s.limit, s.printer.add(page.Documents)
	}
	var err error
	if s.sort == "-time" {
		if s.limit > 0 {
			p.size = min(p.size, s.limit)
		}
		err = p.each(ctx, nil, use)
	} else {
		err = p.newest(ctx, s.limit, use)
	}
	bar.done()
	if err != nil {
		return shown > 0, err
	}
	if err := s.printer.end(); err != nil {
		return shown > 0, err
	}
	s.summarise(first, shown)
	if missing := s.wanted(first.Total) - shown; missing > 0 {
		return true, fmt.Errorf("%s was not shown, because it was deleted meanwhile or cannot be told from another: search a shorter time with --since and --until", counted(missing, "event"))
	}
	return shown > 0, incomplete(first)
}

// wanted is how many of total are to be shown.
func (s *eventSearch) wanted(total int64) int {
	if s.limit > 0 {
		return int(min(total, int64(s.limit)))
	}
	return int(total)
}

// summarise says on standard error how much of all was shown.
func (s *eventSearch) summarise(page elastic.Page, shown int) {
	switch {
	case page.Total == 0:
		s.sayNothing(page)
	case int64(shown) < page.Total:
		fmt.Fprintf(s.Err, "%s of %s shown; --limit 0 shows all\n", thousands(shown), events(page.Total))
	default:
		fmt.Fprintf(s.Err, "%s\n", events(page.Total))
	}
}

// sayNothing says why there may be nothing.
func (s *eventSearch) sayNothing(page elastic.Page) {
	text := "nothing found"
	if page.Shards == 0 {
		text += fmt.Sprintf(": there is no event yet in %s of %s", strings.Join(s.indices, ", "), s.client.URL())
	} else if !s.span.since.IsZero() || !s.span.until.IsZero() {
		text += " " + s.span.String()
	}
	fmt.Fprintln(s.Err, text)
}

// incomplete is an error when a part of the events could not be asked for.
func incomplete(page elastic.Page) error {
	if page.Failed == 0 {
		return nil
	}
	return fmt.Errorf("%d of %s did not answer, and what they hold is missing above: %s", page.Failed, counted(page.Shards, "shard"), harmlessLine(excerpt(page.Failure)))
}

// events writes a number of events.
func events(n int64) string {
	if n == 1 {
		return "1 event"
	}
	return thousands(n) + " events"
}
