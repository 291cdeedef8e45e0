package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// statusFlags are what status lets people choose.
type statusFlags struct {
	watch    bool
	interval time.Duration
}

// statusCommand shows the whole on one page.
func (a *App) statusCommand() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "One page: endpoints, streams, dead letters, losses, and what a person must do",
		Long: `Status shows how each endpoint does, how full each stream is and for how long that lasts at the present rate, how long
the oldest message has been waiting, what was set aside and why, what was lost, and below that what a person must do.

The exit code is 0 when there is nothing to do, 1 when there is or something did not answer, and 2 for an error. With --watch it goes on until Ctrl-C;
with --json as well it writes one object per look, each in a line.`,
		Example: "  sluice status\n  sluice status --watch\n  sluice status --json | jq .to_do",
		Args:    cobra.NoArgs,
	}
	v := cmd.Flags()
	v.BoolVar(&f.watch, "watch", false, "look again and again until Ctrl-C")
	v.DurationVar(&f.interval, "interval", 2*time.Second, "time between two looks")
	asked(cmd, func(cmd *cobra.Command, _ []string) (bool, error) { return a.status(cmd.Context(), f) })
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if f.watch && cmd.Context().Err() != nil { // Ctrl-C is how one ends it
			return nil //nolint:nilerr // as it should
		}
		return err
	}
	return cmd
}

// shortestLook is the shortest time between two looks.
const shortestLook = 500 * time.Millisecond

func (a *App) status(ctx context.Context, f statusFlags) (nothingToDo bool, err error) {
	if f.interval < shortestLook {
		return false, fmt.Errorf("--interval %s: the shortest is %s", f.interval, shortestLook)
	}
	dial, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := a.openRegistry(dial)
	if err != nil {
		return false, err
	}
	defer s.Close()
	g := &gatherer{Session: s}
	if f.watch {
		return true, a.watchStatus(ctx, g, f.interval)
	}
	o := g.overview(ctx, time.Now())
	return len(o.Todo) == 0 && len(o.Unknown) == 0, a.print(o, o.write)
}

// watchStatus looks until ctx ends.
func (a *App) watchStatus(ctx context.Context, g *gatherer, interval time.Duration) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		o := g.overview(ctx, time.Now())
		if ctx.Err() != nil {
			return nil
		}
		if err := a.frame(o); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// frame prints one look: over the last one where there is a terminal, below it elsewhere.
func (a *App) frame(o *overview) error {
	if a.json {
		enc := json.NewEncoder(a.Out)
		enc.SetEscapeHTML(false)
		return enc.Encode(o)
	}
	if terminal(a.Out) {
		_, _ = io.WriteString(a.Out, "\x1b[H\x1b[2J") // to the upper left corner, and clear
	}
	tw := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
	o.write(tw)
	if !terminal(a.Out) {
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}
