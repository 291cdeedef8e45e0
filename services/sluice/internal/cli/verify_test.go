package cli_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
)

// verdict runs verify, which must fail, and returns its report.
func (b *bench) verdict(t *testing.T, args ...string) map[string]any {
	t.Helper()
	out, err := b.run(t, append([]string{"endpoint", "verify", "--json"}, args...)...)
	if !errors.Is(err, cli.ErrSilent) {
		t.Fatalf("verify ends with %v\n%s", err, out)
	}
	return decode[map[string]any](t, out)
}

// step returns what the report says of one step.
func step(t *testing.T, report map[string]any, name string) (result, saw string) {
	t.Helper()
	steps, _ := report["steps"].([]any)
	for _, s := range steps {
		fields, _ := s.(map[string]any)
		if fields["step"] == name {
			result, _ = fields["result"].(string)
			saw, _ = fields["saw"].(string)
			return result, saw
		}
	}
	t.Fatalf("no step %s in %v", name, steps)
	return "", ""
}

func TestVerifyNamesTheStepThatFails(t *testing.T) {
	b := newBench(t)
	token := tokenOf(b.object(t, "endpoint", "create", "--id", "v")["form"])

	b.announce(t, "http://127.0.0.1:1")
	report := b.verdict(t, "v", "--timeout", "1s")
	if _, saw := step(t, report, "url"); report["failed_step"] != "url" || !strings.Contains(saw, "refused") {
		t.Errorf("without a receiver: %v, %s", report["failed_step"], saw)
	}

	base := b.startReceiver(t)
	report = b.verdict(t, "v", "--timeout", "2s")
	if _, saw := step(t, report, "delivery"); report["failed_step"] != "delivery" || !strings.Contains(saw, "no delivery yet") {
		t.Errorf("without a delivery: %v, %s", report["failed_step"], saw)
	}

	if got := post(t, base+"/v1/endpoints/v", "not-the-right-token-at-all", "{}"); got != http.StatusUnauthorized {
		t.Fatalf("a wrong token is answered %d", got)
	}
	report = b.verdict(t, "v", "--timeout", "4s")
	if _, saw := step(t, report, "token"); report["failed_step"] != "token" || !strings.Contains(saw, "unauthorized") || !strings.Contains(saw, "none of the live ones") {
		t.Errorf("after a wrong token: %v, %s", report["failed_step"], saw)
	}

	body := `{"log_id":"90020261122101112345000000000000000001223372036854775","data":{"tenant_name":"acme","type":"s","date":"2026-11-22T10:11:12.345Z"}}` + "\nnonsense\n"
	if got := post(t, base+"/v1/endpoints/v", token, body); got != http.StatusOK {
		t.Fatalf("a delivery is answered %d", got)
	}
	report = b.verdict(t, "v", "--timeout", "5s")
	if _, saw := step(t, report, "searchable"); report["failed_step"] != "searchable" || !strings.Contains(saw, "elasticsearch does not answer") {
		t.Errorf("without Elasticsearch: %v, %s", report["failed_step"], saw)
	}
	if result, saw := step(t, report, "events"); result != "ok" || !strings.Contains(saw, "1 event, JSON Lines, tenant acme") || !strings.Contains(saw, "1 broken element") {
		t.Errorf("events: %s, %s", result, saw)
	}
	if result, _ := step(t, report, "durable"); result != "ok" {
		t.Error("the delivery is not seen in the stream")
	}
	text, err := b.run(t, "endpoint", "verify", "v", "--timeout", "3s")
	if !errors.Is(err, cli.ErrSilent) || !strings.Contains(text, `step "searchable" failed`) || !strings.Contains(text, "Health") || strings.Contains(text, "Auth0 is logging") {
		t.Errorf("verify in words: %v\n%s", err, text)
	}
}

