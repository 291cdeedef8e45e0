// Package indexer is the service that writes documents to Elasticsearch. Any number of indexers may run side by side;
// each namespace has its own consumer, so that one blocked namespace holds up no other.
package indexer

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicelog/sluice/services/indexer/internal/bulk"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/elastic"
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
	// Elasticsearch is where Elasticsearch is.
	Elasticsearch = elastic.Config
)

// Config is the indexer's settings.
type Config struct {
	Own
	Index
	Stream
	Elasticsearch
	Telemetry
}

// Index is how the indices of a namespace are made.
type Index = elastic.Index

// Own is what only the indexer has.
type Own struct {
	Workers      int           `split_words:"true" default:"2" desc:"bulk requests at once, per namespace and class of documents"`
	BulkBytes    config.Bytes  `split_words:"true" default:"4MiB" desc:"a bulk request is full at this size"`
	BulkMessages int           `split_words:"true" default:"2000" desc:"a bulk request is full at this many messages"`
	BulkAge      time.Duration `split_words:"true" default:"100ms" desc:"how long a bulk request waits to fill while more is coming"`
	BulkTimeout  time.Duration `split_words:"true" default:"60s" desc:"time for one request to Elasticsearch; while answers come too late, up to four times as long"`
	Held         config.Bytes  `split_words:"true" default:"24MiB" desc:"bytes of messages held at once, per namespace: half of it for each class of documents, at least two of the largest messages"`
	ReplayMargin time.Duration `split_words:"true" default:"1h" desc:"how long indexed documents stay in the stream, room permitting"`
	Grace        time.Duration `split_words:"true" default:"10s" desc:"time for a clean stop"`
}

// check refuses settings with which nothing could ever be indexed.
func (o Own) check() error {
	switch {
	case o.Workers < 1:
		return fmt.Errorf("setting INDEXER_WORKERS: %d, but at least 1 is needed", o.Workers)
	case o.BulkMessages < 1:
		return fmt.Errorf("setting INDEXER_BULK_MESSAGES: %d, but at least 1 is needed", o.BulkMessages)
	case o.BulkTimeout < time.Second:
		return fmt.Errorf("setting INDEXER_BULK_TIMEOUT: %s is too short for any answer; use 60s, at least 1s", o.BulkTimeout)
	case o.Grace <= 0:
		return fmt.Errorf("setting INDEXER_GRACE: %s is no time to stop in; use some seconds", o.Grace)
	}
	return nil
}

// headerRoom is what the headers of a dead letter may take of the server's largest message, in bytes.
const headerRoom = 64 << 10

// Run indexes until ctx ends, then finishes what it holds.
//
//	DOCUMENTS ─▶ inbox (per namespace and class) ─▶ workers ─▶ Elasticsearch
//	     ▲                                             └─────▶ DEAD_LETTERS
//	     └─ janitor
func Run(ctx context.Context, cfg Config, tel *telemetry.Telemetry) error {
	if err := cfg.check(); err != nil {
		return err
	}
	conn, err := stream.Open(ctx, "indexer", cfg.Stream, tel.Log)
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

func assemble(ctx context.Context, cfg Config, tel *telemetry.Telemetry, conn *stream.Conn) (*lifecycle.Group, error) {
	cluster, err := elastic.Open(cfg.Elasticsearch)
	if err != nil {
		return nil, err
	}
	registry, err := endpoint.Open(ctx, conn)
	if err != nil {
		return nil, err
	}
	directory := registry.Follow(tel.Log)
	metrics := bulk.NewMetrics(tel.Metrics)
	target := target{Client: cluster, index: cfg.Index, registry: registry, directory: directory, log: tel.Log}
	writer := bulk.New(bulk.Parts{
		Cluster: target, Letters: deadletter.Open(conn), MaxLetter: conn.MaxPayload() - headerRoom, Metrics: metrics, Log: tel.Log, Timeout: cfg.BulkTimeout,
	})
	janitor := conn.NewJanitor(stream.Documents, cfg.ReplayMargin)
	crew := newCrew(gear{cfg: cfg, conn: conn, target: target, directory: directory, writer: writer, janitor: janitor, tel: tel})
	tel.Check("stream", conn.Ready)
	tel.Check("elasticsearch", cluster.Ready)
	tel.Check("namespaces", crew.ready)
	tel.Metrics.MustRegister((&age{conn: conn, directory: directory, held: crew.held}).collector()) //nolint:contextcheck // a scrape has no context
	guard := stream.NewGuard(cfg.Stream, tel.Log)
	tel.Check("stream writes", guard.Ready)
	tel.Metrics.MustRegister(janitor.Collector())
	guard.Register(tel.Metrics)
	group := &lifecycle.Group{}
	group.Add("stream", nil, conn.Drain)
	group.Add("stream guard", guard.Run, nil)
	group.Add("directory", directory.Run, nil)
	group.Add("janitor", janitor.Run, nil)
	group.Add("namespaces", crew.run, crew.stop)
	return group, nil
}

// Program is the indexer as a program of its own.
func Program() program.Service[Config] {
	return program.Service[Config]{
		Name: "indexer", About: "writes documents to Elasticsearch",
		Telemetry: func(c *Config) telemetry.Config { return c.Telemetry }, Run: Run,
	}
}
