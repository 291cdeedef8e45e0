// Package enricher is the service between the two streams: it turns deliveries into documents. Any number of enrichers
// may run side by side.
package enricher

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicelog/sluice/services/enricher/internal/enrich"
	"github.com/sluicelog/sluice/services/enricher/internal/geo"
	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/services/enricher/internal/useragent"
	"github.com/sluicelog/sluice/services/enricher/internal/watch"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/lifecycle"
	"github.com/sluicelog/sluice/shared/program"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// The settings that all services share, under the names they have in Config.
type (
	// Telemetry is logs, metrics and health.
	Telemetry = telemetry.Config
	// Stream is where NATS is.
	Stream = stream.Config
)

// Config is the enricher's settings.
type Config struct {
	Own
	Stream
	Telemetry
}

// Own is what only the enricher has.
type Own struct {
	Workers      int           `split_words:"true" default:"2" desc:"messages enriched at once"`
	Held         config.Bytes  `split_words:"true" default:"24MiB" desc:"bytes of messages held at once: half of it for each class of deliveries, at least two of the largest messages"`
	MaxBody      config.Bytes  `split_words:"true" default:"32MiB" desc:"largest delivery after decompression; not below the receiver's"`
	PartBytes    config.Bytes  `split_words:"true" default:"4MiB" desc:"where messages of documents are cut; a larger document gets one of its own"`
	KeepOriginal bool          `split_words:"true" default:"false" desc:"keep the event as received in event.original too, not searchable; it can be rebuilt without"`
	Geoip        string        `split_words:"true" desc:"MMDB file, or folder of them, that says where addresses are; empty: documents name no place"`
	ReplayMargin time.Duration `split_words:"true" default:"24h" desc:"how long finished deliveries stay in the stream, room permitting"`
	Grace        time.Duration `split_words:"true" default:"10s" desc:"time for a clean stop"`
}

// minMessage is the smallest max_payload of a NATS server that we can work with, in bytes.
const minMessage = 256 << 10

// patience is how long the stream may take to store what is ready, before that is offered again.
const patience = 30 * time.Second

// check refuses settings with which nothing could ever be enriched.
func (o Own) check() error {
	switch {
	case o.Workers < 1:
		return fmt.Errorf("setting ENRICHER_WORKERS: %d, but at least 1 is needed", o.Workers)
	case o.MaxBody < 1<<20:
		return fmt.Errorf("setting ENRICHER_MAX_BODY: %s would set whole deliveries aside; use the receiver's limit, at least 1MiB", o.MaxBody)
	case o.Grace <= 0:
		return fmt.Errorf("setting ENRICHER_GRACE: %s is no time to stop in; use some seconds", o.Grace)
	}
	return nil
}

// Run enriches until ctx ends, then finishes what it holds.
//
//	DELIVERIES ─▶ inbox of each class ─▶ workers ─▶ DOCUMENTS
//	     ▲                                  └─────▶ DEAD_LETTERS
//	     └─ janitor                        watch ◀─ what the receivers saw
func Run(ctx context.Context, cfg Config, tel *telemetry.Telemetry) error {
	if err := cfg.check(); err != nil {
		return err
	}
	conn, err := stream.Open(ctx, "enricher", cfg.Stream, tel.Log)
	if err != nil {
		return lifecycle.UnlessStopped(ctx, err)
	}
	group, err := assemble(ctx, cfg, tel, conn)
	if err != nil {
		conn.Close()
		return lifecycle.UnlessStopped(ctx, err)
	}
	context.AfterFunc(ctx, tel.Stopping)
	return group.Run(ctx, cfg.Grace)
}

