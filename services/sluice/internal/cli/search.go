package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// eventChoice says which events a command means and how it prints them.
type eventChoice struct {
	text       string
	namespaces []string
	columns    string
	output     string
}

// searchFlags are what search lets people choose.
type searchFlags struct {
	eventChoice
	since, until string
	limit        int
	sort         string
	count        bool
	by           string
	histogram    bool
}

const queryHelp = `A query is written as in Lucene or in Kibana (KQL), with AND before OR, and nothing between two conditions for AND:

  event.code:fp                              one field            event.code:(fp or fu)      one of several values
  user.email:"jo@example.com"                exact                user.email:*@example.com   with * and ?
  source.ip:198.51.100.0/24                  a network            event.severity >= 3        compared
  message:"wrong password" and not tags:x    joined               user.email:*               has the field
  jo@example.com                             a word in any of the usual fields`

// searchCommand finds events without Kibana.
func (a *App) searchCommand() *cobra.Command {
	var f searchFlags
	cmd := asked(&cobra.Command{
		Use:   "search [QUERY]",
		Short: "Search events: as a table or JSON, counted, by a field or over time",
		Long: `Search prints the newest events that a query finds, the newest last. Without a query it finds all.

` + queryHelp + `

Times are in UTC. The exit code is that of grep: 0 when something was found, 1 when nothing was, 2 after an error.`,
		Example: `  sluice search 'event.outcome:failure and source.ip:198.51.100.0/24' --since 1h
  sluice search event.code:fp --since 7d --by user.email
  sluice search event.category:authentication --since 24h --histogram
  sluice search 'user.email:"jo@example.com"' --limit 0 --json > jo.ndjson
  sluice search event.code:limit_wc --since 10m --count || echo quiet`,
		ValidArgsFunction: cobra.NoFileCompletions,
	}, func(cmd *cobra.Command, args []string) (bool, error) {
		f.text = strings.Join(args, " ")
		if !cmd.Flags().Changed("limit") && f.by != "" {
			f.limit = 10
		}
		return a.searchEvents(cmd.Context(), f)
	})
	f.register(cmd)
	v := cmd.Flags()
	v.StringVar(&f.since, "since", "", "only events from then on: 90m, 24h, 2d, 1w, 2026-11-23 or 2026-11-23T10:00:00Z")
	v.StringVar(&f.until, "until", "", "only events before then, written as --since")
	v.IntVar(&f.limit, "limit", 50, "the newest so many events, or the most frequent values with --by (default 10); 0 is all")
	v.StringVar(&f.sort, "sort", "time", "time: the newest last; -time: the newest first")
	v.BoolVar(&f.count, "count", false, "print only how many there are")
	v.StringVar(&f.by, "by", "", "count the values of a field or column, such as user.email or code")
	v.BoolVar(&f.histogram, "histogram", false, "show how many there were over time")
	complete(cmd, "sort", "time", "-time")
	complete(cmd, "since", "1h", "24h", "7d")
	complete(cmd, "by", "event.code", "event.outcome", "event.action", "user.email", "user.id", "source.ip", "auth0.logs.data.client_name")
	return cmd
}

// complete offers values for a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

func (c *eventChoice) register(cmd *cobra.Command) {
	v := cmd.Flags()
	v.StringArrayVar(&c.namespaces, "namespace", []string{defaultNamespace}, "namespace to look into; may be repeated; all is every one")
	v.StringVar(&c.columns, "columns", "", "columns of the table, short names or fields (default "+defaultColumns+")")
	v.StringVar(&c.output, "output", "", "table, ndjson (what --json means) or json")
	complete(cmd, "output", outputTable, outputLines, outputJSON)
	_ = cmd.RegisterFlagCompletionFunc("columns", completeColumns)
}

