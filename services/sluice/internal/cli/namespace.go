package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
)

// aNamespace is the single argument of a command.
const aNamespace = "the name of a namespace; `sluice namespace list` shows them"

// namespaceCommand groups everything about where documents go and how long they are kept.
func (a *App) namespaceCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "namespace",
		Short: "Where documents go and how long they are kept: list, show, create, set",
		Long: `A namespace has its own indices in Elasticsearch, one per period (hour, day, week or month), and may have a retention.
Retention deletes whole indices, never single documents: an index goes when its whole period is older than the retention,
and a day later to be safe. "show" lists when each index goes; nothing goes from a namespace without a retention, and the
index of events without a time never does.`,
	}, a.namespaceListCommand(), a.namespaceShowCommand(), a.namespaceCreateCommand(), a.namespaceSetCommand())
}

// completeNamespaces offers the names of the registry for the first argument.
func (a *App) completeNamespaces(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 3*time.Second)
	defer cancel()
	session, err := a.openRegistry(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer session.Close()
	all, err := session.Registry.Namespaces(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, n := range all {
		names = append(names, cobra.CompletionWithDesc(n.Name, "an index per "+string(n.Calendar.Unit(time.Now()))+", kept "+keptFor(n.Retention)))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// namespaceFlags are the properties that `create` and `set` take.
type namespaceFlags struct {
	period, retention string
}

func (f *namespaceFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.period, "period", "", "what one index holds: hour, day, week or month")
	cmd.Flags().StringVar(&f.retention, "retention", "", "how long events are kept, such as 90d, or none")
	units := []cobra.Completion{string(period.Hour), string(period.Day), string(period.Week), string(period.Month)}
	_ = cmd.RegisterFlagCompletionFunc("period", cobra.FixedCompletions(units, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("retention", cobra.FixedCompletions([]cobra.Completion{"30d", "90d", "365d", "none"}, cobra.ShellCompDirectiveNoFileComp))
}

// parseRetention reads how long events are kept; 0 is for ever.
func parseRetention(text string) (time.Duration, error) {
	if text == "none" {
		return 0, nil
	}
	retention, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		retention = time.Duration(n) * 24 * time.Hour
		if n > 36500 {
			err = errors.New("more than a hundred years")
		}
	}
	if err != nil || retention < endpoint.MinRetention {
		return 0, usageError(fmt.Sprintf("--retention %q: give a number of days of at least 1d, such as 90d, or none", text))
	}
	return retention, nil
}

// keptFor writes a retention for people.
func keptFor(retention time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case retention == 0:
		return "for ever"
	case retention%day == 0:
		return fmt.Sprintf("%dd", retention/day)
	}
	return retention.String()
}

// parseFrom reads when a rule begins: a date, which is its midnight, or a time. All of it is UTC unless it says otherwise.
func parseFrom(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, usageError(fmt.Sprintf("--from %q: give a date such as 2026-12-01, or a time such as 2026-12-01T06:00Z", text))
}

// explainNamespace adds where the right names are listed.
func explainNamespace(err error) error {
	if errors.Is(err, endpoint.ErrNoNamespace) {
		return fmt.Errorf("%w; `sluice namespace list` shows those there are, `sluice namespace create` makes one", err)
	}
	return err
}
