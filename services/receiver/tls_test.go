package receiver_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/stream"
)

// certify writes a certificate for loopback under a name, and returns who trusts it.
func certify(t *testing.T, dir, name string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, content := range map[string][]byte{"tls.crt": cert, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

func (r *rig) dialTLS(pool *x509.CertPool) (*tls.Conn, error) {
	return tls.Dial("tcp", r.service.Addr().String(), &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
}

// deliverOver sends one delivery over a connection that stays open.
func (r *rig) deliverOver(conn net.Conn, answers *bufio.Reader) reply {
	r.t.Helper()
	fmt.Fprintf(conn, "POST /v1/endpoints/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", r.endpoint.ID, r.token, len(oneEvent), oneEvent)
	res, err := http.ReadResponse(answers, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.read(res)
}

func TestACertificateIsReplacedWithoutBreakingAConnection(t *testing.T) {
	dir := t.TempDir()
	first := certify(t, dir, "first.example.com")
	r := start(t, func(cfg *receiver.Config, _ *stream.Topology) {
		cfg.TLSCertFile, cfg.TLSKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	})
	if _, port, _ := net.SplitHostPort(r.service.Addr().String()); r.service.Scheme() != "https" || r.service.Base() != "https://first.example.com:"+port {
		t.Errorf("it says %s, %s", r.service.Scheme(), r.service.Base())
	}
	old, err := r.dialTLS(first)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	answers := bufio.NewReader(old)
	r.expect(r.deliverOver(old, answers), intake.Accepted)
	second := certify(t, dir, "second.example.com")
	r.await("new connections see the new certificate", func() bool {
		conn, err := r.dialTLS(second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	r.expect(r.deliverOver(old, answers), intake.Accepted)
	if _, err := r.dialTLS(first); err == nil {
		t.Error("the old certificate is still shown")
	}
}

func TestAListenerWithACertificateSpeaksTLSOnly(t *testing.T) {
	dir := t.TempDir()
	pool := certify(t, dir, "first.example.com")
	r := start(t, func(cfg *receiver.Config, _ *stream.Topology) {
		cfg.TLSCertFile, cfg.TLSKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	})
	for range 20 {
		conn, err := net.Dial("tcp", r.service.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v1/endpoints/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: 0\r\n\r\n", r.endpoint.ID, r.token)
		text, _ := io.ReadAll(conn)
		conn.Close()
		if strings.HasPrefix(string(text), "HTTP/1.1 200") || strings.HasPrefix(string(text), "HTTP/1.0 200") {
			t.Fatalf("plain HTTP is answered %q", text)
		}
	}
	conn, err := tls.Dial("tcp", r.service.Addr().String(), &tls.Config{RootCAs: pool, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("it speaks %q", got)
	}
	r.expect(r.deliverOver(conn, bufio.NewReader(conn)), intake.Accepted)
	if lines := strings.Count(r.logs.String(), "TLS handshake error"); lines != 1 {
		t.Errorf("%d lines about strangers in the log, want one that sums up:\n%s", lines, r.logs)
	}
}
