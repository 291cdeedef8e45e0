// Package receiver is the service that Auth0 posts to. It authenticates a delivery, puts it on disk in JetStream and
// answers; it never talks to Elasticsearch and stays ready while Elasticsearch is down.
package receiver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/net/netutil"

	"github.com/sluicelog/sluice/services/receiver/internal/certificate"
	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/lifecycle"
	"github.com/sluicelog/sluice/shared/program"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

type (
	// Telemetry is what every service lets people set about its logs and health pages.
	Telemetry = telemetry.Config
	// Stream says where NATS is.
	Stream = stream.Config
)

// Config is the receiver's settings.
type Config struct {
	Own
	Stream
	Telemetry
}

// Own is what only the receiver has.
type Own struct {
	Listen              string        `split_words:"true" default:"127.0.0.1:8080" desc:"address that Auth0, or the proxy in front, reaches; port 0 takes a free one"`
	PublicURL           string        `split_words:"true" desc:"address under which Auth0 reaches this receiver; printed in Payload URLs"`
	TLSCertFile         string        `split_words:"true" desc:"PEM file of the public listener's certificate, with its chain; then it speaks TLS only. Read anew when it changes"`
	TLSKeyFile          string        `split_words:"true" desc:"PEM file of the certificate's private key"`
	ACMEDomains         []string      `split_words:"true" desc:"host names, separated by commas, for which the receiver gets certificates by itself; setting it agrees to the authority's terms. Port 443 must lead to RECEIVER_LISTEN"`
	ACMEEmail           string        `split_words:"true" desc:"where the authority writes when something is wrong with a certificate"`
	ACMEDirectoryURL    string        `split_words:"true" default:"https://acme-v02.api.letsencrypt.org/directory" desc:"the authority's ACME directory"`
	ACMEDirectoryCAFile string        `split_words:"true" desc:"PEM file of the authority that signed the directory's own certificate, for a private one"`
	ACMEStorage         string        `split_words:"true" desc:"folder for the keys and certificates; several receivers may share it"`
	MaxBody             config.Bytes  `split_words:"true" default:"32MiB" desc:"largest body, also after decompression"`
	MaxInflight         config.Bytes  `split_words:"true" default:"128MiB" desc:"bytes of all bodies held at once; beyond it the answer is 429"`
	TrustedProxies      []string      `split_words:"true" desc:"networks of the proxies in front, separated by commas, such as 10.0.0.0/8; X-Forwarded-For is believed from them only"`
	WrongTokens         int           `split_words:"true" default:"60" desc:"wrong tokens a minute that one address may send before it is answered 429 (IPv6: one /64); the right one is never slowed down; 0: no limit"`
	FairBytes           config.Bytes  `split_words:"true" default:"1MiB" desc:"bytes a second of one endpoint, after decompression, that wait behind nobody's burst; deliveries beyond it are handed on after those of others. 0B: all are alike"`
	FairBurst           config.Bytes  `split_words:"true" default:"8MiB" desc:"bytes of one endpoint at once that do not count as a burst yet; a larger delivery always does"`
	MaxConnections      int           `split_words:"true" default:"2048" desc:"connections at once; further ones wait"`
	ReadTimeout         time.Duration `split_words:"true" default:"30s" desc:"time for a whole request to arrive"`
	WriteTimeout        time.Duration `split_words:"true" default:"45s" desc:"time from the end of the request's head to the end of the answer"`
	IdleTimeout         time.Duration `split_words:"true" default:"2m" desc:"how long a connection may stay unused"`
	CommitTimeout       time.Duration `split_words:"true" default:"5s" desc:"how long the stream may take before the answer is 503"`
	Instance            string        `split_words:"true" desc:"name of this receiver among several; the host's name when empty"`
	Grace               time.Duration `split_words:"true" default:"10s" desc:"time for a clean stop; uploads that are not through after three quarters of it are cut off"`
	Linger              time.Duration `split_words:"true" default:"0s" desc:"how long to go on serving after readiness is off, for load balancers that notice late"`
}

