// Package cli is the operator's command line: what it offers, how it finds a running Sluice, how it prints.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// App is one call of the command line.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	json     bool
	state    string
	lost     error // where to find a Sluice, when Elasticsearch is only looked for at the default address
}

// New returns the command line on the given streams.
func New(in io.Reader, out, err io.Writer) *App { return &App{In: in, Out: out, Err: err} }

// Command builds the tree of commands.
func (a *App) Command() *cobra.Command {
	root := &cobra.Command{
		Use:   "sluice",
		Short: "Auth0 log streams into Elasticsearch: acknowledged on disk, indexed exactly once",
		Long: `Sluice takes Auth0 log streams into a SIEM on Elasticsearch.

Begin with "sluice up": it runs everything in one process, with its own queue on disk, and prints a Payload URL and a
token for Auth0's form. The other commands work on a running Sluice: the one announced in the state folder, or the
NATS and Elasticsearch named by NATS_URL and ELASTICSEARCH_URL.`,
		Version:       telemetry.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON instead of tables")
	root.PersistentFlags().StringVar(&a.state, "state", state.Default, "state folder of the all-in-one")
	_ = root.MarkPersistentFlagDirname("state")
	root.InitDefaultVersionFlag() // early, so that --version may stand before other flags
	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run:"}, &cobra.Group{ID: groupConnect, Title: "Connect Auth0, and try it:"}, &cobra.Group{ID: groupTend, Title: "Look after it:"})
	root.AddCommand(a.commands()...)
	return root
}

// Session is a connection to a running Sluice.
type Session struct {
	Conn     *stream.Conn
	Registry *endpoint.Registry
	Board    *endpoint.Board
	Letters  *deadletter.Box
	Elastic  *elastic.Client
	Ready    *state.Ready // nil when the settings name the servers instead of a state folder
	// PublicURL is the address under which Auth0 reaches the receiver; empty when nobody said so.
	PublicURL string
}

// Close ends the connection.
func (s *Session) Close() { s.Conn.Close() }

// settings are the connections that commands use when no all-in-one is announced.
type settings struct {
	stream.Config
	Elastic   elastic.Config `ignored:"true"`
	PublicURL string         `envconfig:"RECEIVER_PUBLIC_URL"`
}

// ErrSilent ends a command with exit code 1 when all that is to say was printed.
var ErrSilent = errors.New("see above")

// errNotFound explains how commands find a Sluice.
var errNotFound = errors.New("no running sluice found")

// open connects to the Sluice that the settings or the state folder name.
func (a *App) open(ctx context.Context) (*Session, error) {
	cfg, ready, err := a.locate()
	if err != nil {
		return nil, err
	}
	cfg.NATSUnsafe = true // the services refuse an unsafe server; looking at one must stay possible
	conn, err := stream.Open(ctx, "cli", cfg.Config, a.logger())
	if err != nil {
		return nil, err
	}
	s := &Session{Conn: conn, Letters: deadletter.Open(conn), Ready: ready, PublicURL: cfg.PublicURL}
	if ready != nil {
		s.PublicURL = ready.PublicURL
	}
	if s.Elastic, err = elastic.Open(cfg.Elastic); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// openRegistry is open for commands that need the registry; it fails before `sluice setup` was run.
func (a *App) openRegistry(ctx context.Context) (*Session, error) {
	s, err := a.open(ctx)
	if err != nil {
		return nil, err
	}
	if s.Registry, err = endpoint.Open(ctx, s.Conn); err == nil {
		s.Board, err = endpoint.OpenBoard(ctx, s.Conn)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// notFound is errNotFound with what helps; the setting names a server instead.
func (a *App) notFound(setting string) error {
	return fmt.Errorf("%w in %s: start one with `%s`, name another folder with --state, or set %s", errNotFound, a.state, a.hint("up"), setting)
}

// locate decides where Sluice is: NATS_URL wins over the state folder.
func (a *App) locate() (settings, *state.Ready, error) {
	var cfg settings
	if err := errors.Join(config.Load("", &cfg), config.Load("", &cfg.Elastic)); err != nil {
		return cfg, nil, err
	}
	if os.Getenv("NATS_URL") != "" { //nolint:forbidigo // whether it was set decides, not its value
		return cfg, nil, nil
	}
	ready, err := state.Dir(a.state).ReadReady()
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, nil, a.notFound("NATS_URL")
	}
	if err != nil {
		return cfg, nil, err
	}
	cfg.NATSURL = config.URL(ready.NATSURL)
	cfg.Elastic.ElasticsearchURL = config.URL(ready.ElasticsearchURL)
	return cfg, &ready, nil
}

// logger is silent: a command's result is what it prints, and errors are returned.
func (a *App) logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// print writes value as JSON with --json, else what table writes.
func (a *App) print(value any, table func(w io.Writer)) error {
	if a.json {
		enc := json.NewEncoder(a.Out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(value)
	}
	tw := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
	table(tw)
	return tw.Flush()
}
