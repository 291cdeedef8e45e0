// Package program is the frame of every service's binary: flags, settings, signals and the exit code.
package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// Service describes one service to Main.
type Service[C any] struct {
	Name  string // also the prefix of its settings
	About string // one sentence for -help
	// Telemetry picks the telemetry settings out of the service's own.
	Telemetry func(*C) telemetry.Config
	Run       func(context.Context, C, *telemetry.Telemetry) error
}

// Main runs the service until SIGINT or SIGTERM and returns the exit code: 0 after a clean stop, 1 for a failure, 2 for
// wrong use. A second signal ends the process at once.
func Main[C any](s Service[C]) int {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore)
	err := Execute(ctx, s, os.Args[1:], os.Stdout)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, s.Name+":", err)
		return 2
	default:
		fmt.Fprintln(os.Stderr, s.Name+":", err)
		return 1
	}
}

var errUsage = errors.New("wrong use (see -help)")

// Execute is Main without the process: args are the words after the program's name, out takes what they print.
func Execute[C any](ctx context.Context, s Service[C], args []string, out io.Writer) error {
	var cfg C
	flags := flag.NewFlagSet(s.Name, flag.ContinueOnError)
	flags.SetOutput(out)
	health := flags.Bool("health", false, "ask the running service's /readyz on ADMIN_LISTEN and exit 0 or 1")
	version := flags.Bool("version", false, "print the version")
	flags.Usage = func() { usage(out, s, flags) }
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if *version {
		_, err := fmt.Fprintln(out, s.Name, telemetry.Version())
		return err
	}
	if err := config.Load(s.Name, &cfg); err != nil {
		return err
	}
	switch {
	case *health:
		return Health(ctx, s.Telemetry(&cfg).AdminListen)
	case flags.Arg(0) == "config":
		return config.Effective(out, s.Name, &cfg)
	case flags.NArg() > 0:
		return fmt.Errorf("%w: unknown word %q; there is only: config", errUsage, flags.Arg(0))
	}
	return Run(ctx, s, cfg)
}

// Run opens telemetry, serves its pages and runs the service beside them until ctx ends.
func Run[C any](ctx context.Context, s Service[C], cfg C) error {
	tel, err := telemetry.Open(ctx, s.Name, s.Telemetry(&cfg))
	if err != nil {
		return err
	}
	KeepMemory(ctx, tel.Log)
	pages := make(chan error, 1)
	go func() { pages <- tel.Serve(ctx) }()
	err = s.Run(ctx, cfg, tel)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return errors.Join(err, tel.Shutdown(stop), <-pages)
}

func usage[C any](out io.Writer, s Service[C], flags *flag.FlagSet) {
	var cfg C
	fmt.Fprintf(out, "%s: %s\n\nUsage: %s [flags] [config]\n\n  config  print the settings in force, secrets masked\n\nFlags:\n", s.Name, s.About, s.Name)
	flags.PrintDefaults()
	fmt.Fprintln(out, "\nSettings (environment):")
	_ = config.Usage(out, s.Name, &cfg)
}

// Health asks http://listen/readyz and returns what it said when that is not 200. It is what a container's health check
// calls; a wildcard address is asked on loopback.
func Health(ctx context.Context, listen string) error {
	if strings.HasPrefix(listen, ":") || strings.HasPrefix(listen, "0.0.0.0:") {
		listen = "127.0.0.1" + listen[strings.LastIndex(listen, ":"):]
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", listen, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking %s: %w", listen, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(text)))
	}
	return nil
}
