package stream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrWriteDead says that a stream takes no message before its server has started again.
var ErrWriteDead = errors.New("stream takes no messages until its server starts again")

// WriteDead is a stream that an error of its server's disk has made refuse every write, until that server starts again;
// also after the disk is well. It can still be read.
type WriteDead struct {
	Stream string `json:"stream"`
	Server string `json:"server"` // its monitoring address; empty for the one in this process
	Reason string `json:"reason"` // as the server says it
}

// Guard watches whether the server's streams can be written. It is safe for concurrent use.
type Guard struct {
	cfg  Config
	log  *slog.Logger
	desc *prometheus.Desc

	mu   sync.Mutex
	dead []WriteDead
	said time.Time
}

const (
	// guardPeriod is the time between two looks at the server's health.
	guardPeriod = 5 * time.Second
	// guardSays is the time between two lines in the log about the same.
	guardSays = time.Minute
)

// NewGuard returns a guard for the servers that cfg names.
func NewGuard(cfg Config, log *slog.Logger) *Guard {
	return &Guard{cfg: cfg, log: log, desc: prometheus.NewDesc("sluice_stream_write_dead",
		"1 for a stream that refuses every write since an error of its server's disk, until nats-server is restarted.", []string{"stream"}, nil)}
}

// Run looks at the server's health until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(guardPeriod)
	defer tick.Stop()
	for {
		g.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Ready is the readiness probe: it fails while every server that was asked has a stream that cannot be written.
func (g *Guard) Ready(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	servers := map[string]bool{}
	for _, d := range g.dead {
		servers[d.Server] = true
	}
	if len(g.dead) == 0 || len(servers) < len(g.cfg.NATSMonitorURLs) { // of a cluster another server may lead
		return nil
	}
	return fmt.Errorf("%w: %s: %s", ErrWriteDead, g.dead[0].Stream, g.dead[0].Reason)
}

// look asks once, and says what changed. A server that does not answer says nothing of its streams.
func (g *Guard) look(ctx context.Context) {
	now, err := AskWriteDead(ctx, g.cfg)
	if err != nil {
		g.log.DebugContext(ctx, "asking the NATS server for its health", "error", err)
	}
	if silent, ok := errors.AsType[unheard](err); ok {
		now = append(now, g.known(silent)...)
	} else if err != nil {
		return
	}
	g.mu.Lock()
	before, say := g.dead, len(now) > 0 && time.Since(g.said) >= guardSays
	g.dead = now
	if say {
		g.said = time.Now()
	}
	if len(now) == 0 {
		g.said = time.Time{}
	}
	g.mu.Unlock()
	if g.cfg.Healthz != nil { // whoever owns the server says it, and heals it
		return
	}
	if say {
		for _, d := range now {
			g.log.ErrorContext(ctx, "a stream takes no messages any more, since its server's disk failed or was full: see to the disk, then restart nats-server",
				"stream", d.Stream, "server", d.Server, "reason", d.Reason)
		}
	}
	if len(now) == 0 && len(before) > 0 {
		g.log.InfoContext(ctx, "all streams take messages again")
	}
}

// known is what was last said of servers that do not answer now.
func (g *Guard) known(silent unheard) (all []WriteDead) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.dead {
		if slices.Contains(silent.servers, d.Server) {
			all = append(all, d)
		}
	}
	return all
}

// Register adds the metric to a registry that several services of one process may share: there one is enough.
func (g *Guard) Register(to prometheus.Registerer) {
	var already prometheus.AlreadyRegisteredError
	if err := to.Register(g); err != nil && !errors.As(err, &already) {
		panic(err) // as MustRegister does
	}
}

// Describe names the metric.
func (g *Guard) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

// Collect reports it: for the three streams always, for another one (the buckets are streams, too) while it is dead.
func (g *Guard) Collect(out chan<- prometheus.Metric) {
	all := map[string]float64{Deliveries: 0, Documents: 0, DeadLetters: 0}
	g.mu.Lock()
	for _, d := range g.dead {
		all[d.Stream] = 1
	}
	g.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, all[name], name)
	}
}

// unheard says which servers gave no answer, and why.
type unheard struct {
	servers []string
	cause   error
}

func (u unheard) Error() string { return u.cause.Error() }

func (u unheard) Unwrap() error { return u.cause }

// AskWriteDead asks the servers of cfg once which streams they cannot write: the one in this process, or each monitoring
// address. A server that is part of a cluster tells it of replicated streams only. With an error the result is what the
// others said.
func AskWriteDead(ctx context.Context, cfg Config) ([]WriteDead, error) {
	if cfg.Healthz != nil {
		page, err := cfg.Healthz()
		if err != nil {
			return nil, err
		}
		return readHealth(page, "")
	}
	roots, err := cfg.roots()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	defer client.CloseIdleConnections()
	var all []WriteDead
	var silent unheard
	for _, base := range cfg.NATSMonitorURLs {
		base = strings.TrimSuffix(strings.TrimSpace(base), "/")
		page, err := healthPage(ctx, client, base+"/healthz?details=true")
		if err == nil {
			var dead []WriteDead
			dead, err = readHealth(page, base)
			all = append(all, dead...)
		}
		if err != nil {
			silent.servers, silent.cause = append(silent.servers, base), errors.Join(silent.cause, err)
		}
	}
	if silent.cause != nil {
		return all, silent
	}
	return all, nil
}

func healthPage(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(io.LimitReader(res.Body, 1<<20))
}

// readHealth takes the streams with a write error out of a health page with details.
func readHealth(page []byte, server string) ([]WriteDead, error) {
	var health struct {
		Errors []struct {
			Stream string `json:"stream"`
			Error  string `json:"error"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(page, &health); err != nil {
		return nil, fmt.Errorf("reading the health of the NATS server: %w", err)
	}
	var dead []WriteDead
	for _, e := range health.Errors {
		if _, reason, is := strings.Cut(e.Error, "write error: "); is && e.Stream != "" {
			dead = append(dead, WriteDead{Stream: e.Stream, Server: server, Reason: reason})
		}
	}
	return dead, nil
}
