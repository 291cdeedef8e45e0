package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/elastic"
)

// tailFlags are what tail lets people choose.
type tailFlags struct {
	eventChoice
	last     int
	interval time.Duration
	most     int
}

// tailCommand follows events as they become searchable.
func (a *App) tailCommand() *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:   "tail [QUERY]",
		Short: "Follow events as they become searchable",
		Long: `Tail prints the events that a query finds as they become searchable: each once, in the order in which Sluice took them
in. Events that come late, or are old because Auth0 sends them again, are printed as well. While Elasticsearch is away it
waits. Ctrl-C ends it with exit code 0.

` + queryHelp,
		Example: `  sluice tail
  sluice tail 'event.outcome:failure and not user.email:*@example.com' --columns time,code,user,ip,agent
  sluice tail event.category:iam --json | jq -r .message`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.text = strings.Join(args, " ")
			return a.tail(cmd.Context(), f)
		},
	}
	f.register(cmd)
	v := cmd.Flags()
	v.IntVarP(&f.last, "last", "n", 10, "begin with the last so many events")
	v.DurationVar(&f.interval, "interval", time.Second, "time between two looks")
	v.IntVar(&f.most, "until-count", 0, "end after so many new events; 0 goes on until Ctrl-C")
	return cmd
}

// Bounds of tail.
const (
	shortestInterval = 50 * time.Millisecond
	lookLimit        = 30 * time.Second // for one request
)

func (f *tailFlags) check() error {
	switch {
	case f.last < 0 || f.last > idPageSize:
		return fmt.Errorf("-n %d: give a number up to %d; `sluice search` shows more", f.last, idPageSize)
	case f.interval < shortestInterval:
		return fmt.Errorf("--interval %s: the shortest is %s", f.interval, shortestInterval)
	case f.most < 0:
		return fmt.Errorf("--until-count %d: give a number, or 0 for no end", f.most)
	}
	return nil
}

// tailing is one run of tail.
type tailing struct {
	*App
	tailFlags
	question
	printer eventPrinter
	seen    *sightings // nil before the first look
	count   int        // of new events that were printed
	away    bool       // Elasticsearch did not answer the last time
	torn    bool       // a part of the shards did not
	checked bool       // the fields of the query
}

func (a *App) tail(ctx context.Context, f tailFlags) error {
	t := &tailing{App: a, tailFlags: f}
	var err error
	if err = t.check(); err != nil {
		return err
	}
	if t.indices, err = t.eventChoice.indices(); err != nil {
		return err
	}
	if t.parsed, err = parseQuery(f.text); err != nil {
		return err
	}
	if t.printer, err = a.printer(t.eventChoice, true); err != nil {
		return err
	}
	if t.client, err = a.openElastic(); err != nil {
		return err
	}
	return t.run(ctx)
}

// run looks again and again until ctx ends or enough was printed.
func (t *tailing) run(ctx context.Context) error {
	tick := time.NewTicker(t.interval)
	defer tick.Stop()
	for {
		err := t.round(ctx)
		if ctx.Err() != nil || errors.Is(err, errEnough) {
			return nil
		}
		if err := t.answered(ctx, err); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// round begins, or looks for what is new.
func (t *tailing) round(ctx context.Context) error {
	if !t.checked {
		fields, err := t.client.Fields(ctx, t.indices)
		if err != nil {
			return lookError{err}
		}
		if t.checked = true; len(fields) > 0 {
			for _, note := range strangers(t.parsed, fields) {
				fmt.Fprintln(t.Err, "note:", note)
			}
		}
	}
	if t.seen == nil {
		return t.begin(ctx)
	}
	return t.look(ctx)
}

// begin remembers what is there already, and prints the last events of it.
func (t *tailing) begin(ctx context.Context) error {
	seen := newSightings()
	if err := t.remember(ctx, seen); err != nil {
		return err
	}
	p := t.pages(t.parsed.body(), false)
	p.source, p.size = t.printer.source(), pageSize
	var last elastic.Page
	if t.last > 0 {
		var err error
		if last, err = p.first(ctx, t.last); err != nil {
			return err
		}
	}
	slices.Reverse(last.Documents)
	for _, d := range last.Documents {
		if err := seen.add(d); err != nil {
			return err
		}
	}
	t.seen = seen
	return t.printer.add(last.Documents)
}

// lookError is a question that Elasticsearch did not answer; other errors end tail.
type lookError struct{ error }

// Unwrap returns what happened.
func (e lookError) Unwrap() error { return e.error }

// errEnough ends tail after --until-count events.
var errEnough = errors.New("enough events")

// answered tells the operator when Elasticsearch goes away and comes back. It returns the errors that waiting does not
// mend: before the first events were seen, those of the query and of the rights.
func (t *tailing) answered(ctx context.Context, err error) error {
	failed, asking := errors.AsType[lookError](err)
	switch {
	case err == nil:
		if t.away {
			fmt.Fprintln(t.Err, "Elasticsearch answers again.")
		}
		t.away = false
		return nil
	case !asking:
		return err
	case elastic.Status(err) == http.StatusBadRequest:
		reason := t.blame(ctx, failed.error)
		if _, found := errors.AsType[*queryError](reason); found || t.seen == nil {
			return reason
		}
	case t.seen == nil && (elastic.Status(err) == http.StatusUnauthorized || elastic.Status(err) == http.StatusForbidden):
		return failed.error
	case t.seen == nil && t.misses(failed.error):
		return t.orLost(failed.error) // one that is started now may listen elsewhere
	}
	if !t.away {
		fmt.Fprintf(t.Err, "Elasticsearch does not answer, tail goes on when it does: %s\n", harmlessLine(failed.Error()))
	}
	t.away = true
	return nil
}

// noticeShards tells once when a part of the shards does not answer; what they hold is printed when they do.
func (t *tailing) noticeShards(page elastic.Page) {
	if page.Failed > 0 && !t.torn {
		fmt.Fprintf(t.Err, "%d of %s did not answer, and what they hold is missing until they do: %s\n", page.Failed, counted(page.Shards, "shard"), harmlessLine(excerpt(page.Failure)))
	}
	t.torn = page.Failed > 0
}
