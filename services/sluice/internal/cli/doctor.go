package cli

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/stream"
)

// checkLimit bounds every check, so that doctor never hangs.
const checkLimit = 5 * time.Second

// Results of a check.
const (
	checkOK   = "ok"
	checkInfo = "info"
	checkSkip = "skip"
	checkWarn = "warn"
	checkFail = "fail"
)

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Detail string `json:"detail"`
	Advice string `json:"what_to_do,omitempty"`
}

// Constructors, so that a check reads as a sentence.
func ok(check, format string, args ...any) finding {
	return finding{Check: check, Result: checkOK, Detail: fmt.Sprintf(format, args...)}
}

func info(check, format string, args ...any) finding {
	return finding{Check: check, Result: checkInfo, Detail: fmt.Sprintf(format, args...)}
}

func skip(check, why string) finding { return finding{Check: check, Result: checkSkip, Detail: why} }

func warn(check, detail, advice string) finding {
	return finding{Check: check, Result: checkWarn, Detail: detail, Advice: advice}
}

func fail(check string, err error, advice string) finding {
	return finding{Check: check, Result: checkFail, Detail: err.Error(), Advice: advice}
}

// check is one question that doctor asks; it may have several findings.
type check struct {
	name string
	ask  func(ctx context.Context) []finding
}

// doctor is what the checks share. Nil members are missing, and the checks that need them say so.
type doctor struct {
	dir      state.Dir
	settings settings
	ready    *state.Ready
	missing  error // why no running Sluice was found
	elastic  *elastic.Client
}

// doctorCommand examines everything around a Sluice.
func (a *App) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check settings, servers, disk and clock, and say what to do",
		Long: `Doctor checks settings, state folder, NATS, streams, Elasticsearch, receiver, clock, disk and the machine, and says
for each what to do. Every check ends within five seconds, also when nothing runs. The exit code is 1 when one failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context()) },
	}
}

func (a *App) doctor(ctx context.Context) error {
	d := &doctor{dir: state.Dir(a.state)}
	d.settings, d.ready, d.missing = a.locate()
	if client, err := elastic.Open(d.settings.Elastic); err == nil {
		d.elastic = client
	}
	found := examine(ctx, []check{
		{"settings", d.checkSettings},
		{"state folder", d.checkFolder},
		{"all-in-one", d.checkProcess},
		{"nats", func(ctx context.Context) []finding { return d.checkNATS(ctx, a) }},
		{"sync always", d.checkSync},
		{"stream writes", d.checkWrites},
		{"elasticsearch", d.checkElastic},
		{"elasticsearch security", d.checkSecurity},
		{"receiver", d.checkReceiver},
		{"readiness", d.checkReadiness},
		{"disk", d.checkDisk},
		{"vm.max_map_count", checkMapCount},
		{"programs", checkPrograms},
	})
	if err := a.print(found, func(w io.Writer) { writeFindings(w, found) }); err != nil {
		return err
	}
	for _, f := range found {
		if f.Result == checkFail {
			return ErrSilent
		}
	}
	return nil
}

// examine asks all questions at once and returns the findings in the order of the questions.
func examine(ctx context.Context, checks []check) []finding {
	answers := make([][]finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { answers[i] = c.bounded(ctx) })
	}
	wg.Wait()
	var all []finding
	for _, a := range answers {
		all = append(all, a...)
	}
	return all
}

// bounded asks one question and does not wait longer than checkLimit, even for one that ignores its context.
func (c check) bounded(ctx context.Context) []finding {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	answer := make(chan []finding, 1)
	go func() { answer <- c.ask(ctx) }()
	timer := time.NewTimer(checkLimit + 500*time.Millisecond) // a check that minds its context says more
	defer timer.Stop()
	select {
	case found := <-answer:
		return found
	case <-timer.C:
		return []finding{{Check: c.name, Result: checkFail, Detail: "no answer within " + checkLimit.String(), Advice: "see whether the network or a firewall drops packets"}}
	}
}

func writeFindings(w io.Writer, found []finding) {
	fmt.Fprintln(w, "CHECK\tRESULT\tDETAIL")
	for _, f := range found {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Check, f.Result, f.Detail)
		if f.Advice != "" {
			fmt.Fprintf(w, "\t\t→ %s\n", f.Advice)
		}
	}
}

// natsConfig is how doctor connects: looking at an unsafe server must be possible.
func (d *doctor) natsConfig() stream.Config {
	cfg := d.settings.Config
	cfg.NATSUnsafe = true
	return cfg
}
