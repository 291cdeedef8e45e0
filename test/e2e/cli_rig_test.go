package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/test/harness"
)

// desk is an operator's place: a running all-in-one, its command line, and a namespace that no other test has.
type desk struct {
	*harness.Instance
	namespace string
	secrets   []string // tokens that the command line printed once
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	cluster := elastictest.Start(t)
	d := &desk{namespace: cluster.Namespace(t)} // removed after the all-in-one has stopped
	d.Instance = harness.Up(t, harness.Options{Args: []string{"--elasticsearch", cluster.URL}})
	return d
}

// must runs a command that has to succeed and returns what it printed.
func (d *desk) must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := d.Command(args...)
	if code != 0 {
		t.Fatalf("sluice %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// fails runs a command that has to fail and returns all it printed.
func (d *desk) fails(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := d.Command(args...)
	if code != 1 {
		t.Fatalf("sluice %s: exit %d, want 1\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out + errs
}

// read runs a command with --json, whatever its exit code, and decodes what it printed.
func read[T any](t *testing.T, d *desk, args ...string) (value T, code int) {
	t.Helper()
	out, errs, code := d.Command(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &value); err != nil {
		t.Fatalf("sluice %s: exit %d, no JSON (%v)\n%s%s", strings.Join(args, " "), code, err, out, errs)
	}
	return value, code
}

// madeEndpoint is what the tests read of `endpoint create --json`.
type madeEndpoint struct {
	ID   string
	Form struct {
		PayloadURL         string `json:"payload_url"`
		AuthorizationToken string `json:"authorization_token"`
	}
}

func (d *desk) endpoint(t *testing.T, args ...string) madeEndpoint {
	t.Helper()
	made, code := read[madeEndpoint](t, d, append([]string{"endpoint", "create"}, args...)...)
	if code != 0 || made.Form.AuthorizationToken == "" {
		t.Fatalf("endpoint create: %d %+v", code, made)
	}
	d.secrets = append(d.secrets, made.Form.AuthorizationToken)
	return made
}

// answer is what a receiver says.
type answer struct {
	code     int
	Status   string
	Delivery string
}

// post sends one delivery anywhere.
func post(t *testing.T, url, authorization, body string) (a answer) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(raw, &a)
	}
	if err != nil {
		t.Fatalf("%d %s: %v", res.StatusCode, raw, err)
	}
	a.code = res.StatusCode
	return a
}

// awaitAnswer posts until the receiver has taken a change of the registry up.
func awaitAnswer(t *testing.T, want int, url, authorization, body string) (a answer) {
	t.Helper()
	harness.Await(t, 20*time.Second, fmt.Sprintf("answer %d", want), func() bool {
		a = post(t, url, authorization, body)
		return a.code == want
	})
	return a
}

// shownDelivery is what the tests read of `delivery show --json`.
type shownDelivery struct {
	Events int
	States map[string]int
	Items  []struct {
		LogID string `json:"log_id"`
		State string
		Why   string
	}
}

// awaitStates looks at a delivery until its events are in the wanted states.
func (d *desk) awaitStates(t *testing.T, id string, want map[string]int) (s shownDelivery) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(200 * time.Millisecond) {
		var code int
		s, code = read[shownDelivery](t, d, "delivery", "show", id)
		if code == 0 && fmt.Sprint(s.States) == fmt.Sprint(want) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("delivery %s: %+v, want %v", id, s, want)
		}
	}
}

// lines are n events of a tenant of their own, one per line.
func lines(t *testing.T, n int) string {
	t.Helper()
	var body []string
	for _, e := range take(tenant(t), n) {
		body = append(body, string(e.JSON))
	}
	return strings.Join(body, "\n")
}

// file writes a file into a folder of the test's own.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// filesWith lists the files below dir that hold text.
func filesWith(t *testing.T, dir, text string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // NATS replaced it meanwhile
		}
		if bytes.Contains(raw, []byte(text)) {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// dataOf is an event as GET /api/v2/logs has it: what Auth0 sends as data, with its log_id.
func dataOf(t *testing.T, e simulator.Event) string {
	t.Helper()
	var event struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(e.JSON, &event); err != nil {
		t.Fatal(err)
	}
	event.Data["log_id"] = e.LogID
	raw, err := json.Marshal(event.Data)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// pretty writes events one after another with indentation, as a person's tools do.
func pretty(t *testing.T, events []simulator.Event) string {
	t.Helper()
	var out bytes.Buffer
	for _, e := range events {
		if err := json.Indent(&out, e.JSON, "", "  "); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// block forbids or allows writing to the indices of the desk's own namespace.
func (d *desk) block(t *testing.T, on bool) {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"index.blocks.write":%t}`, on))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, d.ElasticsearchURL+"/logs-auth0.logs-"+d.namespace+"-*/_settings", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("blocking the index: %d", res.StatusCode)
	}
}
