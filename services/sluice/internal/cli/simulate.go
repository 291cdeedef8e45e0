package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// simulateFlags are what simulate lets people choose.
type simulateFlags struct {
	target
	count       int
	rate        float64
	concurrency int
	batch       int
	seed        uint64
	shape       string
	encoding    string
	scenarios   []string
	codes       []string
	invent      int
	privacy     string
	tenant      string
	duplicates  float64
	disorder    float64
	start       string
	step        time.Duration
	replay      string
	cycles      int
	wait        time.Duration
	noProgress  bool
	pause       pause
}

// simulation is what simulate prints.
type simulation struct {
	PayloadURL string           `json:"payload_url"`
	Tenant     string           `json:"tenant"`
	Seed       uint64           `json:"seed"`
	Start      time.Time        `json:"start,omitzero"`
	Stopped    bool             `json:"stopped,omitempty"` // by Ctrl-C
	Problem    string           `json:"problem,omitempty"`
	Report     simulator.Report `json:"report"`
	Searchable *searchable      `json:"searchable,omitempty"`
}

// simulateCommand sends made-up events as Auth0 would.
func (a *App) simulateCommand() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Send made-up events to an endpoint as Auth0 would",
		Long: `Simulate behaves as an Auth0 log stream does: consistent users, clients and addresses, batches, three attempts and then
a fresh cycle, repeats, disorder. With equal --seed, --start and --step it sends the very same events again.

Ctrl-C ends it with the report so far. The exit code is 1 when an event stayed unacknowledged.`,
		Example: `  sluice simulate --count 10000 --concurrency 4
  sluice simulate --count 0 --rate 50 --scenario credential-stuffing
  sluice simulate --seed 7 --start 2026-01-01T00:00:00Z --replay
  sluice simulate --codes all --count 1820
  sluice simulate --invent 10 --count 1000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				f.seed = rand.Uint64N(1 << 32)
			}
			return a.simulate(cmd.Context(), f)
		},
	}
	f.flags(cmd)
	return cmd
}

func (f *simulateFlags) flags(cmd *cobra.Command) {
	f.target.flags(cmd)
	v := cmd.Flags()
	v.IntVar(&f.count, "count", 500, "number of everyday events; 0 goes on until Ctrl-C")
	v.Float64Var(&f.rate, "rate", 0, "events per second; 0 is as fast as the answers come")
	v.IntVar(&f.concurrency, "concurrency", 1, "deliveries under way at once")
	v.IntVar(&f.batch, "batch", 0, "events in one delivery (default 100, or 1 for shape single)")
	v.Uint64Var(&f.seed, "seed", 0, "fixes the made-up tenant and its events (default: random, printed)")
	v.StringVar(&f.shape, "shape", string(simulator.Lines), "form of a delivery: lines, array, object or single")
	v.StringVar(&f.encoding, "encoding", "", "compress deliveries: gzip or zstd")
	v.StringArrayVar(&f.scenarios, "scenario", nil, "weave in an attack; may be repeated (see the completion for names)")
	v.StringSliceVar(&f.codes, "codes", nil, "only these event codes, equally often: s,fp,sapi, or all for every published one (default: a tenant's everyday mix)")
	v.IntVar(&f.invent, "invent", 0, "so many codes that Auth0 has never published, equally often; alone or beside --codes")
	v.StringVar(&f.privacy, "pii", "", "hide names, mail addresses and telephone numbers as a log stream can: mask or hash")
	v.StringVar(&f.tenant, "tenant", "acme-dev", "name of the made-up tenant")
	v.Float64Var(&f.duplicates, "duplicates", 0, "share of events sent a second time, from 0 to 1")
	v.Float64Var(&f.disorder, "disorder", 0, "share of events held back to a later delivery, from 0 to 1")
	v.StringVar(&f.start, "start", "", "time of the first event, such as 2026-01-01T00:00:00Z (default: now)")
	v.DurationVar(&f.step, "step", 0, "mean time between two events (default: the clock's, or 1s with --start)")
	v.StringVar(&f.replay, "replay", "", "send the events of an equal --seed and --start again, in the order of their log_ids, as a log stream with a starting cursor does; --replay=TIME begins there")
	v.Lookup("replay").NoOptDefVal = "start"
	v.IntVar(&f.pause.after, "pause-after", 0, "with --pause-for: stand still after so many events")
	v.DurationVar(&f.pause.lasts, "pause-for", 0, "stand still for so long, as a paused log stream does, then go on with what waited")
	v.IntVar(&f.cycles, "cycles", 10, "give a delivery up after so many cycles of three attempts; 0 never does")
	v.DurationVar(&f.wait, "wait-searchable", 0, "then wait so long until everything acknowledged is searchable")
	v.BoolVar(&f.noProgress, "no-progress", false, "show no progress bar")
	complete := func(cmd *cobra.Command, name string, values []string) {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete(cmd, "scenario", simulator.Scenarios())
	complete(cmd, "codes", append(simulator.Codes(), everyCode))
	complete(cmd, "pii", []string{string(simulator.Mask), string(simulator.Hash)})
	complete(cmd, "shape", []string{"lines", "array", "object", "single"})
	complete(cmd, "encoding", []string{"gzip", "zstd"})
}

func (a *App) simulate(ctx context.Context, f simulateFlags) error {
	source, start, err := f.source()
	if err != nil {
		return err
	}
	url, authorization, err := a.resolve(f.target)
	if err != nil {
		return err
	}
	p := &posting{opts: f.options(url, authorization), pause: f.pause, bar: a.newProgress(f.total(), "posting", f.noProgress)}
	if f.wait > 0 {
		p.acked = map[string]struct{}{}
	}
	report, err := p.run(ctx, source)
	p.bar.done()
	if err != nil && report.Events == 0 && report.Deliveries == 0 {
		return err
	}
	out := simulation{PayloadURL: url, Tenant: f.tenant, Seed: f.seed, Start: start, Report: report, Stopped: ctx.Err() != nil}
	out.Problem = problem(err, report)
	if f.wait > 0 && !out.Stopped {
		out.Searchable = a.awaitSearchable(ctx, p.acked, f.wait)
	}
	return errors.Join(a.print(out, out.write), out.verdict())
}

// total is what the progress bar counts to.
func (f *simulateFlags) total() int {
	if f.count <= 0 || f.replay != "" && f.replay != "start" {
		return -1
	}
	return f.count
}

func (f *simulateFlags) options(url, authorization string) simulator.StreamOptions {
	return simulator.StreamOptions{
		URL: url, Authorization: authorization, Shape: simulator.Shape(f.shape), Encoding: f.encoding, Batch: f.batch,
		Concurrency: f.concurrency, Rate: f.rate, Attempts: maxAttempts, MaxCycles: f.cycles,
		DuplicateShare: f.duplicates, DisorderShare: f.disorder, Seed: f.seed,
	}
}

// write prints the run for people.
func (s simulation) write(w io.Writer) {
	fmt.Fprintf(w, "payload url\t%s\n", s.PayloadURL)
	fmt.Fprintf(w, "tenant\t%s\n", s.Tenant)
	fmt.Fprintf(w, "seed\t%d\n", s.Seed)
	writeReport(w, s.Report)
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

// verdict is the exit code: 1 when an acknowledgement or a document is missing.
func (s simulation) verdict() error {
	if s.Report.Unacked > 0 || s.Problem != "" || s.Searchable != nil && !s.Searchable.Complete {
		return ErrSilent
	}
	return nil
}
