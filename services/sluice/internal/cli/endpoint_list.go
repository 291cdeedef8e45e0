package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// listed is one endpoint of `sluice endpoint list`.
type listed struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	Namespace      string    `json:"namespace"`
	Created        time.Time `json:"created"`
	Revoked        bool      `json:"revoked"`
	TokensLive     int       `json:"tokens_live"`
	LastDeliveryID string    `json:"last_delivery_id,omitempty"`
	wellbeing
}

func (a *App) endpointListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the endpoints, how they do, and their last delivery",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listEndpoints(cmd.Context()) },
	}
}

func (a *App) listEndpoints(ctx context.Context) error {
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	all, err := session.Registry.List(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	sights, err := session.Board.ReadAll(ctx)
	if err != nil {
		return err
	}
	rows := make([]listed, 0, len(all))
	for _, e := range all {
		rows = append(rows, listing(e, sights[e.ID], now))
	}
	return a.print(rows, func(w io.Writer) { writeEndpoints(w, rows, now) })
}

func listing(e *endpoint.Endpoint, s endpoint.Sight, now time.Time) listed {
	return listed{
		ID: e.ID, Name: e.Name, Namespace: e.Namespace, Created: e.Created, Revoked: e.Revoked, TokensLive: liveTokens(e, now),
		LastDeliveryID: s.Status.LastDeliveryID, wellbeing: wellbeingOf(e, s, now),
	}
}

func liveTokens(e *endpoint.Endpoint, now time.Time) int {
	n := 0
	for i := range e.Tokens {
		if e.Tokens[i].Live(now) && !e.Revoked {
			n++
		}
	}
	return n
}

func writeEndpoints(w io.Writer, rows []listed, now time.Time) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "There is no endpoint yet: `sluice endpoint create` makes one.")
		return
	}
	fmt.Fprintln(w, "NAME\tID\tNAMESPACE\tTOKENS LIVE\tSTATE\tLAST DELIVERY\tAGE\tUSUALLY EVERY")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", r.Name, r.ID, r.Namespace, r.TokensLive, r.since(now), moment(r.LastDelivery), age(r.LastDelivery, now), r.usually())
	}
}

// moment writes a time for a table; a dash when there was none.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// age writes how long ago a time was in one unit, such as 45s, 12m, 7h or 3d; a dash when there was none.
func age(t, now time.Time) string {
	d := max(now.Sub(t), 0)
	switch {
	case t.IsZero():
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
