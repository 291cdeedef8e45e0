package e2e_test

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/test/harness"
)

// The flows share one all-in-one and follow one another as an operator's first day does.
func TestTheCommandLineOnARunningSluice(t *testing.T) {
	d := newDesk(t)
	t.Run("verify names the step that fails", d.verifyNamesTheFailingStep)
	t.Run("create, post, search, verify", d.createPostSearchVerify)
	t.Run("rotate keeps the old token until it is revoked", d.rotateAndRevoke)
	t.Run("delivery show tells every state", d.deliveryStates)
	t.Run("a replayed dead letter is searchable and gone", d.replayDeadLetter)
	t.Run("simulate counts what is searchable", d.simulateCounts)
	t.Run("send takes every form of a recording", d.sendRecordings)
	t.Run("doctor's exit code", d.doctorExitCodes)
	t.Run("setup can be repeated", d.setupTwice)
	t.Run("export and import", d.exportImport)
	t.Run("the token is nowhere but in its two files", d.tokensAreNowhereElse)
}

// verdict is what the tests read of `endpoint verify --json`.
type verdict struct {
	Logging bool
	Failed  string `json:"failed_step"`
	Steps   []struct{ Step, Result, Saw string }
}

// verify runs endpoint verify until it stops at the wanted step: what receivers saw is told with some delay.
func (d *desk) verify(t *testing.T, id, failing, saying string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		v, code := read[verdict](t, d, "endpoint", "verify", id, "--timeout", "2s")
		if code != 1 || v.Logging || len(v.Steps) == 0 {
			t.Fatalf("exit %d, %+v", code, v)
		}
		if v.Failed == failing && strings.Contains(v.Steps[len(v.Steps)-1].Saw, saying) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("step %q failed, not %q saying %q: %+v", v.Failed, failing, saying, v)
		}
	}
}

func (d *desk) verifyNamesTheFailingStep(t *testing.T) {
	d.verify(t, d.Endpoint, "delivery", "no delivery yet")
	if got := post(t, d.LocalURL, "not-the-token-of-anybody", "{}"); got.code != http.StatusUnauthorized {
		t.Fatalf("a wrong token is answered %+v", got)
	}
	d.verify(t, d.Endpoint, "token", "none of the live ones")
	if got := post(t, d.LocalURL, d.Authorization, "{\"data\":{}}\nno json"); got.code != http.StatusOK {
		t.Fatalf("broken lines are answered %+v", got)
	}
	d.verify(t, d.Endpoint, "events", "2 elements")
	if out := d.fails(t, "endpoint", "verify", "nobody"); !strings.Contains(out, "no such endpoint: nobody") {
		t.Errorf("an unknown endpoint: %s", out)
	}
	_, errs, code := harness.Run(t, nil, harness.Binary(t, "sluice"), "endpoint", "verify", "x", "--state", t.TempDir())
	if code != 1 || !strings.Contains(errs, "no running sluice found") || !strings.Contains(errs, "sluice up") {
		t.Errorf("where nothing runs: %d %s", code, errs)
	}
}

func (d *desk) createPostSearchVerify(t *testing.T) {
	e := d.endpoint(t, "--name", "it's prod", "--namespace", d.namespace)
	for i, authorization := range []string{e.Form.AuthorizationToken, "Bearer " + e.Form.AuthorizationToken} {
		awaitAnswer(t, http.StatusOK, e.Form.PayloadURL, authorization, lines(t, 3))
		d.awaitNamespace(t, 3*(i+1))
	}
	out := d.must(t, "endpoint", "verify", e.ID, "--timeout", "1m")
	if !strings.HasSuffix(out, "\nAuth0 is logging\n") || !strings.Contains(out, "3 events in logs-auth0.logs-"+d.namespace) {
		t.Errorf("verify ends\n%s", out)
	}
	for _, command := range [][]string{{"endpoint", "list"}, {"endpoint", "show", e.ID}} {
		if out := d.must(t, command...); !strings.Contains(out, "it's prod") || strings.Contains(out, e.Form.AuthorizationToken) {
			t.Errorf("%v says\n%s", command, out)
		}
	}
	if out := d.fails(t, "endpoint", "create", "--id", e.ID); !strings.Contains(out, "exists already") {
		t.Errorf("the same id again: %s", out)
	}
}

// awaitNamespace waits until a search finds exactly want documents in the desk's own namespace.
func (d *desk) awaitNamespace(t *testing.T, want int) {
	t.Helper()
	client, alias := harness.Elastic(t, d.ElasticsearchURL), "logs-auth0.logs-"+d.namespace
	count := func() int64 {
		_ = client.Refresh(t.Context(), alias)
		n, err := client.Count(t.Context(), alias, map[string]any{"match_all": map[string]any{}})
		if err != nil {
			return -1 // the index is not there yet
		}
		return n
	}
	harness.Await(t, 30*time.Second, fmt.Sprintf("%d documents in %s", want, alias), func() bool { return count() >= int64(want) })
	if n := count(); n != int64(want) {
		t.Fatalf("%d documents in %s, want %d", n, alias, want)
	}
}

