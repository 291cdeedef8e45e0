package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// deliveryCommand looks at single deliveries.
func (a *App) deliveryCommand() *cobra.Command {
	limit := 50
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show what became of a delivery and of each of its events",
		Long: `Show follows one delivery, named by the id in the receiver's answer. Each of its events is

  searchable   in Elasticsearch, from this delivery
  duplicate    in Elasticsearch already, from another delivery or from an earlier event of this one
  dead         set aside, with the reason
  waiting      on its way
  unknown      Elasticsearch does not answer`,
		Example: "  sluice delivery show 01JB3Q2V7E8M9N0P1R2S3T4V5W",
		Args:    one(aDelivery),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.showDelivery(cmd.Context(), strings.TrimSpace(args[0]), limit)
		},
	}
	show.Flags().IntVar(&limit, "limit", limit, "events to show; 0 shows all")
	return group(&cobra.Command{Use: "delivery", Short: "What became of a delivery and of its events: show"}, show)
}

// States of an event.
const (
	stateWaiting    = "waiting"
	stateSearchable = "searchable"
	stateDuplicate  = "duplicate"
	stateDead       = "dead"
	stateUnknown    = "unknown"
)

// tracked is one event of a delivery and what became of it.
type tracked struct {
	Item     int    `json:"item"`
	Line     int    `json:"line,omitempty"`
	LogID    string `json:"log_id,omitempty"`
	Code     string `json:"code,omitempty"`
	State    string `json:"state"`
	Why      string `json:"why,omitempty"`
	document string // id of what it becomes; empty when it is no event
	key      string // of the letter that a replay of it leaves, where it is no event
}

// history is what became of a delivery.
type history struct {
	ID        string         `json:"delivery"`
	Endpoint  string         `json:"endpoint,omitempty"`
	Namespace string         `json:"namespace,omitempty"`
	Received  time.Time      `json:"received"`
	Bytes     int            `json:"bytes,omitempty"`
	Count     int            `json:"events"`
	States    map[string]int `json:"states"`
	Notes     []string       `json:"notes,omitempty"`
	Events    []*tracked     `json:"items"`
}

func (h *history) note(format string, args ...any) {
	h.Notes = append(h.Notes, fmt.Sprintf(format, args...))
}

func (a *App) showDelivery(ctx context.Context, id string, limit int) error {
	at, err := ulidTime(id)
	if err != nil {
		return err
	}
	dial, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := a.open(dial)
	if err != nil {
		return err
	}
	defer s.Close()
	h, err := s.history(ctx, strings.ToUpper(id), at)
	if err != nil {
		return err
	}
	h.sum()
	if limit > 0 && len(h.Events) > limit {
		h.note("%s more not shown; --limit 0 shows all", counted(len(h.Events)-limit, "event"))
		h.Events = h.Events[:limit]
	}
	return a.print(h, h.write)
}

// history follows a delivery through stream, Elasticsearch and dead letters.
func (s *Session) history(ctx context.Context, id string, at time.Time) (*history, error) {
	h := &history{ID: id, Received: at}
	parts, err := findDelivery(ctx, s.Conn, id, at)
	if err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return h, s.remember(ctx, h)
	}
	h.Endpoint, h.Namespace, h.Received = parts[0].Endpoint, parts[0].Namespace, parts[0].Received
	for i := range parts {
		h.Bytes += len(parts[i].Body)
	}
	h.Events = eventsOf(parts)
	return h, s.trace(ctx, h, parts)
}

// trace finds out what became of the events of a delivery that is on the stream. What cannot be asked is noted.
func (s *Session) trace(ctx context.Context, h *history, parts []part) error {
	letters, err := s.bury(ctx, h, parts)
	if err != nil {
		h.note("the dead letters could not be read: %v", err)
	}
	if err := s.search(ctx, h); err != nil {
		h.note("Elasticsearch does not answer: %v", err)
	}
	s.explain(ctx, h, parts[len(parts)-1].sequence)
	if len(h.Events) == 0 && letters == 0 {
		h.note("its body holds no event")
	}
	return ctx.Err()
}

// sum counts the states.
func (h *history) sum() {
	h.Count, h.States = len(h.Events), map[string]int{}
	for _, e := range h.Events {
		h.States[e.State]++
	}
}

// write prints the delivery for people.
func (h *history) write(w io.Writer) {
	fmt.Fprintf(w, "delivery %s, received %s", h.ID, h.Received.UTC().Format("2006-01-02 15:04:05.000 MST"))
	if h.Endpoint != "" {
		fmt.Fprintf(w, " by endpoint %s (namespace %s), %s", h.Endpoint, h.Namespace, counted(h.Bytes, "byte"))
	}
	fmt.Fprintf(w, "\n%s", counted(h.Count, "event"))
	separator := ": "
	for _, state := range []string{stateSearchable, stateDuplicate, stateDead, stateWaiting, stateUnknown} {
		if n := h.States[state]; n > 0 {
			fmt.Fprintf(w, "%s%d %s", separator, n, state)
			separator = ", "
		}
	}
	fmt.Fprintln(w)
	for _, note := range h.Notes {
		paragraph(w, "note: "+note)
	}
	if len(h.Events) == 0 {
		return
	}
	fmt.Fprintln(w, "\nITEM\tLINE\tLOG_ID\tCODE\tSTATE\tWHY")
	for _, e := range h.Events {
		line := "-"
		if e.Line > 0 {
			line = strconv.Itoa(e.Line)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", e.Item, line, dash(e.LogID), dash(e.Code), e.State, e.Why)
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
