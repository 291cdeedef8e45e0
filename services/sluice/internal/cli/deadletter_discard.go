package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/stream"
)

func (a *App) deadletterDiscardCommand() *cobra.Command {
	var choice letterChoice
	var yes bool
	cmd := &cobra.Command{
		Use:   "discard [SEQ…]",
		Short: "Remove dead letters for good",
		Example: "  sluice deadletter discard 17 18\n" +
			"  sluice deadletter discard --reason not_json --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.discardLetters(cmd.Context(), args, choice, yes)
		},
	}
	choice.register(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *App) discardLetters(ctx context.Context, args []string, choice letterChoice, yes bool) error {
	session, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	letters, err := choice.pick(ctx, session.Letters, args)
	if err != nil {
		return err
	}
	if len(letters) > 0 {
		if err := a.confirm(fmt.Sprintf("remove %s for good? What is in them is nowhere else.", counted(len(letters), "dead letter")), yes); err != nil {
			return err
		}
	}
	bar := a.newProgress(len(letters), "discarding", a.json)
	defer bar.done()
	discarded := 0
	for _, l := range letters {
		err := session.Letters.Discard(ctx, l.Sequence)
		if err != nil && !errors.Is(err, stream.ErrNotFound) {
			return fmt.Errorf("discarded %d of %d: %w", discarded, len(letters), err)
		}
		discarded++
		bar.add(1)
	}
	bar.done()
	return a.print(map[string]int{"discarded": discarded}, func(w io.Writer) {
		if discarded == 0 {
			fmt.Fprintln(w, "There is no such dead letter; nothing was discarded.")
			return
		}
		fmt.Fprintf(w, "Discarded %s.\n", counted(discarded, "dead letter"))
	})
}
