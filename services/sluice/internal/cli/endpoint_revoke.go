package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

// revoked is what `sluice endpoint revoke` prints with --json.
type revoked struct {
	ID      string `json:"id"`
	TokenID string `json:"token_id,omitempty"` // empty: all of them
	Revoked bool   `json:"endpoint_revoked"`
}

func (a *App) endpointRevokeCommand() *cobra.Command {
	var token string
	var yes bool
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "End one token of an endpoint, or the endpoint with all of them, at once",
		Long: `End one token at once (--token TOKEN_ID, as "sluice endpoint show" lists them), or without --token the whole endpoint
for good. Log streams that still use it are refused with 401 and turn up in Auth0's Health view.`,
		Args:              one(anEndpoint),
		ValidArgsFunction: a.completeEndpoints,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.revokeToken(cmd.Context(), args[0], token, yes)
		},
	}
	cmd.Flags().StringVar(&token, "token", "", "id of the one token to end (not the token itself)")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *App) revokeToken(ctx context.Context, id, token string, yes bool) error {
	session, e, err := a.openEndpoint(ctx, id)
	if err != nil {
		return err
	}
	defer session.Close()
	question := fmt.Sprintf("end endpoint %s (%s) for good? Whatever still posts to it is refused.", id, e.Name)
	if token != "" {
		question = fmt.Sprintf("end token %s of endpoint %s (%s) now? Log streams that still use it are refused.", token, id, e.Name)
	}
	if err := a.confirm(question, yes); err != nil {
		return err
	}
	if _, err := session.Registry.Revoke(ctx, id, token); err != nil {
		return explainUnknown(err)
	}
	out := revoked{ID: id, TokenID: token, Revoked: token == ""}
	return a.print(out, func(w io.Writer) {
		if token == "" {
			fmt.Fprintf(w, "Endpoint %s has ended; running receivers refuse it from now on.\n", id)
			return
		}
		fmt.Fprintf(w, "Token %s of endpoint %s has ended; running receivers refuse it from now on.\n", token, id)
	})
}

// confirm asks a person before something that cannot be undone. Where nobody can be asked, --yes must have been given.
func (a *App) confirm(question string, yes bool) error {
	if yes {
		return nil
	}
	if !terminal(a.In) {
		return fmt.Errorf("nothing was changed, since nobody can be asked here; add --yes if you mean it: %s", question)
	}
	fmt.Fprintf(a.Err, "%s%s [y/N] ", strings.ToUpper(question[:1]), question[1:])
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && answer == "" {
		return fmt.Errorf("reading the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	fmt.Fprintln(a.Err, "Nothing was changed.")
	return ErrSilent
}

// terminal reports whether a stream is a person's terminal.
func terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
