package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// shownMiss is one request that found no endpoint, with what it may have meant.
type shownMiss struct {
	endpoint.Miss
	Meant string `json:"meant,omitempty"`
	Hint  string `json:"hint"`
}

func (a *App) endpointUnknownCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unknown",
		Short: "Show requests that found no endpoint: mistyped Payload URLs",
		Long: `Show the last requests that the receivers answered 404, because there is no such endpoint or no such path, and which
endpoint they may have meant. Those that look like deliveries (a POST with an Authorization header) come last; the
others are mostly strangers who try doors.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.unknownEndpoints(cmd.Context()) },
	}
}

func (a *App) unknownEndpoints(ctx context.Context) error {
	session, err := a.openRegistry(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	misses, err := session.Board.Misses(ctx)
	if err != nil {
		return err
	}
	known, err := session.Registry.List(ctx)
	if err != nil {
		return err
	}
	shown := make([]shownMiss, 0, len(misses))
	for _, likely := range []bool{false, true} {
		for _, m := range misses {
			if m.Delivery == likely {
				shown = append(shown, explainMiss(m, known))
			}
		}
	}
	return a.print(shown, func(w io.Writer) { writeMisses(w, shown) })
}

// recentMiss is how long a delivery that found no endpoint is worth a warning.
const recentMiss = 24 * time.Hour

// recent are the deliveries of late that found no endpoint.
func recent(misses endpoint.Misses, now time.Time) (late endpoint.Misses) {
	for _, m := range misses {
		if m.Delivery && now.Sub(m.Time) < recentMiss {
			late = append(late, m)
		}
	}
	return late
}

func writeMisses(w io.Writer, misses []shownMiss) {
	if len(misses) == 0 {
		fmt.Fprintln(w, "Every request found its endpoint.")
		return
	}
	fmt.Fprintln(w, "LAST SEEN\tTIMES\tFROM\tREQUEST\tHINT")
	for _, m := range misses {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", moment(m.Time), m.Times, m.Address, m.Request, m.Hint)
	}
}

// explainMiss looks for the endpoint that a request may have meant.
func explainMiss(m endpoint.Miss, known []*endpoint.Endpoint) shownMiss {
	if e := meant(m.Request, known); e != nil {
		return shownMiss{m, e.ID, fmt.Sprintf("did it mean endpoint %s (%s)? Its path is exactly %s%s", e.ID, e.Name, payloadPath, e.ID)}
	}
	_, path, _ := strings.Cut(m.Request, " ")
	switch {
	case !m.Delivery:
		return shownMiss{m, "", "no delivery: somebody looks around"}
	case strings.HasPrefix(path, payloadPath):
		return shownMiss{m, "", "there is no such endpoint, nor one like it: was it made in another Sluice, or is the registry lost (`sluice endpoint import`)?"}
	}
	return shownMiss{m, "", "the path of a Payload URL is " + payloadPath + "ID: compare the URL in Auth0, and what the proxy adds or takes away"}
}

// leastAlike is how many characters of an id must be there for a request to mean it.
const leastAlike = 6

// meant finds the endpoint whose id, whole or cut off, is in a request, in whichever case; nil when there is none.
func meant(request string, known []*endpoint.Endpoint) *endpoint.Endpoint {
	request = strings.ToLower(request)
	last := request[strings.LastIndexByte(request, '/')+1:]
	for _, e := range known {
		if strings.Contains(request, "/"+e.ID) || len(last) >= leastAlike && (strings.Contains(e.ID, last) || oneOff(e.ID, last)) {
			return e
		}
	}
	return nil
}

// oneOff reports whether two texts of one length differ in one place, or have two neighbours exchanged.
func oneOff(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	var at []int
	for i := range len(a) {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	switch len(at) {
	case 0, 1:
		return true
	case 2:
		return at[1] == at[0]+1 && a[at[0]] == b[at[1]] && a[at[1]] == b[at[0]]
	}
	return false
}
