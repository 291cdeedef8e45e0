package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// rotated is what `sluice endpoint rotate` prints with --json.
type rotated struct {
	ID            string       `json:"id"`
	TokenID       string       `json:"token_id"`
	Authorization string       `json:"authorization_token,omitempty"` // empty for a token that somebody brought along
	Old           []shownToken `json:"old_tokens"`
}

func (a *App) endpointRotateCommand() *cobra.Command {
	var grace time.Duration
	var from tokenSource
	cmd := &cobra.Command{
		Use:   "rotate ID",
		Short: "Give an endpoint a new token; the present one is accepted for a while longer",
		Long: `Give an endpoint a new token. The present one is accepted until the grace period ends or it is revoked, because
several log streams may use it. At most two tokens are live; an older third one ends at once.`,
		Args:              one(anEndpoint),
		ValidArgsFunction: a.completeEndpoints,
		RunE: func(cmd *cobra.Command, args []string) error {
			if grace < 0 {
				return fmt.Errorf("--grace %s: it cannot be negative; 0s ends the present token at once", grace)
			}
			return a.rotateToken(cmd.Context(), args[0], grace, from)
		},
	}
	cmd.Flags().DurationVar(&grace, "grace", 24*time.Hour, "how long the present token is accepted; 0s ends it at once")
	from.register(cmd, "adopt an existing token")
	return cmd
}

func (a *App) rotateToken(ctx context.Context, id string, grace time.Duration, from tokenSource) error {
	adopted, err := a.adoptToken(from)
	if err != nil {
		return err
	}
	session, before, err := a.openEndpoint(ctx, id)
	if err != nil {
		return err
	}
	defer session.Close()
	status, err := session.Board.Read(ctx, id)
	if err != nil {
		return err
	}
	token, shown := adopted, ""
	if adopted == "" {
		token = endpoint.NewToken()
		shown = token
	}
	now := time.Now()
	after, err := session.Registry.Rotate(ctx, id, token, grace)
	if err != nil {
		return explainUnknown(err)
	}
	fresh := after.Tokens[len(after.Tokens)-1].ID
	out := rotated{ID: id, TokenID: fresh, Authorization: shown, Old: oldTokens(before, after, status, now)}
	return a.print(out, func(w io.Writer) { a.writeRotated(w, &out, now) })
}

// oldTokens tells when each token that was live before a rotation ends.
func oldTokens(before, after *endpoint.Endpoint, status endpoint.Status, now time.Time) []shownToken {
	ends := map[string]time.Time{}
	for _, t := range after.Tokens {
		ends[t.ID] = t.Expires
	}
	old := []shownToken{}
	for _, t := range shownTokens(before, status, now) {
		if !t.Live {
			continue
		}
		t.Expires, t.Live = ends[t.ID], true
		if t.Expires.IsZero() {
			t.Expires, t.Live = now.UTC(), false
		}
		old = append(old, t)
	}
	return old
}

func (a *App) writeRotated(w io.Writer, r *rotated, now time.Time) {
	if r.Authorization != "" {
		fmt.Fprintf(w, "New Authorization Token (%s), shown this once:\n\n  %s\n\n", r.TokenID, r.Authorization)
	} else {
		fmt.Fprintf(w, "The token you brought along is accepted now (%s).\n\n", r.TokenID)
	}
	for _, t := range r.Old {
		used := "was never used"
		if !t.LastUsed.IsZero() {
			used = "was last used " + age(t.LastUsed, now) + " ago"
		}
		if t.Live {
			fmt.Fprintf(w, "The old token %s is accepted until %s; it %s.\n", t.ID, moment(t.Expires), used)
		} else {
			fmt.Fprintf(w, "The old token %s is not accepted any more; it %s.\n", t.ID, used)
		}
	}
	fmt.Fprintf(w, "\nPut the new token into every Auth0 log stream that uses this endpoint; other log streams may still send the old one.\n"+
		"`%s` tells when each was last used.\n", a.hint("endpoint show "+r.ID))
}
