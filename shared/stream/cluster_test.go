package stream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// await polls until try succeeds.
func await(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; <-time.After(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
	}
}

// monitors are pages of NATS servers that say whether they sync always; what is nil answers nothing.
func monitors(t *testing.T, always ...func() bool) (urls []string) {
	t.Helper()
	for _, ask := range always {
		page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if ask == nil {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = fmt.Fprintf(w, `{"config":{"sync_always":%t}}`, ask())
		}))
		t.Cleanup(page.Close)
		urls = append(urls, page.URL)
	}
	return urls
}

func yes() bool { return true }

func TestOneServerOfThreeMayBeAwayAtTheStart(t *testing.T) {
	cfg := streamtest.Start(t).Config()
	cfg.SyncAlways, cfg.NATSMonitorURLs = false, monitors(t, yes, nil, yes)
	conn, err := stream.Open(t.Context(), "test", cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestMostServersMustProveTheirDurability(t *testing.T) {
	cfg := streamtest.Start(t).Config()
	cfg.SyncAlways, cfg.NATSMonitorURLs = false, monitors(t, yes, nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	conn, err := stream.Open(ctx, "test", cfg, quiet())
	if err == nil {
		conn.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "1 answered and more than half must") {
		t.Fatalf("got %v", err)
	}
}

func TestAServerThatComesBackWithoutSyncStopsPublishing(t *testing.T) {
	srv := streamtest.Start(t)
	srv.Open(t, "default")
	cfg := srv.Config()
	var mu sync.Mutex
	back := false
	third := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !back {
			w.WriteHeader(http.StatusServiceUnavailable) // and no JSON
			return
		}
		_, _ = w.Write([]byte(`{"config":{"sync_interval":120000000000}}`))
	}))
	defer third.Close()
	cfg.SyncAlways, cfg.NATSMonitorURLs = false, append(monitors(t, yes, yes), third.URL)
	conn, err := stream.Open(t.Context(), "test", cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	publish(t, conn, 1)
	mu.Lock()
	back = true
	mu.Unlock()
	await(t, time.Minute, "a refusal", func() error {
		if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDeliveries, Data: []byte("x")}); !errors.Is(err, stream.ErrNotDurable) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	if err := conn.Ready(t.Context()); !errors.Is(err, stream.ErrNotDurable) {
		t.Fatalf("ready: %v", err)
	}
}

func TestAPublishWithAnIDOutlastsARestartOfTheServer(t *testing.T) {
	dir, port := t.TempDir(), 0
	start := func() *embedded.Server {
		s, err := embedded.Start(t.Context(), embedded.Options{Dir: dir, Port: port, MaxStore: 16 << 30, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	srv := start()
	defer func() { _ = srv.Stop(context.Background()) }()
	_, raw, _ := net.SplitHostPort(strings.TrimPrefix(srv.URL(), "nats://"))
	_, _ = fmt.Sscan(raw, &port)
	conn, err := stream.Open(t.Context(), "test", stream.Config{NATSURL: config.URL(srv.URL()), SyncAlways: true}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Setup(t.Context(), streamtest.Topology()); err != nil {
		t.Fatal(err)
	}
	publish(t, conn, 1)
	if err := srv.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, ID: "one", Data: []byte("x")})
		done <- err
	}()
	srv = start()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	receipt, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, ID: "one", Data: []byte("x")})
	if err != nil || !receipt.Duplicate {
		t.Fatalf("it was stored twice: %+v, %v", receipt, err)
	}
}

// openAt opens a connection that knows all servers and is at a certain one.
func openAt(t *testing.T, c *streamtest.Cluster, at int) *stream.Conn {
	t.Helper()
	for range 50 {
		conn, err := stream.Open(t.Context(), "test", stream.Config{NATSURL: config.URL(strings.Join(c.URLs(), ",")), SyncAlways: true}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if c.Clients(at) > 0 {
			t.Cleanup(conn.Close)
			return conn
		}
		conn.Close() // the order of the servers is left to chance
	}
	t.Fatalf("no connection went to server %d", at)
	return nil
}

func TestAConnectionLeavesAServerThatHasLostItsCluster(t *testing.T) {
	cluster := streamtest.StartCluster(t)
	conn := openAt(t, cluster, 0)
	three := streamtest.Topology()
	three.Replicas = 3
	await(t, time.Minute, "a topology of three copies", func() error {
		_, err := conn.Setup(t.Context(), three)
		return err
	})
	publish(t, conn, 1)
	cluster.CutOffFirst()
	await(t, 2*time.Minute, "publishing by way of another server", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, ID: "one", Data: []byte("x")})
		return err
	})
	if n := cluster.Clients(0); n != 0 {
		t.Fatalf("%d clients are still at the server that was cut off", n)
	}
}
