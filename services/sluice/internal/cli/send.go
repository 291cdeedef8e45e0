package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// sendFlags are what send lets people choose.
type sendFlags struct {
	target
	batch       int
	concurrency int
	rate        float64
	encoding    string
	cycles      int
	skipBroken  bool
	wait        time.Duration
	noProgress  bool
}

// sending is what send prints.
type sending struct {
	PayloadURL string            `json:"payload_url"`
	Files      []*recording      `json:"files"`
	Stopped    bool              `json:"stopped,omitempty"` // by Ctrl-C
	Problem    string            `json:"problem,omitempty"`
	Report     simulator.Report  `json:"report"`
	Broken     *simulator.Report `json:"broken_report,omitempty"` // of the broken elements, sent one by one
	Searchable *searchable       `json:"searchable,omitempty"`
}

// sendCommand posts recorded events.
func (a *App) sendCommand() *cobra.Command {
	var f sendFlags
	cmd := &cobra.Command{
		Use:   "send FILE...",
		Short: "Post recorded Auth0 events to an endpoint",
		Long: `Send posts events from files ("-" is standard input) as a log stream would have: JSON lines, an array, an object with
"logs", single events, also pretty-printed; and what GET /api/v2/logs or "auth0 logs list --json" exports.

Elements that are no events are named by their line and sent as they are, each in a delivery of its own, so that they
end as dead letters; --skip-broken leaves them out.`,
		Example: `  auth0 logs list --number 1000 --json | sluice send -
  sluice send export.json --wait-searchable 30s`,
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return usageError("`sluice send` needs files of events, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error { return a.send(cmd.Context(), files, f) },
	}
	f.flags(cmd)
	v := cmd.Flags()
	v.IntVar(&f.batch, "batch", 100, "events in one delivery")
	v.IntVar(&f.concurrency, "concurrency", 1, "deliveries under way at once")
	v.Float64Var(&f.rate, "rate", 0, "events per second; 0 is as fast as the answers come")
	v.StringVar(&f.encoding, "encoding", "", "compress deliveries: gzip or zstd")
	v.IntVar(&f.cycles, "cycles", 3, "give a delivery up after so many cycles of three attempts; 0 never does")
	v.BoolVar(&f.skipBroken, "skip-broken", false, "do not send elements that are no events")
	v.DurationVar(&f.wait, "wait-searchable", 0, "then wait so long until everything acknowledged is searchable")
	v.BoolVar(&f.noProgress, "no-progress", false, "show no progress bar")
	_ = cmd.RegisterFlagCompletionFunc("encoding", cobra.FixedCompletions([]string{"gzip", "zstd"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *App) send(ctx context.Context, files []string, f sendFlags) error {
	if f.fromStdin && slices.Contains(files, "-") {
		return errors.New("standard input cannot be both the token and the events: give --token-file")
	}
	url, authorization, err := a.resolve(f.target)
	if err != nil {
		return err
	}
	p := &posting{opts: f.options(url, authorization), bar: a.newProgress(-1, "posting", f.noProgress)}
	if f.wait > 0 {
		p.acked = map[string]struct{}{}
	}
	tape := &tape{in: a.In, names: files}
	out := &sending{PayloadURL: url}
	out.Report, err = p.run(ctx, tape.next)
	if err != nil && len(tape.files) == 0 {
		return err
	}
	tape.finish()
	if err == nil && len(tape.broken) > 0 && !f.skipBroken && ctx.Err() == nil {
		err = out.sendBroken(ctx, p, tape.broken)
	}
	p.bar.done()
	out.Files, out.Stopped, out.Problem = tape.files, ctx.Err() != nil, problem(err, out.Report)
	if f.wait > 0 && !out.Stopped {
		out.Searchable = a.awaitSearchable(ctx, p.acked, f.wait)
	}
	return errors.Join(a.print(out, out.write), out.verdict())
}

func (f *sendFlags) options(url, authorization string) simulator.StreamOptions {
	return simulator.StreamOptions{
		URL: url, Authorization: authorization, Encoding: f.encoding, Batch: f.batch, Concurrency: f.concurrency,
		Rate: f.rate, Attempts: maxAttempts, MaxCycles: f.cycles,
	}
}

// sendBroken posts each broken element by itself, so that none of them can cost a good one.
func (s *sending) sendBroken(ctx context.Context, p *posting, broken []simulator.Event) error {
	p.opts.Batch = 1
	report, err := p.run(ctx, simulator.FromSlice(broken))
	s.Broken = &report
	return err
}

// write prints the run for people.
func (s *sending) write(w io.Writer) {
	fmt.Fprintf(w, "payload url\t%s\n", s.PayloadURL)
	for _, file := range s.Files {
		file.write(w)
	}
	writeReport(w, s.Report)
	if s.Broken != nil {
		fmt.Fprintf(w, "broken elements\t%d acked, %d unacked, refused attempts: %s\n", s.Broken.Acked, s.Broken.Unacked, refusals(s.Broken.Refused))
	}
	if s.Searchable != nil {
		s.Searchable.write(w)
	}
	if s.Stopped {
		fmt.Fprintln(w, "stopped\tbefore the end; everything above counts what was done until then")
	}
	if s.Problem != "" {
		fmt.Fprintf(w, "problem\t%s\n", s.Problem)
	}
}

// verdict is the exit code: 1 when a file, an acknowledgement or a document is missing. Broken elements are no failure
// of this command: they were named, and the dead letters keep them.
func (s *sending) verdict() error {
	bad := s.Problem != "" || s.Report.Unacked > 0 || s.Broken != nil && s.Broken.Unacked > 0 ||
		s.Searchable != nil && !s.Searchable.Complete
	for _, file := range s.Files {
		bad = bad || file.Problem != ""
	}
	if bad {
		return ErrSilent
	}
	return nil
}
