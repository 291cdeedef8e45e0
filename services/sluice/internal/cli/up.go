package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/sluice/internal/allinone"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// upFlags is what `sluice up` may be told on the command line; everything else is a setting.
type upFlags struct {
	listen, adminListen, elasticsearch, publicURL string
}

func (a *App) upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process",
		Long: `Run receiver, enricher, indexer and retention in one process, with a NATS server of their own on disk.

Without --elasticsearch (or ELASTICSEARCH_URL) an Elasticsearch that belongs to the state folder is started: in a running
Docker engine, or from its Maven artifact with a JDK. It is stopped at a clean stop and taken over after a crash.

When everything answers, STATE/ready.json appears (readable by its owner only), and the Payload URL and the token for
Auth0's form are printed. The first endpoint and its token stay the same at every start.`,
		Example: `  sluice up
  sluice up --public-url https://logs.example.com --listen 127.0.0.1:8080
  sluice up --state /var/lib/sluice --elasticsearch http://127.0.0.1:9200`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.up(cmd, f) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", "", "address for Auth0's deliveries, HOST:PORT; port 0 takes a free one (default: the last one, 127.0.0.1:8080, or a free one)")
	cmd.Flags().StringVar(&f.adminListen, "admin-listen", "", "address of /livez, /readyz and /metrics (default: a free port on loopback)")
	cmd.Flags().StringVar(&f.elasticsearch, "elasticsearch", "", "Elasticsearch to use instead of the state folder's own")
	cmd.Flags().StringVar(&f.publicURL, "public-url", "", "address under which Auth0 reaches this receiver, https://HOST[/PATH]")
	return cmd
}

func (a *App) up(cmd *cobra.Command, f upFlags) error {
	settings, err := allinone.LoadSettings()
	if err != nil {
		return err
	}
	if f.publicURL == "" {
		f.publicURL = settings.Receiver.PublicURL
	}
	if f.publicURL, err = checkPublicURL(f.publicURL); err != nil {
		return err
	}
	if f.elasticsearch == "" && os.Getenv("ELASTICSEARCH_URL") != "" { //nolint:forbidigo // only a set variable adopts one
		f.elasticsearch = settings.Indexer.ElasticsearchURL.Reveal()
	}
	if err := errors.Join(checkListen("--listen", f.listen), checkListen("--admin-listen", f.adminListen)); err != nil {
		return err
	}
	tel, err := openTelemetry(cmd, f.adminListen, settings.Receiver.Telemetry)
	if err != nil {
		return err
	}
	defer context.AfterFunc(cmd.Context(), func() { fmt.Fprintln(a.Err, "… stopping") })()
	err = allinone.Run(cmd.Context(), allinone.Options{
		Dir: state.Dir(a.state), Listen: f.listen, Elasticsearch: f.elasticsearch, PublicURL: f.publicURL, Telemetry: tel,
		Progress:  func(step string) { fmt.Fprintln(a.Err, "…", step) },
		NoElastic: func(reason string) { fmt.Fprintln(a.Err, "… waiting until everything answers:", reason) },
		Ready:     func(r state.Ready) { a.announce(r) },
	}, settings)
	if err == nil {
		fmt.Fprintf(a.Err, "Stopped. The data stays in %s; `%s` goes on with it.\n", a.state, a.hint("up"))
	}
	return err
}

// openTelemetry binds the admin address. Without a setting the all-in-one takes a free port and logs only what a person
// should know, since it shares its terminal with them.
func openTelemetry(cmd *cobra.Command, listen string, cfg telemetry.Config) (*telemetry.Telemetry, error) {
	if listen != "" {
		cfg.AdminListen = listen
	} else if os.Getenv("ADMIN_LISTEN") == "" { //nolint:forbidigo // whether it was set decides, not its value
		cfg.AdminListen = "127.0.0.1:0"
	}
	if os.Getenv("LOG_LEVEL") == "" { //nolint:forbidigo // whether it was set decides, not its value
		cfg.LogLevel = "warn"
	}
	return telemetry.Open(cmd.Context(), "sluice", cfg)
}

// announce prints what ready.json says, for people or, with --json, for programs.
func (a *App) announce(r state.Ready) {
	_ = a.print(r, func(w io.Writer) { writeAnnouncement(w, a.state, r) })
}

// runCommand runs one service against servers that are already there.
func (a *App) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run receiver|enricher|indexer|retention",
		Short: "Run one service against an outside NATS and Elasticsearch",
		Long: `Run one service against the NATS and Elasticsearch that the settings name. Streams must have been made with
"sluice setup". "sluice run SERVICE --settings" prints the service's settings, --effective the values in force.`,
		Args:      one(aService),
		ValidArgs: []string{"receiver", "enricher", "indexer", "retention"},
	}
	var settings, effective, health bool
	cmd.Flags().BoolVar(&settings, "settings", false, "print the settings and their meaning")
	cmd.Flags().BoolVar(&effective, "effective", false, "print the values in force, secrets masked")
	cmd.Flags().BoolVar(&health, "health", false, "ask the running service and exit 0 or 1")
	cmd.MarkFlagsMutuallyExclusive("settings", "effective", "health")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var words []string
		switch {
		case settings:
			words = []string{"-help"}
		case effective:
			words = []string{"config"}
		case health:
			words = []string{"-health"}
		}
		return runService(cmd, args[0], words)
	}
	return cmd
}
