package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/services/receiver/internal/certificate"
)

func TestMain(m *testing.M) { // idle connections of HTTP clients end some time later
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// issue makes a self-signed certificate and its key in PEM form.
func issue(t *testing.T, name string, end time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: end,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// pair is two files, and what was logged of them.
type pair struct {
	t         *testing.T
	cert, key string
	logs      bytes.Buffer
	reg       *prometheus.Registry
}

func newPair(t *testing.T) *pair {
	t.Helper()
	dir := t.TempDir()
	return &pair{t: t, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key"), reg: prometheus.NewRegistry()}
}

func (p *pair) write(cert, key []byte) {
	p.t.Helper()
	for path, content := range map[string][]byte{p.cert: cert, p.key: key} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *pair) open() (*certificate.Files, error) {
	return certificate.OpenFiles(p.cert, p.key, slog.New(slog.NewJSONHandler(&p.logs, nil)), p.reg)
}

func (p *pair) value(name, label string) float64 {
	p.t.Helper()
	families, err := p.reg.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (label == "" || m.GetLabel()[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

// shown is the name in the certificate that a handshake shows.
func shown(t *testing.T, c *tls.Config, client *tls.Config) (string, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	server := tls.Server(ours, c)
	go func() { _ = server.Handshake() }()
	conn := tls.Client(theirs, client)
	if err := conn.Handshake(); err != nil {
		return "", err
	}
	return conn.ConnectionState().PeerCertificates[0].DNSNames[0], nil
}

func TestANewPairIsTakenAndABrokenOneIsNot(t *testing.T) {
	p, end := newPair(t), time.Now().Add(90*24*time.Hour)
	p.write(issue(t, "first.example.com", end))
	files, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	look := func(want string) {
		t.Helper()
		files.Look(t.Context(), time.Now())
		if got, err := shown(t, files.TLS(), &tls.Config{InsecureSkipVerify: true}); got != want {
			t.Errorf("shown is %q (%v), want %s; the log says %s", got, err, want, p.logs.String())
		}
	}
	look("first.example.com")
	cert, key := issue(t, "second.example.com", end)
	for name, broken := range map[string][2][]byte{
		"half replaced": {cert, nil}, "rubbish": {[]byte("rubbish"), key}, "half written": {cert[:len(cert)/2], key}, "empty": {{}, {}},
	} {
		was, err := os.ReadFile(p.key)
		if err != nil {
			t.Fatal(err)
		}
		if broken[1] == nil {
			broken[1] = was
		}
		before := p.value("sluice_receiver_certificate_changes_total", "failed")
		p.write(broken[0], broken[1])
		look("first.example.com")
		look("first.example.com")
		if got := p.value("sluice_receiver_certificate_changes_total", "failed"); got != before+1 {
			t.Errorf("%s: counted %v times", name, got-before)
		}
	}
	p.write(issue(t, "expired.example.com", time.Now().Add(-time.Hour)))
	look("first.example.com")
	if err := os.Remove(p.cert); err != nil {
		t.Fatal(err)
	}
	look("first.example.com")
	p.write(cert, key)
	look("second.example.com")
	if p.value("sluice_receiver_certificate_changes_total", "ok") != 1 || p.value("sluice_receiver_certificate_expiry_timestamp_seconds", "") != float64(end.Unix()) {
		t.Error("the metrics say something else")
	}
	if strings.Contains(p.logs.String(), "PRIVATE KEY") || !strings.Contains(p.logs.String(), "the one before stays in force") {
		t.Errorf("the log says %s", p.logs.String())
	}
}

func TestAnEndThatComesNearIsAWarning(t *testing.T) {
	p := newPair(t)
	p.write(issue(t, "first.example.com", time.Now().Add(20*24*time.Hour)))
	files, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	for days, want := range map[int]string{1: "", 7: `"level":"WARN"`, 21: `"level":"ERROR"`} {
		p.logs.Reset()
		files.Look(t.Context(), time.Now().Add(time.Duration(days)*24*time.Hour))
		files.Look(t.Context(), time.Now().Add(time.Duration(days)*24*time.Hour))
		if text := p.logs.String(); want == "" && text != "" || strings.Count(text, "\n") > 1 || !strings.Contains(text, want) {
			t.Errorf("after %d days the log says %q, want %q once", days, text, want)
		}
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	p := newPair(t)
	p.write(issue(t, "first.example.com", time.Now().Add(time.Hour)))
	files, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		_, err := shown(t, files.TLS(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if (err == nil) != good {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

func TestAPairThatCannotBeReadStopsTheStart(t *testing.T) {
	p := newPair(t)
	if _, err := p.open(); err == nil || !strings.Contains(err.Error(), "RECEIVER_TLS_CERT_FILE") {
		t.Errorf("missing files: %v", err)
	}
	cert, _ := issue(t, "first.example.com", time.Now().Add(time.Hour))
	_, key := issue(t, "second.example.com", time.Now().Add(time.Hour))
	p.write(cert, key)
	if _, err := p.open(); err == nil || !strings.Contains(err.Error(), "does not match") {
		t.Errorf("a key of another certificate: %v", err)
	}
}
