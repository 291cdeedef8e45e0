package load_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// receiving is what a receiver process says of itself.
type receiving struct {
	URL   string `json:"url"`
	Token string `json:"token"`
	NATS  string `json:"nats"`
}

// openStream starts the server of the all-in-one with the streams of the all-in-one, and connects as its services do.
func openStream(ctx context.Context, dir string) (*embedded.Server, *stream.Conn, error) {
	var topology stream.Topology
	if err := config.Load("stream", &topology); err != nil {
		return nil, nil, err
	}
	log := slog.New(slog.DiscardHandler)
	ns, err := embedded.Start(ctx, embedded.Options{Dir: filepath.Join(dir, "nats"), MaxStore: topology.Total() + 1<<30, Log: log})
	if err != nil {
		return nil, nil, err
	}
	conn, err := stream.Open(ctx, "load", inProcess(ns), log)
	if err == nil {
		_, err = conn.Setup(ctx, topology)
	}
	return ns, conn, err
}

func inProcess(ns *embedded.Server) stream.Config {
	return stream.Config{NATSURL: config.URL(ns.URL()), InProcess: ns, SyncAlways: ns.SyncAlways(), Healthz: ns.Healthz}
}

// playReceiver runs the receiver and its NATS server in one process, as the all-in-one does, without anything behind.
func playReceiver(ctx context.Context, dir string, t talk) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ns, conn, err := openStream(ctx, dir)
	if err != nil {
		return err
	}
	registry, err := endpoint.Open(ctx, conn)
	if err != nil {
		return err
	}
	id, token := endpoint.NewID(), endpoint.NewToken()
	if _, err := registry.Create(ctx, endpoint.Endpoint{ID: id, Name: "load", Namespace: "load"}, token); err != nil {
		return err
	}
	var cfg receiver.Config
	if err := config.Load("receiver", &cfg); err != nil {
		return err
	}
	cfg.Listen, cfg.Instance, cfg.Stream = "127.0.0.1:0", "load", inProcess(ns)
	tel, err := telemetry.Open(ctx, "receiver", telemetry.Config{AdminListen: "127.0.0.1:0", LogLevel: "warn", LogFormat: "json"})
	if err != nil {
		return err
	}
	service, err := receiver.Open(ctx, cfg, tel)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	if err := awaitReceiver(ctx, tel, ended); err != nil {
		return err
	}
	if err := t.out.Encode(receiving{"http://" + service.Addr().String() + "/v1/endpoints/" + id, token, ns.URL()}); err != nil {
		return err
	}
	_, err = t.asked(&struct{}{}) // nothing is asked: it ends when the benchmark does
	cancel()
	err = errors.Join(err, <-ended)
	conn.Close()
	return errors.Join(err, ns.Stop(context.WithoutCancel(ctx)))
}

func awaitReceiver(ctx context.Context, tel *telemetry.Telemetry, ended <-chan error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := tel.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		case err := <-ended:
			return errors.Join(err, errors.New("the receiver ended before it was ready"))
		}
	}
}