// Service is a receiver whose address is bound.
type Service struct {
	cfg      Config
	tel      *telemetry.Telemetry
	conn     *stream.Conn
	listener net.Listener
	cert     certificate.Source // nil: plain HTTP
	server   *http.Server
	desk     *intake.Desk
	stopped  chan struct{} // closed when the listener shall end
	group    lifecycle.Group
}

// Open connects to the stream and binds the public address; nothing is served before Run.
//
//	Auth0 ─POST─▶ listener ─▶ desk ─▶ committer ─▶ DELIVERIES
//	                           │ ▲
//	               sightings ◀─┘ └─ directory ◀─ registry
func Open(ctx context.Context, cfg Config, tel *telemetry.Telemetry) (*Service, error) {
	conn, err := stream.Open(ctx, "receiver", cfg.Stream, tel.Log)
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, tel: tel, conn: conn, stopped: make(chan struct{})}
	if err := s.assemble(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *Service) assemble(ctx context.Context) error {
	if err := s.cfg.check(s.conn.MaxPayload()); err != nil {
		return err
	}
	proxies, err := intake.ParseProxies(s.cfg.TrustedProxies)
	if err != nil {
		return fmt.Errorf("setting RECEIVER_TRUSTED_PROXIES: %w", err)
	}
	registry, err := endpoint.Open(ctx, s.conn)
	if err != nil {
		return err
	}
	board, err := endpoint.OpenBoard(ctx, s.conn)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	s.listener, err = lc.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening on RECEIVER_LISTEN=%s (give another address, or port 0): %w", s.cfg.Listen, err)
	}
	if err := s.openCertificate(); err != nil {
		return errors.Join(err, s.listener.Close())
	}
	directory := registry.Follow(s.tel.Log)
	metrics := intake.NewMetrics(s.tel.Metrics)
	committer := intake.NewCommitter(s.conn, s.cfg.CommitTimeout, metrics)
	sightings := intake.NewSightings(board, s.instance(), s.tel.Log)
	s.desk = intake.New(
		intake.Parts{Directory: directory, Committer: committer, Sightings: sightings, Metrics: metrics, Log: s.tel.Log, Proxies: proxies},
		intake.Limits{Body: int64(s.cfg.MaxBody), Inflight: int64(s.cfg.MaxInflight), Wrong: s.cfg.WrongTokens, Fair: int64(s.cfg.FairBytes), Burst: int64(s.cfg.FairBurst)},
	)
	s.server = s.newServer()
	s.tel.Check("stream", s.conn.Ready)
	s.tel.Check("registry", directory.AwaitFilled)
	guard := stream.NewGuard(s.cfg.Stream, s.tel.Log)
	s.tel.Check("stream writes", guard.Ready)
	guard.Register(s.tel.Metrics)
	s.group.Add("stream", nil, s.conn.Drain)
	s.group.Add("stream guard", guard.Run, nil)
	s.group.Add("directory", directory.Run, nil)
	s.group.Add("sightings", sightings.Run, nil)
	s.group.Add("committer", committer.Run, nil)
	if s.cert != nil {
		s.group.Add("certificate", s.cert.Run, nil)
	}
	s.group.Add("listener", func(ctx context.Context) error { return s.serve(ctx, directory) }, s.shutdown)
	return nil
}

// newServer bounds everything that a client could draw out or swell.
func (s *Service) newServer() *http.Server {
	return &http.Server{
		Handler: s.desk.Routes(), DisableGeneralOptionsHandler: true, // `OPTIONS *` is a path like any other
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: s.cfg.ReadTimeout, WriteTimeout: s.cfg.WriteTimeout,
		IdleTimeout: s.cfg.IdleTimeout, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(newErrorLog(s.tel.Log), slog.LevelWarn),
	}
}

// LeastInflight is how many bytes MaxInflight must be at least, where the NATS server takes messages of maxPayload bytes: a
// compressed body that must be cut is held twice, beside what is being cut off.
func (c *Own) LeastInflight(maxPayload int) config.Bytes {
	return 2*c.MaxBody + config.Bytes(intake.CutRoom(maxPayload))
}

