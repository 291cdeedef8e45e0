package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log" //nolint:depguard // the ACME server takes one
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
	"github.com/sluicelog/sluice/test/harness"
)

// authority is an ACME authority in this process.
type authority struct {
	directory string
	caFile    string // who signed the directory's own certificate
	orders    func(tlsPort int) *x509.CertPool
}

// newAuthority starts one. It answers when it was told on which port of loopback it shall look for proofs; then it
// returns who trusts its certificates.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	var handler http.Handler
	told := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-told:
			handler.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	a := &authority{directory: server.URL + wfe.DirectoryPath, caFile: filepath.Join(harness.Dir(t), "directory.pem")}
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(a.caFile, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	resolver := loopbackNames(t)
	a.orders = func(tlsPort int) *x509.CertPool {
		quiet := log.New(io.Discard, "", 0)
		store := db.NewMemoryStore()
		issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
		front := wfe.New(quiet, store, va.New(quiet, 1, tlsPort, true, resolver, store), issuer, []string{"authority.example"}, true, false, 1, 1)
		handler = front.Handler()
		close(told)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(issuer.GetRootCert(0).PEM())
		return pool
	}
	return a
}

// loopbackNames is a name server for which every name is loopback.
func loopbackNames(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: listener, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)})
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return listener.Addr().String()
}

func TestTheReceiverGetsItsCertificateByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	const domain = "logs.example.com"
	nats, err := embedded.Start(t.Context(), embedded.Options{Dir: harness.Dir(t), MaxStore: 16 << 30, Monitor: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nats.Stop(context.Background()) })
	token := endpoint.NewToken()
	id := endpointFor(t, nats.URL(), token)
	a, storage := newAuthority(t), filepath.Join(harness.Dir(t), "certificates")
	receiver := start(t, []string{
		"NATS_URL=" + nats.URL(), "NATS_MONITOR_URLS=" + nats.MonitorURL(), "ADMIN_LISTEN=127.0.0.1:0", "RECEIVER_LISTEN=127.0.0.1:0", "LOG_FORMAT=json", "LOG_LEVEL=debug",
		"RECEIVER_ACME_DOMAINS=" + domain, "RECEIVER_ACME_EMAIL=ops@example.com", "RECEIVER_ACME_DIRECTORY_URL=" + a.directory,
		"RECEIVER_ACME_DIRECTORY_CA_FILE=" + a.caFile, "RECEIVER_ACME_STORAGE=" + storage,
	}, harness.Binary(t, "receiver"))
	harness.Await(t, time.Minute, "a receiver that listens", func() bool { return receiver.address() != "" })
	_, port, err := net.SplitHostPort(receiver.address())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: a.orders(number), MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", receiver.address())
		},
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	var answer string
	harness.Await(t, 2*time.Minute, "a delivery over https with the new certificate", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+domain+"/v1/endpoints/"+id, strings.NewReader(`{"log_id":"1"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", token)
		res, err := client.Do(req)
		if err != nil {
			answer = err.Error()
			return false
		}
		defer res.Body.Close()
		answer = fmt.Sprint(res.Status, " ", res.TLS.PeerCertificates[0].DNSNames)
		return res.StatusCode == http.StatusOK
	})
	t.Log(answer)
	if err := receiver.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := receiver.cmd.Wait(); err != nil {
		t.Errorf("the receiver's stop: %v", err)
	}
	logs := harness.Tail(receiver.log, 1<<20)
	if !strings.Contains(logs, "got a certificate for the public listener") || strings.Contains(logs, token) || strings.Contains(logs, "PRIVATE KEY") {
		t.Errorf("the log says too little, or too much: %s", logs)
	}
	keys, err := filepath.Glob(filepath.Join(storage, "certificates", "*", domain, "*.key"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v: %v", keys, err)
	}
	if at, err := os.Stat(keys[0]); err != nil || at.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", at.Mode(), err)
	}
}

// endpointFor makes the streams and an endpoint.
func endpointFor(t *testing.T, url, token string) string {
	t.Helper()
	conn, err := stream.Open(t.Context(), "test", stream.Config{NATSURL: config.URL(url), SyncAlways: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Setup(t.Context(), streamtest.Topology()); err != nil {
		t.Fatal(err)
	}
	registry, err := endpoint.Open(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	e, err := registry.Create(t.Context(), endpoint.Endpoint{Name: "test", Namespace: "default"}, token)
	if err != nil {
		t.Fatal(err)
	}
	return e.ID
}
