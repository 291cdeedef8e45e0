package stream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

// InboxPrefix is where the server answers connections of this name. A user's permissions name it, so that nobody else
// reads the answers.
func InboxPrefix(name string) string { return "_INBOX_" + name }

func (c *Conn) dial(ctx context.Context, name string, cfg Config) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name("sluice-" + name), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(200*time.Millisecond, time.Second), nats.ReconnectBufSize(-1),
		nats.Timeout(5 * time.Second), nats.DrainTimeout(10 * time.Second), nats.CustomInboxPrefix(InboxPrefix(name)),
		nats.IgnoreAuthErrorAbort(), // a key that counts again after a mistake is found without a restart
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				c.log.WarnContext(ctx, "nats connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) {
			c.log.InfoContext(ctx, "nats connection back")
			c.back.ring()
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.denied.note(ctx, err) }),
	}
	if cfg.InProcess != nil {
		opts = append(opts, nats.InProcessServer(cfg.InProcess))
	}
	login, err := cfg.login()
	if err != nil {
		return nil, err
	}
	secure, err := cfg.secure()
	if err != nil {
		return nil, err
	}
	return connect(ctx, cfg, append(append(opts, login...), secure...))
}

// login is how we say who we are.
func (cfg Config) login() (opts []nats.Option, err error) {
	if cfg.NATSCredentials != "" && cfg.NATSNkey != "" {
		return nil, errors.New("both NATS_CREDENTIALS_FILE and NATS_NKEY_FILE are set; keep one")
	}
	if cfg.NATSCredentials != "" {
		opts = append(opts, nats.UserCredentials(cfg.NATSCredentials))
	}
	if cfg.NATSNkey != "" {
		opt, err := nats.NkeyOptionFromSeed(cfg.NATSNkey)
		if err != nil {
			return nil, fmt.Errorf("reading NATS_NKEY_FILE=%s: %w", cfg.NATSNkey, err)
		}
		opts = append(opts, opt)
	}
	return opts, nil
}

// secure is how we know the server, and what we show it. The files are read at every connection, so that they may be
// replaced.
func (cfg Config) secure() ([]nats.Option, error) {
	if (cfg.NATSCertFile == "") != (cfg.NATSKeyFile == "") {
		return nil, errors.New("NATS_CERT_FILE and NATS_KEY_FILE go together: set both or none")
	}
	var cert nats.TLSCertHandler
	var roots nats.RootCAsHandler
	if cfg.NATSCertFile != "" {
		cert = func() (tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cfg.NATSCertFile, cfg.NATSKeyFile)
			if err != nil {
				return pair, fmt.Errorf("reading NATS_CERT_FILE and NATS_KEY_FILE: %w", err)
			}
			return pair, nil
		}
	}
	if cfg.NATSCAFile != "" {
		roots = cfg.roots
	}
	if cert == nil && roots == nil {
		return nil, nil
	}
	return []nats.Option{nats.ClientTLSConfig(cert, roots)}, cfg.checkFiles(cert)
}

// checkFiles finds at once what would fail at every connection.
func (cfg Config) checkFiles(cert nats.TLSCertHandler) error {
	if cfg.NATSCAFile != "" {
		if _, err := cfg.roots(); err != nil {
			return err
		}
	}
	if cert == nil {
		return nil
	}
	_, err := cert()
	return err
}

// roots are the authorities of NATS_CA_FILE; nil without one, which means the machine's.
func (cfg Config) roots() (*x509.CertPool, error) {
	if cfg.NATSCAFile == "" {
		return nil, nil //nolint:nilnil // what crypto/tls takes for the machine's own
	}
	pem, err := os.ReadFile(cfg.NATSCAFile)
	if err != nil {
		return nil, fmt.Errorf("reading NATS_CA_FILE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading NATS_CA_FILE: %s holds no certificate in PEM form", cfg.NATSCAFile)
	}
	return pool, nil
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
		if advice := hopeless(err); advice != "" {
			return nil, fmt.Errorf("connecting to NATS at %s: %s: %w", cfg.NATSURL, advice, err)
		}
		select {
		case <-limit.Done():
			return nil, fmt.Errorf("connecting to NATS at %s (is NATS_URL right and the server running?): %w", cfg.NATSURL, err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// hopeless says what to do about an error that waiting does not mend; empty for one that may pass.
func hopeless(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return "the server refuses our credentials: see that NATS_NKEY_FILE or NATS_CREDENTIALS_FILE is of this service, and that the server has read its users anew (nats-server --signal reload)"
	case errors.As(err, &unknown):
		return "its certificate is not signed by an authority that we know: set NATS_CA_FILE to the one that signed it"
	case errors.As(err, &name):
		return "its certificate is for another name: use a name in NATS_URL that the certificate holds, or give the server a certificate with this one"
	case errors.As(err, &invalid):
		return "its certificate is not valid: see its dates and this machine's clock"
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "NATS_CA_FILE or NATS_CERT_FILE asks for TLS, and the server does not offer it: give the server a certificate, or leave these settings out"
	case errors.Is(err, nats.ErrSecureConnRequired):
		return "the server wants TLS: write NATS_URL with tls:// and set NATS_CA_FILE"
	}
	return ""
}
