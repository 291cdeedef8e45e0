package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// shownToken is what is told of a token: neither itself nor its hash.
type shownToken struct {
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`
	Live     bool      `json:"live"`
	LastUsed time.Time `json:"last_used,omitzero"`
}

// shownEndpoint is what `sluice endpoint show` prints with --json.
type shownEndpoint struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Created   time.Time `json:"created"`
	Revoked   bool      `json:"revoked"`
	address
	Tokens []shownToken `json:"tokens"`
	wellbeing
	LastDeliveryID string             `json:"last_delivery_id,omitempty"`
	Deliveries     uint64             `json:"deliveries"`
	Refusals       []endpoint.Refusal `json:"refusals"`
}

func (a *App) endpointShowCommand() *cobra.Command {
	var publicURL string
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show an endpoint: how it does, Payload URL, tokens and when each was used, last refusals",
		Args:              one(anEndpoint),
		ValidArgsFunction: a.completeEndpoints,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.showEndpoint(cmd.Context(), args[0], publicURL)
		},
	}
	cmd.Flags().StringVar(&publicURL, "public-url", "", "address under which Auth0 reaches the receiver")
	return cmd
}

func (a *App) showEndpoint(ctx context.Context, id, publicURL string) error {
	session, e, err := a.openEndpoint(ctx, id)
	if err != nil {
		return err
	}
	defer session.Close()
	at, err := session.address(publicURL, id)
	if err != nil {
		return err
	}
	sight, err := session.Board.Look(ctx, id)
	if err != nil {
		return err
	}
	status, now := sight.Status, time.Now()
	out := shownEndpoint{
		ID: e.ID, Name: e.Name, Namespace: e.Namespace, Created: e.Created, Revoked: e.Revoked, address: at,
		Tokens: shownTokens(e, status, now), wellbeing: wellbeingOf(e, sight, now),
		LastDeliveryID: status.LastDeliveryID, Deliveries: status.Deliveries, Refusals: status.Refusals,
	}
	return a.print(out, func(w io.Writer) { writeEndpoint(w, &out, now) })
}

func shownTokens(e *endpoint.Endpoint, status endpoint.Status, now time.Time) []shownToken {
	all := make([]shownToken, 0, len(e.Tokens))
	for i := range e.Tokens {
		t := &e.Tokens[i]
		all = append(all, shownToken{
			ID: t.ID, Created: t.Created, Expires: t.Expires, Live: t.Live(now) && !e.Revoked, LastUsed: status.TokenUsed[t.ID],
		})
	}
	return all
}

func writeEndpoint(w io.Writer, e *shownEndpoint, now time.Time) {
	fmt.Fprintf(w, "Name\t%s\nID\t%s\nNamespace\t%s\nCreated\t%s\nPayload URL\t%s\n", e.Name, e.ID, e.Namespace, moment(e.Created), e.URL)
	fmt.Fprintf(w, "Last delivery\t%s\n", lastDelivery(e, now))
	writeWellbeing(w, &e.wellbeing, now)
	if e.Hint != "" {
		fmt.Fprintln(w)
		paragraph(w, e.Hint)
	}
	if e.Revoked {
		fmt.Fprint(w, "\nThe endpoint is revoked: it accepts nothing any more.\n")
	} else {
		writeTokens(w, e.Tokens, now)
	}
	if len(e.Refusals) == 0 {
		return
	}
	fmt.Fprint(w, "\nLAST REFUSALS\tTIMES\tFROM\tREASON\tHINT\n")
	for _, r := range e.Refusals {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", moment(r.Time), max(r.Times, 1), cmp.Or(r.Address, "-"), r.Reason, r.Hint)
	}
}

func lastDelivery(e *shownEndpoint, now time.Time) string {
	if e.LastDelivery.IsZero() {
		return "none yet"
	}
	return fmt.Sprintf("%s, %s ago (%s)", moment(e.LastDelivery), age(e.LastDelivery, now), e.LastDeliveryID)
}

func writeTokens(w io.Writer, tokens []shownToken, now time.Time) {
	fmt.Fprint(w, "\nTOKEN\tCREATED\tENDS\tLAST USED\n")
	for _, t := range tokens {
		ends := "-"
		switch {
		case !t.Live:
			ends = "ended " + moment(t.Expires)
		case !t.Expires.IsZero():
			ends = moment(t.Expires)
		}
		used := "never"
		if !t.LastUsed.IsZero() {
			used = age(t.LastUsed, now) + " ago"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.ID, moment(t.Created), ends, used)
	}
}