func (d *desk) rotateAndRevoke(t *testing.T) {
	e := d.endpoint(t)
	first := e.Form.AuthorizationToken
	awaitAnswer(t, http.StatusOK, e.Form.PayloadURL, first, "\n")
	rotated, code := read[struct {
		Token string                `json:"authorization_token"`
		Old   []struct{ ID string } `json:"old_tokens"`
	}](t, d, "endpoint", "rotate", e.ID)
	if code != 0 || len(rotated.Old) != 1 || rotated.Token == first {
		t.Fatalf("rotate: %d %+v", code, rotated)
	}
	d.secrets = append(d.secrets, rotated.Token)
	awaitAnswer(t, http.StatusOK, e.Form.PayloadURL, rotated.Token, "\n")
	if got := post(t, e.Form.PayloadURL, first, "\n"); got.code != http.StatusOK {
		t.Errorf("the old token is answered %+v in its grace period", got)
	}
	if out := d.fails(t, "endpoint", "revoke", e.ID, "--token", rotated.Old[0].ID); !strings.Contains(out, "--yes") {
		t.Errorf("revoking unasked says %s", out)
	}
	d.must(t, "endpoint", "revoke", e.ID, "--token", rotated.Old[0].ID, "--yes")
	awaitAnswer(t, http.StatusUnauthorized, e.Form.PayloadURL, first, "\n")
	if got := post(t, e.Form.PayloadURL, rotated.Token, "\n"); got.code != http.StatusOK {
		t.Errorf("the new token is answered %+v after the old one was revoked", got)
	}
}

func (d *desk) deliveryStates(t *testing.T) {
	body := lines(t, 2)
	first := post(t, d.LocalURL, d.Authorization, body)
	d.awaitStates(t, first.Delivery, map[string]int{"searchable": 2})
	again := post(t, d.LocalURL, d.Authorization, body)
	if s := d.awaitStates(t, again.Delivery, map[string]int{"duplicate": 2}); !strings.Contains(s.Items[0].Why, first.Delivery) {
		t.Errorf("a duplicate says %+v", s.Items[0])
	}
	mixed := lines(t, 1) + "\nno json at all " + strconv.FormatUint(seed(t), 16)
	dead := post(t, d.LocalURL, d.Authorization, mixed)
	d.awaitStates(t, dead.Delivery, map[string]int{"searchable": 1, "dead": 1})
	again = post(t, d.LocalURL, d.Authorization, mixed)
	s := d.awaitStates(t, again.Delivery, map[string]int{"duplicate": 1, "dead": 1})
	if !strings.Contains(s.Items[1].Why, "not_json (dead letter ") {
		t.Errorf("a dead event of a second delivery says %+v", s.Items[1])
	}
	unknown := "01JB3Q2V7E8M9N0P1R2S3T4V5W"
	if out := d.fails(t, "delivery", "show", unknown); !strings.Contains(out, "unknown") {
		t.Errorf("an unknown delivery: %s", out)
	}
	if out := d.fails(t, "delivery", "show", "nonsense"); !strings.Contains(out, "26 characters") {
		t.Errorf("no id at all: %s", out)
	}
	d.waitingState(t)
}

// waitingState blocks writing to one index for a while, as a full disk or a person does.
func (d *desk) waitingState(t *testing.T) {
	t.Helper()
	e := d.endpoint(t, "--namespace", d.namespace)
	before := awaitAnswer(t, http.StatusOK, e.Form.PayloadURL, e.Form.AuthorizationToken, lines(t, 1))
	d.awaitStates(t, before.Delivery, map[string]int{"searchable": 1})
	d.block(t, true)
	blocked := post(t, e.Form.PayloadURL, e.Form.AuthorizationToken, lines(t, 2))
	s := d.awaitStates(t, blocked.Delivery, map[string]int{"waiting": 2})
	if s.Items[0].Why == "" {
		t.Errorf("nobody says what it waits for: %+v", s.Items[0])
	}
	d.block(t, false)
	d.awaitStates(t, blocked.Delivery, map[string]int{"searchable": 2})
}

// outcome is one letter of `deadletter replay --json`.
type outcome struct {
	Sequence               uint64
	Delivery, Outcome, Why string
}

