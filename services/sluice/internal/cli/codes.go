package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// noFilter chooses the codes for which Auth0 states no filter category.
const noFilter = "none"

// codeQuery is which codes to list; empty members choose all.
type codeQuery struct {
	pattern  string
	filter   string // one filter category, a beginning of some such as auth.login, or noFilter
	outcome  string
	category string
}

// codesCommand looks things up in the table of event codes; it needs no running Sluice.
func (a *App) codesCommand() *cobra.Command {
	var query codeQuery
	cmd := &cobra.Command{
		Use:   "codes [CODE|PATTERN]",
		Short: "What Auth0's event codes mean, and how they are indexed",
		Long: `Every event of Auth0 has a short code, data.type, such as fp. This lists what each one means, which filter category
of a log stream carries it, and the ECS values of its documents.

With one CODE it tells all that is known of it, also where the values differ from those of Elastic's own Auth0
integration, and why. A PATTERN with * or ? is compared with the codes; any other word is searched in codes, titles
and actions. It asks no server, so nothing needs to run.

Severities: 1 routine, 2 notice, 3 warning, 4 high (one of Auth0's protections against attacks acted).`,
		Example: `  sluice codes                          all of them
  sluice codes fp                       everything about one
  sluice codes 'gd_*'                   multi-factor authentication
  sluice codes password                 whatever has to do with passwords
  sluice codes --filter auth.login      what the filter categories auth.login.* carry
  sluice codes --outcome failure --category iam --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				query.pattern = args[0]
			}
			return a.showCodes(query)
		},
		ValidArgsFunction: completeCodes,
	}
	query.register(cmd)
	return cmd
}

func (q *codeQuery) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&q.filter, "filter", "", "only what this filter category carries, such as auth.login.fail, or auth.login for all that begin so; "+noFilter+" for codes without one")
	flags.StringVar(&q.outcome, "outcome", "", "only this outcome: success, failure or unknown")
	flags.StringVar(&q.category, "category", "", "only this ECS category, such as iam")
	for name, values := range map[string]func() []string{
		"filter": func() []string { return append(filterNames(), noFilter) }, "outcome": outcomes, "category": func() []string { return categories(allCodes()) },
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return values(), cobra.ShellCompDirectiveNoFileComp
		})
	}
}

func (a *App) showCodes(query codeQuery) error {
	table, err := catalogue.Load()
	if err != nil {
		return err
	}
	comparison, err := catalogue.LoadComparison()
	if err != nil {
		return err
	}
	if err := query.check(table.Codes()); err != nil {
		return err
	}
	if code, ok := table.Lookup(query.pattern); ok && query == (codeQuery{pattern: query.pattern}) {
		shown := shownCode(code, comparison)
		return a.print(shown, func(w io.Writer) { shown.write(w, code) })
	}
	found := query.find(table.Codes())
	if len(found) == 0 && query.pattern != "" {
		return fmt.Errorf("no event code is %q, or has it in title or action; `%s` lists all. "+
			"An event whose code nobody has published is indexed all the same, with the action %s",
			query.pattern, a.hint("codes"), table.Unknown(query.pattern).Action)
	}
	rows := make([]codeRow, 0, len(found))
	for _, code := range found {
		rows = append(rows, shownCode(code, comparison))
	}
	return a.print(rows, func(w io.Writer) { a.writeCodes(w, rows) })
}

// check refuses what could never choose anything.
func (q *codeQuery) check(codes []catalogue.Code) error {
	filters := filterNames()
	if q.filter != "" && q.filter != noFilter && !slices.ContainsFunc(filters, q.carries) {
		return usageError(fmt.Sprintf("--filter %q is no filter category: want %s or %s", q.filter, strings.Join(filters, ", "), noFilter))
	}
	if q.outcome != "" && !slices.Contains(outcomes(), q.outcome) {
		return usageError(fmt.Sprintf("--outcome %q: want %s", q.outcome, strings.Join(outcomes(), ", ")))
	}
	if all := categories(codes); q.category != "" && !slices.Contains(all, q.category) {
		return usageError(fmt.Sprintf("--category %q: no code has it; want %s", q.category, strings.Join(all, ", ")))
	}
	return nil
}

// carries reports whether the flag --filter chooses the filter category.
func (q *codeQuery) carries(filter string) bool {
	switch q.filter {
	case "", filter:
		return true
	case noFilter:
		return filter == ""
	}
	return strings.HasPrefix(filter, q.filter+".")
}

func outcomes() []string { return []string{"success", "failure", "unknown"} }

func filterNames() []string {
	var names []string
	for _, f := range catalogue.Filters() {
		names = append(names, f.Name)
	}
	return names
}

// categories lists every ECS category that a code has, sorted.
func categories(codes []catalogue.Code) []string {
	var all []string
	for _, code := range codes {
		all = append(all, code.Category...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
