package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Order says which certificates to get, and from whom.
type Order struct {
	Domains   []string
	Email     string // where the authority writes when something is wrong; may be empty
	Directory string // the authority's ACME directory
	CAFile    string // who signed the directory's own certificate; empty: the machine's authorities
	Storage   string // folder for keys and certificates
	Listener  net.Addr
}

// Managed gets certificates by ACME and renews them. The authority asks for proof on the public listener itself
// (TLS-ALPN-01), so port 443 of the domain must lead to it.
type Managed struct {
	domains []string
	cache   *certmagic.Cache
	magic   *certmagic.Config
	watch   watch
	changes *prometheus.CounterVec
	log     *slog.Logger
}

// OpenManaged prepares for an order; nothing is asked for before Run.
func OpenManaged(o Order, log *slog.Logger, reg prometheus.Registerer) (*Managed, error) {
	roots, err := o.check()
	if err != nil {
		return nil, err
	}
	tcp, ok := o.Listener.(*net.TCPAddr)
	if !ok {
		return nil, errors.New("setting RECEIVER_ACME_DOMAINS: the receiver must listen on a TCP port")
	}
	m := &Managed{domains: o.Domains, watch: newWatch(log), log: log}
	zapped := zap.New(bridge{log})
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return m.magic, nil }, Logger: zapped,
	})
	m.magic = certmagic.New(m.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: o.Storage}, Logger: zapped, OnEvent: m.note,
		DefaultServerName: o.Domains[0], // a health check by address gets an answer, too
	})
	m.magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(m.magic, certmagic.ACMEIssuer{
		CA: o.Directory, Email: o.Email, Agreed: true, TrustedRoots: roots, Logger: zapped,
		DisableHTTPChallenge: true, ListenHost: tcp.IP.String(), AltTLSALPNPort: tcp.Port,
	})}
	m.changes = series(reg, m.end)
	return m, nil
}

func (o *Order) check() (*x509.CertPool, error) {
	for i, domain := range o.Domains {
		o.Domains[i] = strings.ToLower(strings.TrimSpace(domain))
		if !strings.Contains(o.Domains[i], ".") || strings.ContainsAny(o.Domains[i], "*/: ") {
			return nil, fmt.Errorf("setting RECEIVER_ACME_DOMAINS: %q is no public host name", domain)
		}
	}
	if o.Storage == "" {
		return nil, errors.New("setting RECEIVER_ACME_STORAGE: name a folder that survives restarts, for keys and certificates")
	}
	if err := os.MkdirAll(o.Storage, 0o700); err != nil {
		return nil, fmt.Errorf("setting RECEIVER_ACME_STORAGE: %w", err)
	}
	if o.CAFile == "" {
		return nil, nil //nolint:nilnil // what crypto/tls takes for the machine's own
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("setting RECEIVER_ACME_DIRECTORY_CA_FILE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("setting RECEIVER_ACME_DIRECTORY_CA_FILE: %s holds no certificate in PEM form", o.CAFile)
	}
	return roots, nil
}

// TLS is the listener's side of every connection, the authority's proof included.
func (m *Managed) TLS() *tls.Config {
	return settings(m.magic.GetCertificate, m.magic.TLSConfig().NextProtos...)
}

// Names are the hosts that the certificates are for.
func (m *Managed) Names() []string { return slices.Clone(m.domains) }

// Run gets what is missing and renews it in good time until ctx ends. Failures are tried again, ever more slowly.
func (m *Managed) Run(ctx context.Context) error {
	defer m.cache.Stop()
	if err := m.magic.ManageAsync(ctx, m.domains); err != nil {
		return fmt.Errorf("getting certificates: %w", err)
	}
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if end := m.end(); !end.IsZero() {
				m.watch.look(ctx, m.domains, end, now)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// end is when the first of the certificates expires; zero while one is missing.
func (m *Managed) end() (first time.Time) {
	for _, domain := range m.domains {
		var last time.Time
		for _, one := range m.cache.AllMatchingCertificates(domain) {
			if one.Leaf != nil && one.Leaf.NotAfter.After(last) {
				last = one.Leaf.NotAfter
			}
		}
		if last.IsZero() {
			return last
		}
		if first.IsZero() || last.Before(first) {
			first = last
		}
	}
	return first
}

// note writes down what became of an order.
func (m *Managed) note(ctx context.Context, event string, data map[string]any) error {
	switch event {
	case "cert_obtained":
		m.changes.WithLabelValues("ok").Inc()
		m.log.InfoContext(ctx, "got a certificate for the public listener", "name", data["identifier"], "renewal", data["renewal"])
	case "cert_failed":
		m.changes.WithLabelValues("failed").Inc()
		m.log.ErrorContext(ctx, "the authority gives no certificate for the public listener: see that the name's port 443 leads here; it is tried again", "name", data["identifier"], "error", data["error"])
	}
	return nil
}
