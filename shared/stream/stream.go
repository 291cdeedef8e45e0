// Package stream is the only door to NATS JetStream: connection, topology, publishing, consuming, buckets.
//
// Its promise: Publish returns nil only when the message is on disk (the server runs with sync_interval always, which
// Open verifies), and a message taken from an Inbox stays the server's until it got its verdict. No type of nats.go
// leaves this package.
package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/config"
)

// Dialer opens connections to a server in the same process.
type Dialer interface {
	InProcessConn() (net.Conn, error)
}

// Config says where the server is and how its durability is proven.
type Config struct {
	NATSURL         config.URL `envconfig:"NATS_URL" default:"nats://127.0.0.1:4222" desc:"NATS servers, separated by commas"`
	NATSCredentials string     `envconfig:"NATS_CREDENTIALS_FILE" desc:"credentials file (JWT and nkey) for NATS"`
	NATSNkey        string     `envconfig:"NATS_NKEY_FILE" desc:"nkey seed file for NATS"`
	NATSCAFile      string     `envconfig:"NATS_CA_FILE" desc:"PEM file of the authority that signed the NATS server's certificate"`
	NATSMonitorURLs []string   `envconfig:"NATS_MONITOR_URLS" desc:"monitoring address of every NATS server, separated by commas; its /jsz must report sync always"`
	NATSUnsafe      bool       `envconfig:"NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS" default:"false" desc:"start although the server may lose acknowledged events in a power cut"`
	InProcess       Dialer     `ignored:"true"` // set by the all-in-one: no socket between service and server
	SyncAlways      bool       `ignored:"true"` // set by the all-in-one, which knows its server's setting
}

// Conn is one connection to JetStream. It is safe for concurrent use and reconnects for ever.
type Conn struct {
	nc   *nats.Conn
	js   jetstream.JetStream
	log  *slog.Logger
	back *bell
	care *care
}

// bell rings when a lost connection is back. What the server pushed to us, such as a watch, has then ended silently.
type bell struct {
	mu sync.Mutex
	ch chan struct{}
}

// listen returns a channel that closes at the next ring.
func (b *bell) listen() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

// Open connects and verifies that acknowledged means on disk. name shows in the server's connection list.
func Open(ctx context.Context, name string, cfg Config, log *slog.Logger) (*Conn, error) {
	silent, err := proveDurable(ctx, cfg)
	if err != nil {
		return nil, err
	}
	back := &bell{ch: make(chan struct{})}
	nc, err := dial(ctx, name, cfg, log, back)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("opening jetstream: %w", err)
	}
	c := &Conn{nc: nc, js: js, log: log, back: back}
	c.care = c.startCare(ctx, silent, cfg.InProcess == nil)
	return c, nil
}

// pingPeriod is how often a server must show that it is there; after three times it counts as gone. A server that stands
// still, or whose network drops everything, is noticed by nothing else.
const pingPeriod = 4 * time.Second

func dial(ctx context.Context, name string, cfg Config, log *slog.Logger, back *bell) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name("sluice-" + name), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, time.Second), nats.ReconnectBufSize(-1),
		nats.PingInterval(pingPeriod), nats.MaxPingsOutstanding(2),
		nats.Timeout(5 * time.Second), nats.DrainTimeout(10 * time.Second), nats.CustomInboxPrefix("_INBOX_" + name),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.WarnContext(ctx, "nats connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			log.InfoContext(ctx, "nats connection back")
			back.ring()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.WarnContext(ctx, "nats reported an error", "error", err)
		}),
	}
	if cfg.InProcess != nil {
		opts = append(opts, nats.InProcessServer(cfg.InProcess))
	}
	if cfg.NATSCredentials != "" {
		opts = append(opts, nats.UserCredentials(cfg.NATSCredentials))
	}
	if cfg.NATSCAFile != "" {
		opts = append(opts, nats.RootCAs(cfg.NATSCAFile))
	}
	if cfg.NATSNkey != "" {
		opt, err := nats.NkeyOptionFromSeed(cfg.NATSNkey)
		if err != nil {
			return nil, fmt.Errorf("reading NATS_NKEY_FILE: %w", err)
		}
		opts = append(opts, opt)
	}
	return connect(ctx, cfg, opts)
}

// connect tries until ctx ends, so that services may start before their server.
func connect(ctx context.Context, cfg Config, opts []nats.Option) (*nats.Conn, error) {
	limit, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		nc, err := nats.Connect(cfg.NATSURL.Reveal(), opts...)
		if err == nil {
			return nc, nil
		}
		select {
		case <-limit.Done():
			return nil, fmt.Errorf("connecting to NATS at %s (is NATS_URL right and the server running?): %w", cfg.NATSURL, err)
		case <-time.After(500 * time.Millisecond):
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("connecting to NATS at %s: the server refuses our credentials: %w", cfg.NATSURL, err)
		}
	}
}

// MaxPayload is the largest message in bytes, headers included, that the server takes.
func (c *Conn) MaxPayload() int { return int(c.nc.MaxPayload()) }

// Ready reports whether JetStream answers; it is the readiness probe of every service that uses it.
func (c *Conn) Ready(ctx context.Context) error {
	if !c.nc.IsConnected() {
		return fmt.Errorf("not connected to NATS: %s", c.nc.Status())
	}
	if err := c.care.refuted(); err != nil {
		return err
	}
	if _, err := c.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("asking jetstream: %w", err)
	}
	return nil
}

// Drain sends what is buffered and closes; it returns when the connection is closed or ctx ends.
func (c *Conn) Drain(ctx context.Context) error {
	defer c.care.end()
	if err := c.nc.Drain(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		c.nc.Close()
		if errors.Is(err, nats.ErrConnectionReconnecting) {
			return nil
		}
		return fmt.Errorf("draining nats: %w", err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !c.nc.IsClosed() {
		select {
		case <-ctx.Done():
			c.nc.Close()
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// Close ends the connection at once.
func (c *Conn) Close() {
	c.care.end()
	c.nc.Close()
}
