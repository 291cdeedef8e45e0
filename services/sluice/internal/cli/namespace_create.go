package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

func (a *App) namespaceCreateCommand() *cobra.Command {
	var f namespaceFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a namespace, with its period and its retention from the beginning",
		Long: `Make a namespace before its first endpoint: its consumer, its index template and its record. "sluice endpoint create"
makes one too, with an index per day and no retention.`,
		Example: "  sluice namespace create payments --period month --retention 365d",
		Args:    one("a name for the namespace: 1 to 50 of a-z, 0-9 and _"),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.createNamespace(cmd.Context(), args[0], f) },
	}
	f.register(cmd)
	return cmd
}

func (a *App) createNamespace(ctx context.Context, name string, f namespaceFlags) error {
	n := endpoint.Namespace{Name: name, Calendar: period.Daily()}
	if err := stream.CheckNamespace(name); err != nil {
		return err
	}
	var err error
	if f.period != "" {
		if n.Calendar[0].Unit, err = period.ParseUnit(f.period); err != nil {
			return usageError("--" + err.Error())
		}
	}
	if f.retention != "" {
		// Somebody may have left indices of this name behind: they get the time to be noticed that every change gets.
		n.RetentionSet = time.Now().UTC()
		if n.Retention, err = parseRetention(f.retention); err != nil {
			return err
		}
	}
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	if _, err := session.Registry.Namespace(ctx, name); err == nil {
		return fmt.Errorf("%w: %s; `sluice namespace set` changes it", endpoint.ErrNamespaceTaken, name)
	} else if !errors.Is(err, endpoint.ErrNoNamespace) {
		return err
	}
	if _, err := session.Conn.SetupNamespace(ctx, name); err != nil { // before the indexers hear of the namespace
		return err
	}
	note, err := prepareElastic(ctx, session.Elastic, name)
	if err != nil {
		return err
	}
	if err := session.Registry.CreateNamespace(ctx, n); err != nil {
		return err
	}
	out := session.namespace(ctx, &n, 0)
	if note != "" {
		out.Note = note
	}
	return a.print(out, func(w io.Writer) {
		paragraph(w, fmt.Sprintf("Namespace %s is made: an index per %s, kept %s. `%s` makes a Payload URL whose events go there.",
			name, n.Calendar.Last().Unit, keptFor(n.Retention), a.hint("endpoint create --namespace "+name)))
		if out.Note != "" {
			paragraph(w, "Note: "+out.Note)
		}
	})
}