func assemble(ctx context.Context, cfg Config, tel *telemetry.Telemetry, conn *stream.Conn) (*lifecycle.Group, error) { //nolint:funlen // wiring in a straight line
	if have := conn.MaxPayload(); have < minMessage {
		return nil, fmt.Errorf("the NATS server takes messages of %d bytes at most: set its max_payload to 8MB (at least %d)", have, minMessage)
	}
	registry, err := endpoint.Open(ctx, conn)
	if err != nil {
		return nil, err
	}
	janitor := conn.NewJanitor(stream.Deliveries, cfg.ReplayMargin)
	inbox, err := conn.Pair(ctx, stream.Deliveries, stream.Enricher, int(cfg.Held), janitor.Attach)
	if err != nil {
		return nil, err
	}
	state, err := conn.State(ctx, stream.Deliveries)
	if err != nil {
		return nil, err
	}
	places, err := geo.Open(cfg.Geoip, tel.Log, tel.Metrics)
	if err != nil {
		return nil, fmt.Errorf("setting ENRICHER_GEOIP: %w", err)
	}
	mapper, err := mapping.New(mapping.Options{Original: cfg.KeepOriginal, Places: places, Agents: useragent.New()})
	if err != nil {
		return nil, err
	}
	directory := registry.Follow(tel.Log)
	e := enrich.New(enrich.Parts{
		Stream: conn, Letters: deadletter.Open(conn), Directory: directory, Mapper: mapper, Metrics: enrich.NewMetrics(tel.Metrics),
		Log: tel.Log, Created: state.Created, MaxBody: int64(cfg.MaxBody), PartBytes: int(cfg.PartBytes), Patience: patience,
	})
	tel.Check("stream", conn.Ready)
	tel.Check("consumer", func(context.Context) error { return inbox.Failure() })
	guard := stream.NewGuard(cfg.Stream, tel.Log)
	tel.Check("stream writes", guard.Ready)
	tel.Metrics.MustRegister((&age{conn: conn, held: inbox.Oldest}).collector()) //nolint:contextcheck // a scrape has no context
	guard.Register(tel.Metrics)
	group := &lifecycle.Group{}
	group.Add("stream", nil, conn.Drain)
	group.Add("stream guard", guard.Run, nil)
	group.Add("directory", directory.Run, nil)
	group.Add("geoip", places.Run, nil)
	tel.Metrics.MustRegister(janitor.Collector())
	group.Add("janitor", janitor.Run, nil)
	watched, err := watching(ctx, conn, directory, tel)
	if err != nil {
		return nil, err
	}
	group.Add("watch", watched.Run, nil)
	w := &worker{enricher: e, current: directory.AwaitCurrent}
	pool := stream.NewPool(inbox, cfg.Workers, stream.Want{Count: 1, Bytes: 1}, w.handle)
	group.Add("workers", pool.Run, pool.Stop)
	return group, nil
}

// watching looks after the endpoints, in one enricher at a time.
func watching(ctx context.Context, conn *stream.Conn, directory *endpoint.Directory, tel *telemetry.Telemetry) (*watch.Watch, error) {
	board, err := endpoint.OpenBoard(ctx, conn)
	if err != nil {
		return nil, err
	}
	turn, err := conn.Turn(ctx, "watch")
	if err != nil {
		return nil, err
	}
	w := watch.New(watch.Parts{Turn: turn, Directory: directory, Board: board, Letters: deadletter.Open(conn), Ledger: conn, Log: tel.Log})
	tel.Metrics.MustRegister(w.Collector())
	return w, nil
}

// worker gives messages their verdict.
type worker struct {
	enricher *enrich.Enricher
	current  func(context.Context) error // blocks until the registry is as it is now
}

// handle waits for the registry, which says where documents go, and finishes what it got; at a stop it gives that back. An
// old calendar would send an event to another index than a new one, so a registry that was lost sight of is waited for.
func (w *worker) handle(ctx context.Context, batch []*stream.Message) {
	err := w.current(ctx)
	for _, m := range batch {
		if err == nil {
			err = w.enricher.Handle(ctx, m)
		}
		if errors.Is(err, delivery.ErrNewer) || errors.Is(err, endpoint.ErrUnreadable) {
			m.Retry(stream.UpgradeWait(m.Delivered))
			err = nil
			continue
		}
		if err != nil {
			m.Retry(0)
			continue
		}
		m.Done()
	}
}

// Program is the enricher as a program of its own.
func Program() program.Service[Config] {
	return program.Service[Config]{
		Name: "enricher", About: "turns deliveries into documents",
		Telemetry: func(c *Config) telemetry.Config { return c.Telemetry }, Run: Run,
	}
}
