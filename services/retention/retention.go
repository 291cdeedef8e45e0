// Package retention is the service that deletes whole indices, and the only one that may. Any number of them may run side
// by side.
package retention

import (
	"context"
	"fmt"
	"time"

	"github.com/sluicelog/sluice/services/retention/internal/sweep"
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

// Config is the settings of retention.
type Config struct {
	Own
	Stream
	Elasticsearch
	Telemetry
}

// Own is what only retention has.
type Own struct {
	Interval time.Duration `split_words:"true" default:"10m" desc:"how often indices are looked through"`
	Timeout  time.Duration `split_words:"true" default:"60s" desc:"time for one request to Elasticsearch"`
	Grace    time.Duration `split_words:"true" default:"10s" desc:"time for a clean stop"`
}

// check refuses settings with which nothing could ever be deleted.
func (o Own) check() error {
	switch {
	case o.Interval < time.Second:
		return fmt.Errorf("setting RETENTION_INTERVAL: %s is too often; use some minutes, at least 1s", o.Interval)
	case o.Timeout < time.Second:
		return fmt.Errorf("setting RETENTION_TIMEOUT: %s is too short for any answer; use 60s, at least 1s", o.Timeout)
	case o.Grace <= 0:
		return fmt.Errorf("setting RETENTION_GRACE: %s is no time to stop in; use some seconds", o.Grace)
	}
	return nil
}

// Run deletes what is due until ctx ends.
//
//	registry ─▶ sweep ─▶ Elasticsearch
//	  clocks ───▲
func Run(ctx context.Context, cfg Config, tel *telemetry.Telemetry) error {
	if err := cfg.check(); err != nil {
		return err
	}
	conn, err := stream.Open(ctx, "retention", cfg.Stream, tel.Log)
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
	s := sweep.New(sweep.Parts{
		Registry: registry, Cluster: cluster, Metrics: sweep.NewMetrics(tel.Metrics), Log: tel.Log, Now: time.Now, Timeout: cfg.Timeout,
	})
	w := newWorker(cfg.Interval, s.Sweep)
	tel.Check("stream", conn.Ready)
	tel.Check("elasticsearch", cluster.Ready)
	group := &lifecycle.Group{}
	group.Add("stream", nil, conn.Drain)
	group.Add("sweeps", w.run, w.stop)
	return group, nil
}

// Program is retention as a program of its own.
func Program() program.Service[Config] {
	return program.Service[Config]{
		Name: "retention", About: "deletes indices whose whole period is older than their namespace's retention",
		Telemetry: func(c *Config) telemetry.Config { return c.Telemetry }, Run: Run,
	}
}
