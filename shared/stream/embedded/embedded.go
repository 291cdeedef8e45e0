// Package embedded runs a NATS server with JetStream on disk inside this process, with every write synced before it is
// acknowledged.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/crypto/bcrypt"
)

// MaxPayload is the largest message in bytes that the embedded server takes.
const MaxPayload = 8 << 20

// Options says where the server keeps its data and who may connect.
type Options struct {
	Dir      string // JetStream's files
	Host     string // address to listen on; empty: loopback
	Port     int    // 0 takes a free one
	User     string // with Password: what a client must present
	Password string
	Monitor  bool  // serve the monitoring pages on a free port of Host
	MaxStore int64 // bytes that all streams together may take
	Log      *slog.Logger
}

// Server is a running NATS server.
type Server struct {
	opts Options
	addr string // stays the same for ever

	mu   sync.RWMutex
	ns   *server.Server
	down bool // it was stopped, and did not start again
}

// running is the server of this moment.
func (s *Server) running() *server.Server {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ns
}

// Start runs a server and returns when it takes connections.
func Start(ctx context.Context, o Options) (*Server, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the embedded NATS server: %w", err)
	}
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	s := &Server{opts: o}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	s.addr = s.running().Addr().String()
	return s, nil
}

// start runs a server as the options say.
func (s *Server) start(ctx context.Context) error {
	o, port := s.opts, s.opts.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	password := o.Password
	if password != "" { // the server wants a hash; the password is random, so a cheap one will do
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			return fmt.Errorf("preparing the embedded NATS server: %w", err)
		}
		password = string(hash)
	}
	monitor := 0
	if o.Monitor {
		monitor = server.RANDOM_PORT
	}
	ns, err := server.NewServer(&server.Options{
		ServerName: "sluice", Host: o.Host, Port: port, HTTPHost: o.Host, HTTPPort: monitor, Username: o.User, Password: password,
		JetStream: true, StoreDir: o.Dir, JetStreamMaxStore: o.MaxStore, JetStreamMaxMemory: 64 << 20,
		SyncInterval: 2 * time.Minute, SyncAlways: true, MaxPayload: MaxPayload, MaxPending: 64 << 20,
		NoSigs: true, DisableJetStreamBanner: true,
	})
	if err != nil {
		return fmt.Errorf("preparing the embedded NATS server: %w", err)
	}
	ns.SetLoggerV2(bridge{log: o.Log}, false, false, false)
	s.mu.Lock()
	s.ns, s.down = ns, false
	s.mu.Unlock()
	ns.Start()
	if err := s.awaitReady(ctx); err != nil {
		return errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (s *Server) awaitReady(ctx context.Context) error {
	deadline := time.Now().Add(time.Minute)
	ns := s.running()
	for !ns.ReadyForConnections(200 * time.Millisecond) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("starting the embedded NATS server in %s: not ready within a minute", s.opts.Dir)
		}
	}
	if !ns.JetStreamEnabled() {
		return fmt.Errorf("starting the embedded NATS server in %s: JetStream did not start", s.opts.Dir)
	}
	return nil
}

// URL is the address to connect to, with user and password.
func (s *Server) URL() string {
	u := url.URL{Scheme: "nats", Host: s.addr}
	if s.opts.User != "" {
		u.User = url.UserPassword(s.opts.User, s.opts.Password)
	}
	return u.String()
}

// MonitorURL is the address of the monitoring pages, empty without Options.Monitor.
func (s *Server) MonitorURL() string {
	if addr := s.running().MonitorAddr(); addr != nil {
		return "http://" + addr.String()
	}
	return ""
}

// InProcessConn opens a connection without a socket.
func (s *Server) InProcessConn() (net.Conn, error) { return s.running().InProcessConn() }

// SyncAlways reports whether the running server syncs every write.
func (s *Server) SyncAlways() bool {
	cfg := s.running().JetStreamConfig()
	return cfg != nil && cfg.SyncAlways
}

// Stop ends the server and waits until its files are closed.
func (s *Server) Stop(ctx context.Context) error {
	ns := s.running()
	done := make(chan struct{})
	go func() { ns.Shutdown(); ns.WaitForShutdown(); close(done) }()
	select {
	case <-done:
		s.mu.Lock()
		s.down = true
		s.mu.Unlock()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping the embedded NATS server: %w", ctx.Err())
	}
}

// bridge writes the server's log lines to slog: notices as debug, since they tell an operator of Sluice little.
type bridge struct{ log *slog.Logger }

func (b bridge) Noticef(format string, v ...any) { b.log.Debug("nats: " + fmt.Sprintf(format, v...)) } //nolint:sloglint // the server composes its text

// Warnf leaves out what whoever asks for the health is told anyway.
func (b bridge) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Healthcheck failed") {
		return
	}
	b.log.Warn("nats: " + fmt.Sprintf(format, v...)) //nolint:sloglint // the server composes its text
}

func (b bridge) Errorf(format string, v ...any) { b.log.Error("nats: " + fmt.Sprintf(format, v...)) } //nolint:sloglint // the server composes its text

func (b bridge) Fatalf(format string, v ...any) { b.log.Error("nats: " + fmt.Sprintf(format, v...)) } //nolint:sloglint // the server composes its text
func (b bridge) Debugf(string, ...any)          {}
func (b bridge) Tracef(string, ...any)          {}
