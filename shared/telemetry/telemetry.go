// Package telemetry gives a program its logs, metrics and health pages.
//
// Its one promise: liveness says that the process runs, readiness says that the next request can be served, and no log
// line or metric label carries a token or an event's content because nothing here ever sees them.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// version is set by the linker; Version falls back to "dev".
var version string

// Version is the build's version, "dev" when the build named none.
func Version() string {
	if version == "" {
		return "dev"
	}
	return version
}

// Config is what every service lets people set about its telemetry.
type Config struct {
	AdminListen string `envconfig:"ADMIN_LISTEN" default:"127.0.0.1:9090" desc:"address of /livez, /readyz and /metrics; port 0 takes a free one"`
	Profiles    bool   `envconfig:"ADMIN_PROFILES" default:"false" desc:"serve profiles for go tool pprof at /debug/pprof/ to whoever reaches that address; taking one costs time"`
	LogLevel    string `envconfig:"LOG_LEVEL" default:"info" desc:"debug, info, warn or error"`
	LogFormat   string `envconfig:"LOG_FORMAT" default:"auto" desc:"json, text, or auto: text on a terminal, else json"`
}

// Telemetry is one program's logger, metric registry, readiness checks and admin listener.
type Telemetry struct {
	Log     *slog.Logger
	Metrics *prometheus.Registry
	admin   *admin
	base    *slog.Logger // without a service's name
}

// admin is shared by a Telemetry and everything derived from it with For.
type admin struct {
	listener net.Listener
	server   *http.Server
	mux      *http.ServeMux
	mu       sync.Mutex
	checks   []check
	stopping atomic.Bool
}

// check is one thing a service needs for its next request.
type check struct {
	name  string
	probe func(context.Context) error
}

// Open binds the admin address and prepares logger and registry. service names the program in each log line.
func Open(ctx context.Context, service string, cfg Config) (*Telemetry, error) {
	log, err := newLogger(os.Stderr, cfg)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", cfg.AdminListen)
	if err != nil {
		return nil, fmt.Errorf("listening for health and metrics on ADMIN_LISTEN=%s (give another address, or port 0): %w", cfg.AdminListen, err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	a := &admin{listener: listener, mux: http.NewServeMux()}
	a.server = &http.Server{Handler: a.mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute}
	t := &Telemetry{Log: log.With("service", service), Metrics: registry, admin: a, base: log}
	t.routes()
	if cfg.Profiles {
		t.profiles()
	}
	return t, nil
}

func buildInfo() prometheus.Collector {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sluice_build_info", Help: "Version of this build; always 1."}, []string{"version"})
	g.WithLabelValues(Version()).Set(1)
	return g
}

func newLogger(w *os.File, cfg Config) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		return nil, fmt.Errorf("setting LOG_LEVEL: %q is none of debug, info, warn, error", cfg.LogLevel)
	}
	switch cfg.LogFormat {
	case "auto", "":
		if isatty.IsTerminal(w.Fd()) {
			return textLogger(w, level), nil
		}
	case "text":
		return textLogger(w, level), nil
	case "json":
	default:
		return nil, fmt.Errorf("setting LOG_FORMAT: %q is none of auto, json, text", cfg.LogFormat)
	}
	return slog.New(slog.NewJSONHandler(controls{w}, &slog.HandlerOptions{Level: level})), nil
}

func textLogger(w *os.File, level slog.Level) *slog.Logger {
	plain := noColor() || !isatty.IsTerminal(w.Fd())
	return slog.New(printable{tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: plain})})
}

// For derives the telemetry of one service inside an all-in-one program: same registry and pages, own log name.
func (t *Telemetry) For(service string) *Telemetry {
	return &Telemetry{Log: t.base.With("service", service), Metrics: t.Metrics, admin: t.admin, base: t.base}
}

// Check adds a readiness probe; probe gets a context of two seconds.
func (t *Telemetry) Check(name string, probe func(context.Context) error) {
	t.admin.mu.Lock()
	defer t.admin.mu.Unlock()
	t.admin.checks = append(t.admin.checks, check{name, probe})
}

// Stopping turns readiness off for good; liveness stays.
func (t *Telemetry) Stopping() { t.admin.stopping.Store(true) }

// AdminURL is the address of the health and metrics pages.
func (t *Telemetry) AdminURL() string { return "http://" + t.admin.listener.Addr().String() }

// Serve answers health and metrics until Shutdown.
func (t *Telemetry) Serve(context.Context) error {
	if err := t.admin.server.Serve(t.admin.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving health and metrics: %w", err)
	}
	return nil
}

// Shutdown ends Serve.
func (t *Telemetry) Shutdown(ctx context.Context) error { return t.admin.server.Shutdown(ctx) }

func (t *Telemetry) routes() {
	live := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") }
	t.admin.mux.HandleFunc("GET /livez", live)
	t.admin.mux.HandleFunc("GET /healthz", live)
	t.admin.mux.HandleFunc("GET /readyz", t.admin.ready)
	t.admin.mux.Handle("GET /metrics", promhttp.HandlerFor(t.Metrics, promhttp.HandlerOpts{Registry: t.Metrics}))
}

// Ready runs all checks once and returns what is missing, nil when the next request can be served.
func (t *Telemetry) Ready(ctx context.Context) error {
	_, err := t.admin.probe(ctx)
	return err
}

// probe returns one line per check, in the manner of Kubernetes' verbose pages.
func (a *admin) probe(ctx context.Context) (lines string, err error) {
	a.mu.Lock()
	checks := append([]check(nil), a.checks...)
	a.mu.Unlock()
	if a.stopping.Load() {
		return "[-]stopping\n", errors.New("stopping")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var errs []error
	for _, c := range checks {
		if failure := c.probe(ctx); failure != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, failure))
			lines += fmt.Sprintf("[-]%s %v\n", c.name, failure)
			continue
		}
		lines += fmt.Sprintf("[+]%s ok\n", c.name)
	}
	return lines, errors.Join(errs...)
}

func (a *admin) ready(w http.ResponseWriter, r *http.Request) {
	lines, err := a.probe(r.Context())
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(w, lines)
}

// noColor follows the convention of NO_COLOR, which belongs to no program in particular.
func noColor() bool { return os.Getenv("NO_COLOR") != "" } //nolint:forbidigo // not a setting of ours
