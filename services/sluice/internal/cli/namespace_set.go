package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
)

// setOptions are the flags of `sluice namespace set`.
type setOptions struct {
	namespaceFlags
	from        string
	dryRun, yes bool
}

func (a *App) namespaceSetCommand() *cobra.Command {
	var o setOptions
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Change the period from some day on, or the retention",
		Long: `Change what one index of a namespace holds, for events from some time on, or how long its events are kept.

A new period holds for events of --from and later, by the events' own time: earlier ones stay in the indices they are in,
and go there when they come again. It must begin at least 48 hours from now (default: the first midnight UTC after that). An
event may be up to a day ahead of the clock and is stored at once, under the rules of that moment; under another rule it
would be stored a second time when it comes again. The second day is for clocks that are wrong, and for services that
were cut off. A change that is still to come can be replaced, or taken back by setting the present period again.

A new retention holds for what is deleted from an hour later on. When indices become due by it, it asks first; --dry-run
shows them. Events that arrive older than the retention are counted as expired and not stored.`,
		Example: "  sluice namespace set default --retention 90d --dry-run\n" +
			"  sluice namespace set default --retention none\n" +
			"  sluice namespace set default --period month --from 2027-01-01",
		Args:              one(aNamespace),
		ValidArgsFunction: a.completeNamespaces,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.setNamespace(cmd.Context(), args[0], o) },
	}
	o.register(cmd)
	cmd.Flags().StringVar(&o.from, "from", "", "time of the first event that the new period holds for, as 2026-12-01 or 2026-12-01T06:00Z")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "only say what would happen")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	return cmd
}

// wish is what somebody wants of a namespace; nil is no wish.
type wish struct {
	rule      *period.Rule
	retention *time.Duration
}

// changedNamespace is what `sluice namespace set` prints with --json.
type changedNamespace struct {
	*shownNamespace
	Changed bool         `json:"changed"` // false: it was so already, or --dry-run
	Due     []shownIndex `json:"due"`     // deleted as soon as the retention has settled
	Effects []string     `json:"effects"`
}

func (o *setOptions) wish(now time.Time) (w wish, err error) {
	if o.period == "" && o.retention == "" {
		return w, usageError("`sluice namespace set` needs --period or --retention")
	}
	if o.from != "" && o.period == "" {
		return w, usageError("--from says from when a new --period holds; a retention holds at once")
	}
	if o.retention != "" {
		retention, err := parseRetention(o.retention)
		if err != nil {
			return w, err
		}
		w.retention = &retention
	}
	if o.period == "" {
		return w, nil
	}
	unit, err := period.ParseUnit(o.period)
	if err != nil {
		return w, usageError("--" + err.Error())
	}
	w.rule = &period.Rule{Unit: unit, From: period.Earliest(now)}
	if o.from != "" {
		w.rule.From, err = parseFrom(o.from)
	}
	return w, err
}

func (a *App) setNamespace(ctx context.Context, name string, o setOptions) error {
	if _, err := o.wish(time.Now()); err != nil {
		return err
	}
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	before, err := session.Registry.Namespace(ctx, name)
	if err != nil {
		return explainNamespace(err)
	}
	now, err := session.Registry.Now(ctx)
	if err != nil {
		return err
	}
	want, err := o.wish(now)
	if err != nil {
		return err
	}
	after, err := want.apply(before, now)
	if err != nil {
		return err
	}
	out := session.preview(ctx, &before, &after, now)
	if !o.dryRun && out.Changed {
		if err := a.agree(&before, &after, out, o.yes); err != nil {
			return err
		}
		if err := want.store(ctx, session.Registry, name); err != nil {
			return err
		}
	}
	if o.dryRun {
		out.Changed = false
		out.Effects = append(out.Effects, "Nothing was changed: this is what would happen.")
	}
	return a.print(out, func(w io.Writer) {
		for _, effect := range out.Effects {
			paragraph(w, effect)
		}
	})
}

// apply is the namespace as it would be.
func (w *wish) apply(n endpoint.Namespace, now time.Time) (endpoint.Namespace, error) {
	if w.retention != nil && *w.retention != n.Retention {
		n.Retention, n.RetentionSet = *w.retention, now.UTC()
	}
	if w.rule == nil {
		return n, nil
	}
	calendar, err := n.Calendar.With(*w.rule, now)
	n.Calendar = calendar
	return n, err
}

