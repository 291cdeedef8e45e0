package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// explainFlags are what explain lets people choose.
type explainFlags struct {
	file      string // empty: standard input
	logID     string
	namespace string
	endpoint  string
	item      int
	all       bool
	document  bool
	rebuilt   bool
	rules     bool
	wide      bool
}

// explainCommand shows what an event becomes.
func (a *App) explainCommand() *cobra.Command {
	var f explainFlags
	cmd := asked(&cobra.Command{
		Use:   "explain [FILE]",
		Short: "Show the document of an event, and where each of its fields comes from",
		Long: `Explain makes the document of an event as the enricher does, and says of each field where its value came from: for
people who write rules and dashboards. Nothing is sent and nothing is stored, and a FILE needs no running Sluice.

The event comes from FILE, from standard input ("-", or a pipe), or with --log-id from Elasticsearch: then it is made
again out of its document, explained, and compared with what is indexed. A FILE may hold whatever Auth0 sends or exports:
one event, also pretty-printed, JSON lines, an array, or an object with "logs". The first event is explained, another one
with --item, or --all.

FROM is a path below "data" of the event. Where the value comes from elsewhere, it says in brackets how. TYPE is the type
of the field in Elasticsearch; "stored" can be read and not be searched. What stands under "Also found as" is another name
for a value, to search by. Places come from ENRICHER_GEOIP, or from the state folder's databases.

The exit code is 0 for a document, 1 for an event that would become a dead letter or is not found, 2 after an error.`,
		Example: `  sluice explain event.json --rules
  auth0 logs list --number 1 --json | sluice explain
  sluice explain export.ndjson --item 12 --document
  sluice explain --log-id 90020261123102030000000000000000000001223372036854775807
  sluice explain --log-id 900… --event > event.json
  sluice explain export.ndjson --all --json | jq -r '.fields[].field' | sort | uniq -c`,
	}, func(cmd *cobra.Command, args []string) (bool, error) {
		if err := f.check(cmd, args, terminal(a.In)); err != nil {
			return false, err
		}
		return a.explain(cmd.Context(), f)
	})
	f.register(cmd)
	return cmd
}

func (f *explainFlags) register(cmd *cobra.Command) {
	v := cmd.Flags()
	v.StringVar(&f.logID, "log-id", "", "explain the indexed event with this log id")
	v.StringVar(&f.namespace, "namespace", defaultNamespace, "namespace of the event; with --log-id also all")
	v.StringVar(&f.endpoint, "endpoint", "", "id of the endpoint that takes the event; it matters to _id where the event names no tenant")
	v.IntVar(&f.item, "item", 0, "explain this event of several, counted from 0 as in sluice.item and in dead letters")
	v.BoolVar(&f.all, "all", false, "explain every event; with --json and --document one line for each")
	v.BoolVar(&f.document, "document", false, "print only the document")
	v.BoolVar(&f.rebuilt, "event", false, "print only the event, with --log-id")
	v.BoolVar(&f.rules, "rules", false, "say below each field how its value comes about")
	v.BoolVar(&f.wide, "wide", false, "cut nothing; values stand in the last column then")
	for _, flag := range []string{"log-id", "namespace", "endpoint", "item"} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.NoFileCompletions)
	}
}

// check finds what is wrong with the command line; typing is true when a person would have to type the event.
func (f *explainFlags) check(cmd *cobra.Command, args []string, typing bool) error {
	chosen := cmd.Flags().Changed
	if len(args) > 0 {
		f.file = args[0]
	}
	switch {
	case len(args) > 1:
		return usageError(fmt.Sprintf("`%s` takes one file, not %d; `cat FILE… | %s --all` explains several", cmd.CommandPath(), len(args), cmd.CommandPath()))
	case chosen("log-id") && len(args) > 0:
		return usageError("choose a FILE or --log-id, not both")
	case chosen("log-id") && f.logID == "":
		return usageError("--log-id is empty: give the log id of an event, its event.id")
	case f.logID == "" && f.file == "" && typing:
		return usageError(fmt.Sprintf("`%s` needs a FILE with an event, an event on standard input, or --log-id", cmd.CommandPath()))
	case f.logID == "" && f.rebuilt:
		return usageError("--event prints what an indexed event was: it needs --log-id")
	case f.logID != "" && (f.all || chosen("item") || chosen("endpoint")):
		return usageError("--all, --item and --endpoint are for events from a FILE, not for --log-id")
	case f.all && chosen("item"), f.document && f.rebuilt:
		return usageError("choose one of --all and --item, and one of --document and --event")
	case f.item < 0:
		return usageError(fmt.Sprintf("--item %d: the first event has the number 0", f.item))
	case f.logID == "":
		return f.checkWay()
	}
	return nil
}

// checkWay checks what becomes a part of the document.
func (f *explainFlags) checkWay() error {
	if f.endpoint == "" {
		return stream.CheckNamespace(f.namespace)
	}
	return errors.Join(stream.CheckNamespace(f.namespace), endpoint.CheckID(f.endpoint))
}

// explaining is one run of explain.
type explaining struct {
	*App
	explainFlags
	maker    *enricher.Explainer
	places   bool // the documents say where addresses are
	codes    *catalogue.Catalogue
	compared *catalogue.Comparison
	now      time.Time
	shown    int
}

func (a *App) explain(ctx context.Context, f explainFlags) (bool, error) {
	x := &explaining{App: a, explainFlags: f, now: time.Now().UTC()}
	var err error
	if x.codes, err = catalogue.Load(); err != nil {
		return false, err
	}
	if x.compared, err = catalogue.LoadComparison(); err != nil {
		return false, err
	}
	if f.logID != "" {
		found, err := x.fromIndex(ctx)
		return found, x.orLost(err)
	}
	return x.fromBody(ctx)
}

// prepare makes what makes documents, as the settings say; original also keeps the event as received.
func (x *explaining) prepare(original bool) error {
	var cfg enricher.Config
	if err := config.Load("enricher", &cfg); err != nil {
		return err
	}
	path := cfg.Geoip
	if path == "" {
		path = state.Dir(x.state).GeoIP()
	}
	var err error
	if x.maker, err = enricher.NewExplainer(path, original || x.logID == "" && cfg.KeepOriginal); err != nil {
		return fmt.Errorf("setting ENRICHER_GEOIP: %w", err)
	}
	x.places = path != ""
	return nil
}
