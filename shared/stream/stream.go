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
	"sync/atomic"
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
	NATSCAFile      string     `envconfig:"NATS_CA_FILE" desc:"PEM file of the authority that signed the NATS server's certificate; with it only TLS is spoken"`
	NATSCertFile    string     `envconfig:"NATS_CERT_FILE" desc:"PEM file of the certificate to show to NATS, where the server asks for one"`
	NATSKeyFile     string     `envconfig:"NATS_KEY_FILE" desc:"PEM file of its private key"`
	NATSMonitorURLs []string   `envconfig:"NATS_MONITOR_URLS" desc:"monitoring address of every NATS server, separated by commas; its /jsz must report sync always"`
	NATSUnsafe      bool       `envconfig:"NATS_ACCEPT_LOSING_ACKNOWLEDGED_EVENTS" default:"false" desc:"start although the server may lose acknowledged events in a power cut"`
	Unpacked        bool       `envconfig:"STREAM_UNPACKED" default:"false" desc:"store messages as they are, not compressed: while services of a build that cannot read compressed ones still run"`
	InProcess       Dialer     `ignored:"true"` // set by the all-in-one: no socket between service and server
	SyncAlways      bool       `ignored:"true"` // set by the all-in-one, which knows its server's setting

	// Cache bounds the memory of the all-in-one's server; nil elsewhere, where the server is another process.
	Cache *CacheBound `ignored:"true"`

	// Healthz is the health page, with details, of the all-in-one's server.
	Healthz func() ([]byte, error) `ignored:"true"`
}

// Conn is one connection to JetStream. It is safe for concurrent use and reconnects for ever.
type Conn struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	log    *slog.Logger
	back   *bell
	denied *denials
	care   *care
	packer *packer
	cache  *CacheBound

	plainUntil atomic.Int64 // nanoseconds: until then nothing goes to the bulk class
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
	c := &Conn{log: log, back: &bell{ch: make(chan struct{})}, denied: newDenials(log), packer: newPacker(), cache: cfg.Cache}
	c.packer.off = cfg.Unpacked
	if c.nc, err = c.dial(ctx, name, cfg); err != nil {
		return nil, err
	}
	if c.js, err = jetstream.New(c.nc); err != nil {
		c.nc.Close()
		return nil, fmt.Errorf("opening jetstream: %w", err)
	}
	c.care = c.startCare(ctx, cfg, silent)
	return c, nil
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
		return fmt.Errorf("asking jetstream: %w", c.denied.explain(err))
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
