package cli

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/access"
)

// natsUsersCommand makes a user in NATS for each service.
func (a *App) natsUsersCommand() *cobra.Command {
	var o access.Options
	cmd := &cobra.Command{
		Use:   "nats-users DIR",
		Short: "Make a NATS user for each service, with the least permissions",
		Long: `Make keys for receiver, enricher, indexer and operator (these commands) in DIR, and a file for the NATS server's
configuration that says what each of them may do; everything else is denied. It can be repeated: keys that are there
stay, and permissions become those of this version. Seeds are readable by their owner only and are never printed.

A rotation takes three steps: --rotate makes a new key and lets the old one in, too; reload the server and restart the
services with their new key; --retire then shuts the old one out. The all-in-one needs none of this: its NATS server
takes no other client.`,
		Example: "  sluice nats-users /etc/sluice/nats\n  sluice nats-users /etc/sluice/nats --rotate receiver\n  sluice nats-users /etc/sluice/nats --retire",
		Args:    one("the folder for keys and for the server's file"),
		RunE: func(_ *cobra.Command, args []string) error {
			changes, err := access.Make(args[0], o)
			if err != nil {
				return err
			}
			return a.print(changes, func(w io.Writer) { writeNATSUsers(w, args[0], changes) })
		},
	}
	cmd.Flags().StringArrayVar(&o.Rotate, "rotate", nil, "make a new key for this user: receiver, enricher, indexer or operator; may be repeated")
	cmd.Flags().BoolVar(&o.Retire, "retire", false, "shut out the keys from before the last rotation")
	cmd.MarkFlagsMutuallyExclusive("rotate", "retire")
	return cmd
}

func writeNATSUsers(w io.Writer, dir string, changes []stream.Change) {
	(&setupWork{Changes: changes}).write(w)
	fmt.Fprintf(w, "\nThe server's configuration needs this line, with the path as seen from its own folder, and `nats-server --signal reload`\nafter every change:\n\n  include %q\n", filepath.Join(".", access.ConfigFile))
	fmt.Fprint(w, "\nEach service is told its own key:\n\n")
	for _, role := range access.Roles() {
		user := role.Name
		if user == access.Operator {
			user = "the commands"
		}
		fmt.Fprintf(w, "  NATS_NKEY_FILE=%s\t# %s\n", access.SeedFile(dir, role.Name), user)
	}
}