// check refuses settings with which some delivery could never be accepted. maxPayload is the NATS server's.
func (c *Own) check(maxPayload int) error {
	if maxPayload < intake.MinPayload {
		return fmt.Errorf("the NATS server takes messages of at most %d bytes: set its max_payload to %d or more", maxPayload, intake.MinPayload)
	}
	if c.MaxBody < 1 {
		return errors.New("setting RECEIVER_MAX_BODY: it must be at least 1B")
	}
	if least := c.LeastInflight(maxPayload); c.MaxInflight < least {
		return fmt.Errorf("setting RECEIVER_MAX_INFLIGHT=%s: with RECEIVER_MAX_BODY=%s and the NATS server's max_payload it must be at least %s", c.MaxInflight, c.MaxBody, least)
	}
	if c.MaxConnections < 1 {
		return fmt.Errorf("setting RECEIVER_MAX_CONNECTIONS=%d: it must be at least 1", c.MaxConnections)
	}
	if c.WrongTokens < 0 {
		return fmt.Errorf("setting RECEIVER_WRONG_TOKENS=%d: it must be at least 0, which means no limit", c.WrongTokens)
	}
	if c.FairBytes < 0 || c.FairBytes > 0 && c.FairBurst < 1 {
		return fmt.Errorf("setting RECEIVER_FAIR_BYTES=%s, RECEIVER_FAIR_BURST=%s: neither may be less than 0B, and with a rate the burst must be at least 1B", c.FairBytes, c.FairBurst)
	}
	for name, limit := range map[string]time.Duration{
		"READ_TIMEOUT": c.ReadTimeout, "WRITE_TIMEOUT": c.WriteTimeout, "IDLE_TIMEOUT": c.IdleTimeout, "COMMIT_TIMEOUT": c.CommitTimeout, "GRACE": c.Grace,
	} {
		if limit <= 0 {
			return fmt.Errorf("setting RECEIVER_%s=%s: it must be more than 0s", name, limit)
		}
	}
	return nil
}

// instance names this receiver on the board; it becomes part of a key.
func (s *Service) instance() string {
	name := s.cfg.Instance
	if name == "" {
		name, _ = os.Hostname()
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
	if name == "" {
		return "receiver"
	}
	return name
}

// Addr is the address that is listened on.
func (s *Service) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, then stops: listener first, stream last.
func (s *Service) Run(ctx context.Context) error {
	context.AfterFunc(ctx, s.tel.Stopping)
	return s.group.Run(ctx, s.cfg.Grace+s.cfg.Linger)
}

// serve waits for the registry, so that no known endpoint is answered 404, and then takes requests.
func (s *Service) serve(ctx context.Context, directory *endpoint.Directory) error {
	filled := make(chan error, 1)
	go func() { filled <- directory.AwaitFilled(ctx) }()
	select {
	case err := <-filled:
		if err != nil {
			return fmt.Errorf("reading the registry: %w", err)
		}
	case <-s.stopped:
		return nil
	}
	s.tel.Log.InfoContext(ctx, "receiving", "address", s.listener.Addr().String(), "scheme", s.Scheme())
	listener := netutil.LimitListener(s.listener, s.cfg.MaxConnections)
	if s.cert != nil {
		listener = tls.NewListener(listener, s.cert.TLS())
	}
	err := s.server.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// shutdown stops taking requests and waits for those under way, but leaves time for the rest of the stop: a request
// that is cut off was not acknowledged, so it loses nothing.
func (s *Service) shutdown(ctx context.Context) error {
	select {
	case <-time.After(s.cfg.Linger):
	case <-ctx.Done():
	}
	s.desk.Stop()
	close(s.stopped)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Grace*3/4)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.tel.Log.WarnContext(ctx, "requests were cut off by the stop", "waited", s.cfg.Grace*3/4)
		err = s.server.Close()
	}
	return errors.Join(err, closed(s.listener.Close()))
}

// closed forgives a listener that the server closed already.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Run is Open and Service.Run together, as the binary needs it.
func Run(ctx context.Context, cfg Config, tel *telemetry.Telemetry) error {
	s, err := Open(ctx, cfg, tel)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Program is the receiver as a program of its own.
func Program() program.Service[Config] {
	return program.Service[Config]{
		Name: "receiver", About: "takes Auth0's deliveries and puts them on disk",
		Telemetry: func(c *Config) telemetry.Config { return c.Telemetry }, Run: Run,
	}
}