// completeColumns completes the last name of a list.
func completeColumns(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndexByte(typed, ',')+1]
	var all []cobra.Completion
	for name := range columnPaths() {
		all = append(all, before+name)
	}
	slices.Sort(all)
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// indices are the aliases of the chosen namespaces.
func (c *eventChoice) indices() ([]string, error) {
	var all []string
	for _, namespace := range c.namespaces {
		if namespace == "all" {
			return []string{period.Alias("*")}, nil
		}
		if err := stream.CheckNamespace(namespace); err != nil {
			return nil, err
		}
		all = append(all, period.Alias(namespace))
	}
	return all, nil
}

// printer makes what prints the events; ongoing ones are tailed.
func (a *App) printer(c eventChoice, ongoing bool) (eventPrinter, error) {
	switch {
	case c.output == outputJSON && !ongoing:
		return &lines{w: a.Out, array: true}, nil
	case c.output == outputLines || c.output == "" && a.json:
		return &lines{w: a.Out}, nil
	case c.output != "" && c.output != outputTable:
		return nil, fmt.Errorf("--output %q: there is %s", c.output, map[bool]string{true: "table and ndjson", false: "table, ndjson and json"}[ongoing])
	}
	chosen := c.columns
	if chosen == "" {
		chosen = defaultColumns
	}
	columns, err := parseColumns(chosen)
	return &eventTable{w: a.Out, columns: columns, width: screenWidth(a.Out), colour: coloured(a.Out), roomy: ongoing}, err
}

// check finds what is wrong with the flags before anything is asked.
func (f *searchFlags) check() error {
	modes := 0
	for _, on := range []bool{f.count, f.by != "", f.histogram} {
		if on {
			modes++
		}
	}
	switch {
	case modes > 1:
		return errors.New("choose one of --count, --by and --histogram")
	case f.limit < 0:
		return fmt.Errorf("--limit %d: give a number, or 0 for all", f.limit)
	case f.sort != "time" && f.sort != "-time":
		return fmt.Errorf("--sort %q: there is time, with the newest last, and -time, with the newest first", f.sort)
	}
	return nil
}

// eventSearch is one run of search.
type eventSearch struct {
	*App
	searchFlags
	question
	query   any
	span    timeSpan
	printer eventPrinter
}

func (a *App) searchEvents(ctx context.Context, f searchFlags) (bool, error) {
	s := &eventSearch{App: a, searchFlags: f}
	if err := s.prepare(); err != nil {
		return false, err
	}
	found, err := s.run(ctx)
	return found, s.orLost(s.blame(ctx, err))
}

// prepare reads the flags.
func (s *eventSearch) prepare() (err error) {
	if err = s.check(); err != nil {
		return err
	}
	if s.indices, err = s.eventChoice.indices(); err != nil {
		return err
	}
	if s.parsed, err = parseQuery(s.text); err != nil {
		return err
	}
	if s.span, err = parseSpan(s.since, s.until, time.Now()); err != nil {
		return err
	}
	if s.printer, err = s.App.printer(s.eventChoice, false); err != nil {
		return err
	}
	s.query = s.span.within(s.parsed.body())
	s.client, err = s.openElastic()
	return err
}

func (s *eventSearch) run(ctx context.Context) (bool, error) {
	fields, err := s.fields(ctx)
	if err != nil {
		return false, err
	}
	switch {
	case s.count:
		return s.printCount(ctx)
	case s.by != "":
		return s.printValues(ctx, fields)
	case s.histogram:
		return s.printHistogram(ctx)
	}
	return s.printEvents(ctx)
}

// fields asks for the fields where a query or --by names some, and says which it does not find.
func (s *eventSearch) fields(ctx context.Context) (map[string]elastic.Field, error) {
	named := s.by != ""
	s.parsed.singles(func(c *condition) { named = named || c.field != "" })
	if !named {
		return nil, nil
	}
	fields, err := s.client.Fields(ctx, s.indices)
	if err == nil && len(fields) > 0 {
		for _, note := range strangers(s.parsed, fields) {
			fmt.Fprintln(s.Err, "note:", note)
		}
	}
	return fields, err
}
