package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// endpointCommand groups everything about Payload URLs and their tokens.
func (a *App) endpointCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "endpoint",
		Short: "Payload URLs and their tokens: create, list, show, unknown, verify, rotate, revoke, export, import",
		Long: `An endpoint is one Payload URL with its authorization tokens, a name and a namespace. Several Auth0 log streams may
use the same endpoint. The registry holds hashes only: a token is shown once, when it is made. Running receivers follow
every change without a restart.`,
	},
		a.endpointCreateCommand(), a.endpointListCommand(), a.endpointShowCommand(), a.endpointUnknownCommand(), a.endpointVerifyCommand(),
		a.endpointRotateCommand(), a.endpointRevokeCommand(), a.endpointExportCommand(), a.endpointImportCommand(),
	)
}

// completeEndpoints offers the ids of the registry, with their names, for the first argument.
func (a *App) completeEndpoints(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
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
	all, err := session.Registry.List(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []cobra.Completion
	for _, e := range all {
		ids = append(ids, cobra.CompletionWithDesc(e.ID, e.Name))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// openEndpoint opens the registry and reads one endpoint; the caller closes the session.
func (a *App) openEndpoint(ctx context.Context, id string) (*Session, *endpoint.Endpoint, error) {
	session, err := a.openRegistry(ctx)
	if err != nil {
		return nil, nil, err
	}
	e, err := session.Registry.Get(ctx, id)
	if err != nil {
		session.Close()
		return nil, nil, explainUnknown(err)
	}
	return session, e, nil
}

// explainUnknown adds where the right ids are listed.
func explainUnknown(err error) error {
	if errors.Is(err, endpoint.ErrUnknown) {
		return fmt.Errorf("%w; `sluice endpoint list` shows those there are", err)
	}
	return err
}
