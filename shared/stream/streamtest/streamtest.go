// Package streamtest gives tests a real NATS server with JetStream on disk inside the test process.
package streamtest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
)

// Server is a running server that ends with its test.
type Server struct {
	*embedded.Server
	Dir string
}

// Start runs a server in a folder of the test's own.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartIn(t, t.TempDir())
}

// StartIn runs a server on a given folder, so that a test can start it again on the same data.
func StartIn(t testing.TB, dir string) *Server {
	t.Helper()
	s, err := embedded.Start(t.Context(), embedded.Options{Dir: dir, MaxStore: 16 << 30, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = s.Stop(ctx)
	})
	return &Server{Server: s, Dir: dir}
}

// Config is how a service connects to the server.
func (s *Server) Config() stream.Config {
	return stream.Config{NATSURL: config.URL(s.URL()), InProcess: s.Server, SyncAlways: s.SyncAlways()}
}

// Topology is a small topology for tests.
func Topology() stream.Topology {
	return stream.Topology{DeliveriesMaxBytes: 1 << 30, DocumentsMaxBytes: 1 << 30, DeadLettersMaxBytes: 256 << 20, Replicas: 1, DuplicateWindow: 2 * time.Minute}
}

// Open connects and, when namespaces are given, sets up the topology for them.
func (s *Server) Open(t testing.TB, namespaces ...string) *stream.Conn {
	t.Helper()
	conn, err := stream.Open(t.Context(), "test", s.Config(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if len(namespaces) > 0 {
		if _, err := conn.Setup(t.Context(), Topology()); err != nil {
			t.Fatal(err)
		}
	}
	for _, ns := range namespaces {
		if _, err := conn.SetupNamespace(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// WithoutBulk makes the streams and consumers what they were before there was a bulk class.
func (s *Server) WithoutBulk(t testing.TB) {
	t.Helper()
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		if err := withoutBulk(t.Context(), js, name); err != nil {
			t.Fatal(err)
		}
	}
}

func withoutBulk(ctx context.Context, js jetstream.JetStream, name string) error {
	s, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	names := s.ConsumerNames(ctx)
	for consumer := range names.Name() {
		if stream.IsBulkConsumer(consumer) {
			err = errors.Join(err, s.DeleteConsumer(ctx, consumer))
		}
	}
	cfg := s.CachedInfo().Config
	cfg.Subjects = cfg.Subjects[:1]
	_, updateErr := js.UpdateStream(ctx, cfg)
	return errors.Join(err, names.Err(), updateErr)
}
