package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/deadletter"
)

// deadletterCommand groups everything about what was set aside.
func (a *App) deadletterCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "deadletter",
		Short: "What could not be mapped or indexed: list, show, replay, discard",
		Long: `A dead letter is an event that was set aside for good reason: whole, with the reason, and replayable once the cause is
gone. Nothing is set aside because Elasticsearch is away or busy; such events wait in the stream.`,
	}, a.deadletterListCommand(), a.deadletterShowCommand(), a.deadletterReplayCommand(), a.deadletterDiscardCommand())
}

func (a *App) deadletterListCommand() *cobra.Command {
	var pick letterFilter
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, grouped by reason; --all lists each",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listLetters(cmd.Context(), pick, all) },
	}
	pick.register(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "list each letter instead of groups")
	return cmd
}

func (a *App) listLetters(ctx context.Context, pick letterFilter, all bool) error {
	session, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	now := time.Now()
	if all {
		letters, err := pick.letters(ctx, session.Letters, now)
		if err != nil {
			return err
		}
		return a.print(letters, func(w io.Writer) { pick.write(w, letters) })
	}
	groups, err := pick.groups(ctx, session.Letters, now)
	if err != nil {
		return err
	}
	return a.print(groups, func(w io.Writer) { pick.writeGroups(w, groups, now) })
}

// none says that nothing is to be listed.
func (f *letterFilter) none() string {
	if *f == (letterFilter{}) {
		return "There is no dead letter."
	}
	return "There is no such dead letter."
}

func (f *letterFilter) write(w io.Writer, letters []*deadletter.Letter) {
	if len(letters) == 0 {
		fmt.Fprintln(w, f.none())
		return
	}
	fmt.Fprintln(w, "SEQ\tSTAGE\tREASON\tFIRST SEEN\tENDPOINT\tDELIVERY\tEVENT\tLINE\tDETAIL")
	for _, l := range letters {
		line := "-"
		if l.Line > 0 {
			line = strconv.Itoa(l.Line)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n",
			l.Sequence, l.Stage, l.Reason, moment(l.FirstSeen), l.Endpoint, l.Delivery, l.Item, line, excerpt(l.Detail))
	}
}

func (f *letterFilter) writeGroups(w io.Writer, groups []*letterGroup, now time.Time) {
	if len(groups) == 0 {
		fmt.Fprintln(w, f.none())
		return
	}
	fmt.Fprintln(w, "COUNT\tSTAGE\tREASON\tOLDEST\tNEWEST\tSAMPLE\tDETAIL OF THE SAMPLE")
	for _, g := range groups {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s ago\t%s ago\t%d\t%s\n",
			g.Count, g.Stage, g.Reason, age(g.Oldest, now), age(g.Newest, now), g.Sample.Sequence, excerpt(g.Sample.Detail))
	}
	fmt.Fprintln(w, "\n`sluice deadletter show SAMPLE` shows one whole, `sluice deadletter list --all` lists each,")
	fmt.Fprintln(w, "`sluice deadletter replay --reason REASON` tries again.")
}

// excerpt cuts a text to what fits a table.
func excerpt(text string) string {
	const most = 80
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}
