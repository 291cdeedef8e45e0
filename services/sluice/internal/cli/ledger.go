package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/stream"
)

// ledgerCommand compares what was acknowledged with what is searchable.
func (a *App) ledgerCommand() *cobra.Command {
	var since time.Duration
	limit := 20
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Compare what was acknowledged with what is searchable, and name what is missing",
		Long: `Ledger reads every delivery that is still on the stream, the replay margin included, takes it apart as the enricher
does, and looks for each of its events. Per endpoint

  received = searchable + duplicate + dead + expired + waiting + missing

where duplicate is an event that another delivery brought, expired one from before the namespace's retention, and waiting
one on its way. Below that it shows what the services counted since they began, of deliveries that have left the stream,
too; that count is some seconds behind. A dead letter that is replayed is received once more, and dead once more when it
fails again. Missing is an event that the enricher and the indexer have finished and that is nowhere: there should
never be one, as there should be none in two indices (doubled). Then the exit code is 1; it is 2 for an error.`,
		Example: "  sluice ledger\n  sluice ledger --since 1h --json",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().DurationVar(&since, "since", 0, "only deliveries that were stored in this time; 0 takes all that are there")
	cmd.Flags().IntVar(&limit, "limit", limit, "missing and doubled events to name; 0 names all")
	return asked(cmd, func(cmd *cobra.Command, _ []string) (bool, error) {
		l, err := a.ledger(cmd.Context(), since)
		if err != nil {
			return false, err
		}
		if limit > 0 && len(l.Wrong) > limit {
			l.More, l.Wrong = len(l.Wrong)-limit, l.Wrong[:limit]
		}
		return l.Total.Missing+l.Total.Doubled == 0, a.print(l, l.write)
	})
}

// account is what became of the events of one endpoint. Doubled events are counted as searchable or duplicate, too.
type account struct {
	Endpoint   string `json:"endpoint,omitempty"`
	Deliveries int    `json:"deliveries"`
	Received   int    `json:"received"`
	Searchable int    `json:"searchable"`
	Duplicate  int    `json:"duplicate"`
	Dead       int    `json:"dead"`
	Expired    int    `json:"expired"`
	Waiting    int    `json:"waiting"`
	Missing    int    `json:"missing"`
	Doubled    int    `json:"doubled"`
}

func (t *account) add(o *account) {
	t.Deliveries += o.Deliveries
	t.Received += o.Received
	t.Searchable += o.Searchable
	t.Duplicate += o.Duplicate
	t.Dead += o.Dead
	t.Expired += o.Expired
	t.Waiting += o.Waiting
	t.Missing += o.Missing
	t.Doubled += o.Doubled
}

// wrong is an event that is missing, or there twice.
type wrong struct {
	What     string   `json:"what"` // missing or doubled
	Endpoint string   `json:"endpoint"`
	Delivery string   `json:"delivery"`
	Item     int      `json:"item"`
	LogID    string   `json:"log_id,omitempty"`
	Sequence uint64   `json:"sequence"`
	Indices  []string `json:"indices,omitempty"`
}

// ledger is the result.
type ledger struct {
	From      time.Time  `json:"from,omitzero"` // when the oldest delivery was stored
	Endpoints []*account `json:"endpoints"`
	Total     account    `json:"total"`
	Wrong     []wrong    `json:"wrong"`
	More      int        `json:"not_named,omitempty"`
	// Counted is what the services counted themselves, also of deliveries that are no longer on the stream.
	Counted stream.Ledger `json:"counted"`
}

func (a *App) ledger(ctx context.Context, since time.Duration) (*ledger, error) {
	dial, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := a.openRegistry(dial)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	state, err := s.Conn.State(dial, stream.Deliveries)
	if err != nil {
		return nil, err
	}
	books, err := s.Conn.Ledger(dial)
	if err != nil {
		return nil, err
	}
	b := newBookkeeper(s, a.newProgress(-1, "reading deliveries", false))
	b.result.Counted = books
	defer b.progress.done()
	if state.Last == 0 {
		return b.close(ctx)
	}
	r := stream.Range{}
	if since > 0 {
		r.Since = time.Now().Add(-since)
	}
	for message, err := range s.Conn.Scan(ctx, stream.Deliveries, r) {
		if err == nil {
			err = b.message(ctx, message)
		}
		if err != nil {
			return nil, err
		}
	}
	return b.close(ctx)
}

// write prints the ledger for people.
func (l *ledger) write(w io.Writer) {
	l.writeCompared(w)
	writeCounted(w, &l.Counted)
}

// writeCounted prints what the services counted.
func writeCounted(w io.Writer, l *stream.Ledger) {
	if len(l.Entries) == 0 {
		return
	}
	fmt.Fprintf(w, "\nCOUNTED\tRECEIVED\tINDEXED\tDUPLICATE\tDEAD\tEXPIRED\tIN FLIGHT\n")
	for i := range l.Entries {
		e := &l.Entries[i]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", dash(e.Endpoint), e.Received, e.Indexed, e.Duplicate, e.Dead, e.Expired, max(e.InFlight, 0))
	}
	if l.Uncounted > 0 {
		paragraph(w, counted(l.Uncounted, "message")+" more were finished without a count of what they held.")
	}
}

// writeCompared prints what the comparison found.
func (l *ledger) writeCompared(w io.Writer) {
	if l.Total.Received == 0 {
		fmt.Fprintln(w, "no delivery is on the stream")
		return
	}
	fmt.Fprintf(w, "since %s, %s\n\n", l.From.UTC().Format("2006-01-02 15:04:05 MST"), counted(l.Total.Deliveries, "delivery"))
	fmt.Fprintln(w, "ENDPOINT\tRECEIVED\tSEARCHABLE\tDUPLICATE\tDEAD\tEXPIRED\tWAITING\tMISSING\tDOUBLED")
	rows := l.Endpoints
	if len(rows) > 1 {
		total := l.Total
		total.Endpoint = "all"
		rows = append(rows, &total)
	}
	for _, t := range rows {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", harmlessLine(t.Endpoint), t.Received, t.Searchable, t.Duplicate, t.Dead, t.Expired, t.Waiting, t.Missing, t.Doubled)
	}
	if len(l.Wrong) == 0 {
		fmt.Fprintln(w, "\nNothing is missing, nothing is there twice.")
		return
	}
	fmt.Fprintln(w, "\nWRONG\tDELIVERY\tITEM\tLOG_ID\tSEQUENCE")
	for _, e := range l.Wrong {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\n", e.What, e.Delivery, e.Item, dash(harmlessLine(e.LogID)), e.Sequence)
	}
	if l.More > 0 {
		paragraph(w, fmt.Sprintf("%d more are not named; --limit 0 names all", l.More))
	}
}

// byDocument groups hits by their id: more than one means more than one index.
func byDocument(hits []elastic.Hit) map[string][]elastic.Hit {
	all := map[string][]elastic.Hit{}
	for _, hit := range hits {
		all[hit.ID] = append(all[hit.ID], hit)
	}
	return all
}
