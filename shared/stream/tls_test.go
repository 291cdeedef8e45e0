package stream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// signer is an authority of a test's own.
type signer struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	s := &signer{t: t, dir: t.TempDir()}
	s.cert, s.key = s.make(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil)
	s.file = filepath.Join(s.dir, "ca.pem")
	s.write(s.file, "CERTIFICATE", s.cert.Raw)
	return s
}

func (s *signer) make(template, parent *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	by := s.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		s.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		s.t.Fatal(err)
	}
	return cert, key
}

func (s *signer) write(path, kind string, der []byte) {
	s.t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// issue writes a certificate for loopback, or for another name, and its key.
func (s *signer) issue(name string) (certFile, keyFile string) {
	s.t.Helper()
	template := &x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if name == "loopback" {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	cert, key := s.make(template, s.cert)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(s.dir, name+".crt"), filepath.Join(s.dir, name+".key")
	s.write(certFile, "CERTIFICATE", cert.Raw)
	s.write(keyFile, "PRIVATE KEY", raw)
	return certFile, keyFile
}

// serve starts a server that shows a certificate; more goes into its tls block.
func (s *signer) serve(name, more string) *streamtest.Outside {
	s.t.Helper()
	cert, key := s.issue(name)
	return streamtest.StartOutside(s.t, fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, timeout: 30, %s }", cert, key, s.file, more))
}

func TestTLSToNATS(t *testing.T) {
	ours, others := newSigner(t), newSigner(t)
	good, misnamed, strict, bare := ours.serve("loopback", ""), ours.serve("other.example.com", ""), ours.serve("loopback", "verify: true"), streamtest.StartOutside(t, "")
	cert, key := ours.issue("client")
	rubbish := filepath.Join(t.TempDir(), "rubbish.pem")
	if err := os.WriteFile(rubbish, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		server *streamtest.Outside
		cfg    stream.Config
		want   string // in the error; empty: it works
	}{
		"the right authority":                    {good, stream.Config{NATSCAFile: ours.file}, ""},
		"no authority":                           {good, stream.Config{}, "set NATS_CA_FILE"},
		"another authority":                      {good, stream.Config{NATSCAFile: others.file}, "not signed by an authority that we know"},
		"another name":                           {misnamed, stream.Config{NATSCAFile: ours.file}, "for another name"},
		"a server without TLS":                   {bare, stream.Config{NATSCAFile: ours.file}, "does not offer it"},
		"no file":                                {good, stream.Config{NATSCAFile: rubbish + ".not"}, "NATS_CA_FILE"},
		"a file without a certificate":           {good, stream.Config{NATSCAFile: rubbish}, "no certificate in PEM form"},
		"our own certificate":                    {strict, stream.Config{NATSCAFile: ours.file, NATSCertFile: cert, NATSKeyFile: key}, ""},
		"our own certificate is missing":         {strict, stream.Config{NATSCAFile: ours.file}, "connecting to NATS"},
		"our own certificate without its key":    {strict, stream.Config{NATSCAFile: ours.file, NATSCertFile: cert}, "go together"},
		"our own certificate with another's key": {strict, stream.Config{NATSCAFile: ours.file, NATSCertFile: cert, NATSKeyFile: ours.file}, "NATS_CERT_FILE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if name == "our own certificate is missing" { // the server says so too late to be told from a failing network
				ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
			}
			cfg := c.cfg
			cfg.NATSURL, cfg.SyncAlways = config.URL(c.server.URL()), true
			conn, err := stream.Open(ctx, "test", cfg, slog.New(slog.DiscardHandler))
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want a word about %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.Ready(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}
