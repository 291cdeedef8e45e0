package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

const fakeToken = "Bearer a-token-for-tests-that-nobody-else-uses"

// intake speaks as the receiver does and keeps what it acknowledged.
type intake struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]byte
	ids    []string
	status func(n int) int // of request n, from 1
	posts  int
}

func newIntake(t *testing.T) *intake {
	t.Helper()
	in := &intake{status: func(int) int { return http.StatusOK }}
	in.Server = httptest.NewServer(in)
	t.Cleanup(in.Close)
	return in
}

func (in *intake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if r.Method != http.MethodPost {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	body, _ := io.ReadAll(r.Body)
	in.posts++
	status := in.status(in.posts)
	if r.Header.Get("Authorization") != fakeToken {
		status = http.StatusUnauthorized
	}
	w.WriteHeader(status)
	if status == http.StatusOK {
		in.bodies = append(in.bodies, body)
		for element := range auth0.Split(body) {
			var e auth0.Event
			_ = auth0.Parse(element.Raw, &e)
			in.ids = append(in.ids, e.LogID)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"delivery": "01JB3Q2V7E8M9N0P1R2S3T4V5W", "bytes": len(body)})
	}
}

// announce makes a state folder whose ready.json says r.
func announce(t *testing.T, r state.Ready) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := errors.Join(state.Dir(dir).Make(), state.Dir(dir).WriteReady(r)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run calls the command line.
func run(ctx context.Context, t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	t.Setenv("NATS_URL", "")
	var out bytes.Buffer
	cmd := cli.New(strings.NewReader(stdin), &out, io.Discard).Command() //nolint:contextcheck // the context comes with ExecuteContext
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	if strings.Contains(out.String(), fakeToken) {
		t.Errorf("the output shows the token:\n%s", out.String())
	}
	return out.String(), err
}

// result is what the tests read of the JSON that simulate and send print.
type result struct {
	Seed    uint64 `json:"seed"`
	Problem string `json:"problem"`
	Stopped bool   `json:"stopped"`
	Report  struct {
		Events  int            `json:"events"`
		Acked   int            `json:"acked"`
		Unacked int            `json:"unacked"`
		Refused map[string]int `json:"refused"`
	} `json:"report"`
	Files []struct {
		File     string `json:"file"`
		Elements int    `json:"elements"`
		Events   int    `json:"events"`
		Problem  string `json:"problem"`
		Broken   []struct {
			Line   int    `json:"line"`
			Reason string `json:"reason"`
		} `json:"broken"`
	} `json:"files"`
	Searchable *struct {
		Found   int    `json:"searchable"`
		Problem string `json:"problem"`
	} `json:"searchable"`
}

func decoded(t *testing.T, text string) result {
	t.Helper()
	var r result
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return r
}

func TestSimulateSendsEveryEventAndReportsIt(t *testing.T) {
	in := newIntake(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken})
	out, err := run(t.Context(), t, "", "simulate", "--json", "--state", dir, "--count", "250", "--concurrency", "2", "--scenario", "mfa-fatigue")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := decoded(t, out)
	if r.Report.Acked != len(in.ids) || r.Report.Acked <= 250 || r.Report.Unacked != 0 {
		t.Errorf("seed %d: acked %d, arrived %d, unacked %d; want 250 and the attack's events", r.Seed, r.Report.Acked, len(in.ids), r.Report.Unacked)
	}
}

func TestSimulateWithTheSameSeedAndStartSendsTheSameLogIDsAgain(t *testing.T) {
	in := newIntake(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken})
	args := []string{"simulate", "--state", dir, "--count", "120", "--seed", "7", "--start", "2026-01-02T00:00:00Z"}
	for _, more := range [][]string{nil, {"--replay"}, {"--replay=2026-01-02T00:01:00Z"}} {
		if out, err := run(t.Context(), t, "", append(args, more...)...); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	first, tail := map[string]bool{}, len(in.ids)-240
	for _, id := range in.ids[:120] {
		first[id] = true
	}
	for _, id := range in.ids[120:] {
		if !first[id] {
			t.Fatalf("the replay sends log_id %s, which the first run did not", id)
		}
	}
	if len(first) != 120 || tail <= 0 || tail >= 120 {
		t.Errorf("%d log_ids at first and %d from the cursor on; want 120 and some of them", len(first), tail)
	}
}