func (w *wish) store(ctx context.Context, r *endpoint.Registry, name string) error {
	if w.rule != nil {
		if _, err := r.SetPeriod(ctx, name, *w.rule); err != nil {
			return err
		}
	}
	if w.retention != nil {
		if _, err := r.SetRetention(ctx, name, *w.retention); err != nil {
			return err
		}
	}
	return nil
}

// preview says what a change does.
func (s *Session) preview(ctx context.Context, before, after *endpoint.Namespace, now time.Time) *changedNamespace {
	out := &changedNamespace{shownNamespace: s.namespace(ctx, after, 0), Due: []shownIndex{}}
	period, retention := !slices.Equal(before.Calendar, after.Calendar), before.Retention != after.Retention
	out.Changed = period || retention
	if counts, err := s.endpointsPerNamespace(ctx); err == nil {
		out.Endpoints = counts[after.Name]
	}
	if period {
		out.Effects = append(out.Effects, periodEffect(before, after, now))
	}
	if retention {
		settled := after.Settled()
		for _, one := range out.Indices {
			if !one.Deleted.IsZero() && !one.Deleted.After(settled) {
				out.Due = append(out.Due, one)
			}
		}
		out.Effects = append(out.Effects, retentionEffect(after, out))
	}
	if !out.Changed {
		out.Effects = append(out.Effects, fmt.Sprintf("Namespace %s is so already: nothing was changed.", after.Name))
	}
	return out
}

func periodEffect(before, after *endpoint.Namespace, now time.Time) string {
	last := after.Calendar.Last()
	if len(after.Calendar) == len(after.Calendar.Settled(now)) {
		return fmt.Sprintf("The change that was to come is taken back: namespace %s stays at an index per %s.", after.Name, last.Unit)
	}
	settled := before.Calendar.Settled(now)
	text := fmt.Sprintf("Events of %s and later go to an index per %s. Earlier ones stay where they are, in an index per %s, and go there also when they come again.",
		moment(last.From), last.Unit, settled.Last().Unit)
	if len(settled) < len(before.Calendar) {
		text += fmt.Sprintf(" The change to an index per %s that was to come is replaced.", before.Calendar.Last().Unit)
	}
	start, _, _ := period.Span(period.Calendar{last}.Name(last.From))
	if start.Before(last.From) {
		text += fmt.Sprintf(" The %s of the change has indices of both kinds, each with its own side of it.", last.Unit)
	}
	return text
}

func retentionEffect(after *endpoint.Namespace, out *changedNamespace) string {
	if after.Retention == 0 {
		return fmt.Sprintf("Everything in namespace %s is kept for ever.", after.Name)
	}
	text := fmt.Sprintf("Events in namespace %s are kept %s. Older ones that still come in are counted as expired and not stored; an index is deleted when its whole period is older than that, a day later.",
		after.Name, keptFor(after.Retention))
	switch first := out.next(); {
	case len(out.Due) > 0:
		last := out.Due[len(out.Due)-1]
		text += fmt.Sprintf(" %s deleted after %s: %s to %s. Until then `sluice namespace set %s --retention …` takes it back.",
			countedAre(len(out.Due)), moment(after.Settled()), out.Due[0].Index, last.Index, after.Name)
	case first != nil:
		text += fmt.Sprintf(" No index is due yet; the first one is %s, on %s.", first.Index, moment(first.Deleted))
	case out.Note != "":
		text += " Which indices are due is not known: " + out.Note + "."
	}
	return text
}

func countedAre(n int) string {
	if n == 1 {
		return "1 index is"
	}
	return fmt.Sprintf("%d indices are", n)
}

// agree asks before data is deleted by a change, or may be.
func (a *App) agree(before, after *endpoint.Namespace, out *changedNamespace, yes bool) error {
	switch {
	case len(out.Due) > 0:
		return a.confirm(fmt.Sprintf("keep the events of namespace %s for %s only, which deletes %d of its %d indices (%s to %s, %s)?",
			after.Name, keptFor(after.Retention), len(out.Due), len(out.Indices), out.Due[0].Index, out.Due[len(out.Due)-1].Index, documentsIn(out.Due)), yes)
	case after.Retention > 0 && after.Retention != before.Retention && out.Note != "" && len(out.Indices) == 0:
		return a.confirm("change namespace "+after.Name+" although it is not known which indices that deletes? ("+out.Note+")", yes)
	}
	return nil
}

func documentsIn(indices []shownIndex) string {
	var all int64
	for _, one := range indices {
		if one.Documents == nil {
			return "an unknown number of documents"
		}
		all += *one.Documents
	}
	return counted(all, "document")
}