// replayDeadLetter sets a whole event aside, as a build that could not read it yet would have done.
func (d *desk) replayDeadLetter(t *testing.T) {
	e := take(tenant(t), 1)[0]
	conn, err := stream.Open(t.Context(), "test", stream.Config{NATSURL: config.URL(d.NATSURL), NATSUnsafe: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	letter := &deadletter.Letter{
		Stage: deadletter.StageEnricher, Reason: "of_an_older_build", Attempts: 1, FirstSeen: time.Now(), Endpoint: d.Endpoint, Namespace: "default",
		Delivery: "an-older-one", Key: deadletter.KeyOf(d.Endpoint, e.JSON), Body: e.JSON,
	}
	if added, err := deadletter.Open(conn).Put(t.Context(), letter); err != nil || !added {
		t.Fatal(added, err)
	}
	only := []string{"--reason", letter.Reason}
	if out := d.must(t, append([]string{"deadletter", "list"}, only...)...); !strings.Contains(out, letter.Reason) {
		t.Fatalf("the list says\n%s", out)
	}
	if plan, _ := read[[]outcome](t, d, append([]string{"deadletter", "replay", "--dry-run"}, only...)...); len(plan) != 1 || plan[0].Outcome != "would be sent" {
		t.Fatalf("a dry run says %+v", plan)
	}
	done, code := read[[]outcome](t, d, append([]string{"deadletter", "replay"}, only...)...)
	if code != 0 || len(done) != 1 || done[0].Outcome != "searchable" {
		t.Fatalf("replay: %d %+v", code, done)
	}
	d.awaitStates(t, done[0].Delivery, map[string]int{"searchable": 1})
	if left, _ := read[[]any](t, d, append([]string{"deadletter", "list", "--all"}, only...)...); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	if out := d.fails(t, "deadletter", "show", strconv.FormatUint(done[0].Sequence, 10)); !strings.Contains(out, "no dead letter") {
		t.Errorf("the replayed letter: %s", out)
	}
	d.refusedAgain(t)
}

// refusedAgain replays what is still no event: it must not multiply.
func (d *desk) refusedAgain(t *testing.T) {
	t.Helper()
	for range 2 {
		done, _ := read[[]outcome](t, d, "deadletter", "replay", "--all")
		for _, item := range done {
			if item.Outcome != "dead again" {
				t.Errorf("%+v", item)
			}
		}
		left, _ := read[[]any](t, d, "deadletter", "list", "--all")
		if len(done) == 0 || len(left) > len(done) {
			t.Fatalf("%d letters were replayed, %d are left", len(done), len(left))
		}
	}
	d.must(t, "deadletter", "discard", "--all", "--yes")
	if left, _ := read[[]any](t, d, "deadletter", "list", "--all"); len(left) != 0 {
		t.Errorf("after discard: %v", left)
	}
}

// simulated is what the tests read of `simulate --json` and `send --json`.
type simulated struct {
	Report     struct{ Events, Duplicates, Acked, Unacked int }
	Searchable struct {
		Acked    int `json:"acked_log_ids"`
		Found    int `json:"searchable"`
		Complete bool
	}
}

func (d *desk) simulateCounts(t *testing.T) {
	before := d.CountNow()
	r, code := read[simulated](t, d, "simulate", "--count", "200", "--duplicates", "0.2", "--disorder", "0.2", "--concurrency", "2",
		"--scenario", "mfa-fatigue", "--scenario", "credential-stuffing", "--seed", strconv.FormatUint(seed(t)>>1, 10), "--wait-searchable", "1m")
	if code != 0 || !r.Searchable.Complete || r.Report.Unacked != 0 || r.Report.Duplicates == 0 || r.Report.Events <= 200 {
		t.Fatalf("exit %d, %+v", code, r)
	}
	if r.Searchable.Found != r.Report.Events || r.Report.Acked != r.Report.Events+r.Report.Duplicates || d.CountNow()-before != r.Report.Events {
		t.Errorf("%+v; searchable are %d more", r, d.CountNow()-before)
	}
	before = d.CountNow()
	same := []string{"simulate", "--count", "40", "--seed", strconv.FormatUint(seed(t)>>1, 10), "--start", "2026-01-02T00:00:00Z", "--wait-searchable", "1m"}
	for _, way := range [][]string{{"--shape", "lines"}, {"--shape", "array", "--encoding", "gzip"}, {"--shape", "object", "--encoding", "zstd"}, {"--shape", "single"}, {"--replay"}} {
		if r, code := read[simulated](t, d, append(slices.Clone(same), way...)...); code != 0 || r.Report.Events != 40 || r.Searchable.Found != 40 {
			t.Errorf("%v: exit %d, %+v", way, code, r)
		}
	}
	if n := d.CountNow() - before; n != 40 {
		t.Errorf("the same 40 events in every shape are %d documents", n)
	}
	if out := d.fails(t, "simulate", "--count", "3", "--url", d.LocalURL, "--token-file", file(t, "token", "another-token-than-that")); !strings.Contains(out, "401") {
		t.Errorf("with a wrong token:\n%s", out)
	}
}

func (d *desk) sendRecordings(t *testing.T) {
	before := d.CountNow()
	events := take(tenant(t), 4)
	var flat []string
	for _, e := range events {
		flat = append(flat, dataOf(t, e))
	}
	forms := map[string]string{
		"lines": string(simulator.Body(simulator.Lines, events)), "array": string(simulator.Body(simulator.Array, events)),
		"object": string(simulator.Body(simulator.Object, events)), "flat": "[\n  " + strings.Join(flat, ",\n  ") + "\n]", "pretty": pretty(t, events),
	}
	for _, name := range slices.Sorted(maps.Keys(forms)) {
		if r, code := read[simulated](t, d, "send", file(t, name, forms[name]), "--wait-searchable", "30s"); code != 0 || r.Report.Events != 4 || r.Searchable.Found != 4 {
			t.Errorf("%s: exit %d, %+v", name, code, r)
		}
	}
	if n := d.CountNow() - before; n != 4 {
		t.Errorf("4 events in every form are %d documents", n)
	}
	out := d.must(t, "send", file(t, "broken", forms["lines"]+"\nno json\n"), "--wait-searchable", "30s")
	if !strings.Contains(out, ": not_json") {
		t.Errorf("a broken line:\n%s", out)
	}
	if out := d.fails(t, "send", filepath.Join(t.TempDir(), "none")); !strings.Contains(out, "no such file") {
		t.Errorf("a missing file:\n%s", out)
	}
}

func (d *desk) doctorExitCodes(t *testing.T) {
	d.must(t, "doctor")
	out, _, code := harness.Run(t, nil, harness.Binary(t, "sluice"), "doctor", "--state", t.TempDir())
	if code != 1 || !strings.Contains(out, "no running sluice found") {
		t.Errorf("where nothing runs: exit %d\n%s", code, out)
	}
	if out := d.must(t, "--version"); !strings.HasPrefix(out, "sluice version ") {
		t.Errorf("--version says %s", out)
	}
	if out := d.must(t, "completion", "bash"); !strings.Contains(out, "__complete") {
		t.Error("no completion for bash")
	}
	for _, service := range []string{"receiver", "enricher", "indexer", "retention"} {
		if out := d.must(t, "run", service, "--settings"); !strings.Contains(out, "NATS_URL") {
			t.Errorf("the settings of %s are\n%s", service, out)
		}
	}
}

func (d *desk) setupTwice(t *testing.T) {
	for range 2 {
		changes, code := read[[]struct{ Kind, Name, Action string }](t, d, "setup")
		if code != 0 || len(changes) < 7 {
			t.Fatalf("setup: %d %+v", code, changes)
		}
		for _, c := range changes {
			if c.Action != "unchanged" {
				t.Errorf("%+v", c)
			}
		}
	}
}

// exportImport moves the registry to an all-in-one whose NATS folder is fresh.
func (d *desk) exportImport(t *testing.T) {
	e := d.endpoint(t, "--name", "moving")
	backup := filepath.Join(t.TempDir(), "registry.json")
	d.must(t, "endpoint", "export", "--output", backup)
	if found := filesWith(t, filepath.Dir(backup), e.Form.AuthorizationToken); len(found) > 0 {
		t.Error("the backup holds a token")
	}
	other := &desk{Instance: harness.Up(t, harness.Options{Args: []string{"--elasticsearch", d.ElasticsearchURL}})}
	other.must(t, "endpoint", "import", backup)
	if out := other.must(t, "endpoint", "import", backup); !strings.Contains(out, "exist already") {
		t.Errorf("a second import says\n%s", out)
	}
	base, _, _ := strings.Cut(other.LocalURL, "/v1/")
	there := awaitAnswer(t, http.StatusOK, base+"/v1/endpoints/"+e.ID, e.Form.AuthorizationToken, lines(t, 2))
	other.awaitStates(t, there.Delivery, map[string]int{"searchable": 2})
}

func (d *desk) tokensAreNowhereElse(t *testing.T) {
	if found := fmt.Sprint(filesWith(t, d.State, d.Authorization)); found != "[credentials.json ready.json]" {
		t.Errorf("the first token is in %s", found)
	}
	for _, token := range d.secrets {
		if found := filesWith(t, d.State, token); len(found) > 0 {
			t.Errorf("a created token is in %v", found)
		}
	}
	for line := range strings.Lines(d.Tail(1 << 20)) {
		announced := strings.HasPrefix(line, "  Authorization Token ") || strings.HasPrefix(line, "  curl ")
		for _, token := range append([]string{d.Authorization}, d.secrets...) {
			if strings.Contains(line, token) && !announced {
				t.Errorf("a token is in the log: %s", line)
			}
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range processes {
		if raw, err := os.ReadFile(path); err == nil && strings.Contains(string(raw), d.Authorization) {
			t.Errorf("%s shows the token", path)
		}
	}
}