func TestSimulateSendsOnlyTheChosenAndTheInventedCodes(t *testing.T) {
	in := newIntake(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken})
	for _, c := range []struct {
		args  []string
		codes int
	}{
		{[]string{"--codes", "s,fp"}, 2},
		{[]string{"--codes", "s", "--codes", "fp", "--invent", "2", "--pii", "mask"}, 4},
		{[]string{"--invent", "10"}, 10},
		{[]string{"--codes", "all"}, len(simulator.Codes())},
	} {
		in.bodies = nil
		out, err := run(t.Context(), t, "", append([]string{"simulate", "--state", dir, "--count", strconv.Itoa(3 * c.codes)}, c.args...)...)
		if err != nil {
			t.Fatalf("%v: %v\n%s", c.args, err, out)
		}
		counts := map[string]int{}
		for _, body := range in.bodies {
			for element := range auth0.Split(body) {
				var e auth0.Event
				_ = auth0.Parse(element.Raw, &e)
				counts[e.Text("type")]++
			}
		}
		for code, n := range counts {
			if n != 3 || len(counts) != c.codes {
				t.Errorf("%v: %d events of %s and %d codes; want 3 events of each of %d", c.args, n, code, len(counts), c.codes)
			}
		}
	}
}

func TestSimulateGivesUpAtOnceWhereTheTokenIsWrong(t *testing.T) {
	in := newIntake(t)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("Bearer another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := run(t.Context(), t, "", "simulate", "--json", "--count", "5", "--url", in.URL, "--token-file", token, "--cycles", "0")
	r := decoded(t, out)
	if !errors.Is(err, cli.ErrSilent) || r.Report.Unacked != 5 || r.Report.Refused["401"] != 3 || !strings.Contains(r.Problem, "token") {
		t.Errorf("got %v and\n%s", err, out)
	}
}

func TestSimulateTriesAgainAfterARefusal(t *testing.T) {
	in := newIntake(t)
	in.status = func(n int) int {
		if n == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken})
	out, err := run(t.Context(), t, "", "simulate", "--state", dir, "--count", "30")
	if err != nil || len(in.ids) != 30 || !strings.Contains(out, "1 × 503") {
		t.Errorf("%d events arrived, %v\n%s", len(in.ids), err, out)
	}
}

func TestSimulateEndsCleanlyWhenItIsInterrupted(t *testing.T) {
	in := newIntake(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	out, err := run(ctx, t, "", "simulate", "--json", "--state", dir, "--count", "0", "--rate", "200")
	r := decoded(t, out)
	if err != nil || !r.Stopped || r.Report.Acked == 0 || r.Report.Acked != len(in.ids) || r.Report.Unacked != 0 {
		t.Errorf("got %v, %d arrived, and\n%s", err, len(in.ids), out)
	}
}

func TestSimulateSaysWhatIsWrongWithItsFlags(t *testing.T) {
	dir := announce(t, state.Ready{PayloadURL: "http://127.0.0.1:1/", Authorization: fakeToken})
	for want, args := range map[string][]string{
		"--scenario":    {"--scenario", "earthquake"},
		"shape":         {"--shape", "round"},
		"--start":       {"--start", "yesterday"},
		"--replay":      {"--replay"},
		"--count":       {"--count", "-1"},
		"--codes":       {"--codes", "s,wrong_code"},
		"--invent":      {"--invent", "-1"},
		"--pii":         {"--pii", "blur"},
		"--token-file":  {"--url", "http://127.0.0.1:1/"},
		"sluice up":     {"--state", t.TempDir()},
		"token: there ": {"--token-stdin"},
	} {
		_, err := run(t.Context(), t, "", append([]string{"simulate", "--state", dir}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want a word about %q", args, err, want)
		}
	}
}

func TestSimulateSaysThatElasticsearchCouldNotBeAsked(t *testing.T) {
	in := newIntake(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, Authorization: fakeToken, ElasticsearchURL: "http://127.0.0.1:1", NATSURL: "nats://127.0.0.1:1"})
	out, err := run(t.Context(), t, "", "simulate", "--json", "--state", dir, "--count", "3", "--wait-searchable", "1s")
	r := decoded(t, out)
	if !errors.Is(err, cli.ErrSilent) || r.Searchable == nil || r.Searchable.Problem == "" || r.Report.Acked != 3 {
		t.Errorf("got %v and\n%s", err, out)
	}
}