func TestVerifyWaitsForADeliveryWithEvents(t *testing.T) {
	b := newBench(t)
	base := b.startReceiver(t)
	token := tokenOf(b.object(t, "endpoint", "create", "--id", "w")["form"])
	if got := post(t, base+"/v1/endpoints/w", token, "\n"); got != http.StatusOK {
		t.Fatalf("an empty delivery is answered %d", got)
	}
	report := b.verdict(t, "w", "--timeout", "3s")
	if _, saw := step(t, report, "delivery"); report["failed_step"] != "delivery" || !strings.Contains(saw, "only an empty one") {
		t.Errorf("with an empty delivery: %v, %s", report["failed_step"], saw)
	}
	b.must(t, "endpoint", "revoke", "w", "--yes")
	report = b.verdict(t, "w", "--timeout", "1s")
	if _, saw := step(t, report, "token"); report["failed_step"] != "token" || !strings.Contains(saw, "no token any more") {
		t.Errorf("a revoked endpoint: %v, %s", report["failed_step"], saw)
	}
}

func TestVerifyNamesWhatIsWrongWithTheCertificate(t *testing.T) {
	b := newBench(t)
	target, err := url.Parse(b.startReceiver(t))
	if err != nil {
		t.Fatal(err)
	}
	b.must(t, "endpoint", "create", "--id", "tls")
	proxy := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(target))
	defer proxy.Close()
	report := b.verdict(t, "tls", "--timeout", "5s", "--public-url", proxy.URL)
	if _, saw := step(t, report, "certificate"); report["failed_step"] != "certificate" || !strings.Contains(saw, "self-signed") {
		t.Errorf("a self-signed certificate: %v, %s", report["failed_step"], saw)
	}
	report = b.verdict(t, "tls", "--timeout", "5s", "--public-url", target.String())
	if _, saw := step(t, report, "certificate"); !strings.Contains(saw, "https only") {
		t.Errorf("no TLS at all: %s", saw)
	}
	report = b.verdict(t, "tls", "--timeout", "5s", "--public-url", "https://no-such-host.invalid")
	if report["failed_step"] != "dns" {
		t.Errorf("a name without address: %v", report["failed_step"])
	}
}

// trusted names the variable that marks a test process which trusts the certificate of httptest's servers.
const trusted = "CLI_TEST_TRUSTS_HTTPTEST"

// trustHTTPTest runs the test once more in a process that trusts httptest's certificate: Go reads the trusted ones once
// per process. It returns true in that process.
func trustHTTPTest(t *testing.T) bool {
	t.Helper()
	if os.Getenv(trusted) != "" {
		return true
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), trusted+"=1", "SSL_CERT_FILE="+file)
	if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func TestTheWayFromThePublicAddressIsChecked(t *testing.T) {
	if !trustHTTPTest(t) {
		return
	}
	b := newBench(t)
	target, err := url.Parse(b.startReceiver(t))
	if err != nil {
		t.Fatal(err)
	}
	token := tokenOf(b.object(t, "endpoint", "create", "--id", "pub")["form"])
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewTLSServer(good)
	defer proxy.Close()
	eventually(t, "the receiver knows the endpoint", func() bool { return post(t, target.String()+"/v1/endpoints/pub", token, "\n") == 200 })
	report := b.verdict(t, "pub", "--timeout", "10s", "--public-url", proxy.URL, "--token-file", file)
	for _, name := range []string{"dns", "certificate", "url", "authorization", "body"} {
		if result, saw := step(t, report, name); result != "ok" {
			t.Errorf("%s: %s, %s", name, result, saw)
		}
	}
	report = b.verdict(t, "pub", "--timeout", "2s", "--public-url", proxy.URL)
	if result, saw := step(t, report, "authorization"); result != "skipped" || !strings.Contains(saw, "--token-file") {
		t.Errorf("without the token: %s, %s", result, saw)
	}
	stripping := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Authorization")
		good.ServeHTTP(w, r)
	}))
	defer stripping.Close()
	report = b.verdict(t, "pub", "--timeout", "20s", "--public-url", stripping.URL, "--token-file", file)
	if _, saw := step(t, report, "authorization"); report["failed_step"] != "authorization" || !strings.Contains(saw, "a proxy may strip it") {
		t.Errorf("a proxy that strips the header: %v, %s", report["failed_step"], saw)
	}
	small := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1<<20 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		good.ServeHTTP(w, r)
	}))
	defer small.Close()
	report = b.verdict(t, "pub", "--timeout", "20s", "--public-url", small.URL, "--token-file", file)
	if _, saw := step(t, report, "body"); report["failed_step"] != "body" || !strings.Contains(saw, "10 MiB") {
		t.Errorf("a proxy that takes small bodies only: %v, %s", report["failed_step"], saw)
	}
}
