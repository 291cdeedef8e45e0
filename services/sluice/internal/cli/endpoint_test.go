package cli_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

func TestCreatePrintsTheFormAndStoresNoToken(t *testing.T) {
	b := newBench(t)
	out := b.object(t, "endpoint", "create", "--name", "it's production", "--id", "prod", "--public-url", "https://logs.example.com/")
	form, _ := out["form"].(map[string]any)
	token, _ := form["authorization_token"].(string)
	if form["payload_url"] != "https://logs.example.com/v1/endpoints/prod" || form["content_format"] != "JSON Lines" || out["public"] != true {
		t.Errorf("form is %v", form)
	}
	if err := endpoint.CheckToken(token); err != nil {
		t.Fatal(err)
	}
	if filters, _ := form["filters"].([]any); len(filters) != 20 {
		t.Errorf("%d categories", len(filters))
	}
	for _, command := range []string{"auth0_cli", "management_api"} {
		script, _ := out[command].(string)
		if strings.Contains(script, token) {
			t.Errorf("%s holds the token", command)
		}
		if text, err := exec.CommandContext(t.Context(), "bash", "-n", "-c", script).CombinedOutput(); err != nil {
			t.Errorf("%s is no shell: %v %s\n%s", command, err, text, script)
		}
	}
	backup := b.must(t, "endpoint", "export")
	if strings.Contains(backup, token) || !strings.Contains(backup, `"prod"`) {
		t.Error("the registry holds the token, or not the endpoint")
	}
	if shown := b.must(t, "endpoint", "show", "prod") + b.must(t, "endpoint", "show", "prod", "--json"); strings.Contains(shown, token) || strings.Contains(shown, "hash") {
		t.Errorf("show tells a secret:\n%s", shown)
	}
	if _, err := b.run(t, "endpoint", "create", "--id", "prod"); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second one with the same id: %v", err)
	}
}

func TestCreateSaysThatAuth0CannotReachLoopback(t *testing.T) {
	b := newBench(t)
	out := b.must(t, "endpoint", "create", "--name", "here")
	for _, want := range []string{"Payload URL", "Authorization Token       slc_", "Filter by Event Category", "Starting Cursor", "cannot reach", "tunnel", "read -rs SLUICE_TOKEN", "/api/v2/log-streams", "Elasticsearch at", "auth.login.fail"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestCreateSaysWhatMayBeASlip(t *testing.T) {
	b := newBench(t)
	first := b.object(t, "endpoint", "create", "--name", "production", "--id", "first", "--namespace", "eu")
	for args, want := range map[string]string{
		"--name staging --namespace eu":    "",
		"--name production --namespace eu": `endpoint first is called "production", too`,
		"--name other --namespace ue":      "namespace ue is new",
	} {
		out := b.object(t, append([]string{"endpoint", "create"}, strings.Fields(args)...)...)
		notes := fmt.Sprint(out["notes"])
		said := strings.Contains(notes, "too") || strings.Contains(notes, "is new")
		if said != (want != "") || !strings.Contains(notes, want) {
			t.Errorf("%s: the notes are %s", args, notes)
		}
	}
	if notes := fmt.Sprint(first["notes"]); strings.Contains(notes, "is new") {
		t.Errorf("the first namespace of all is no slip: %s", notes)
	}
}

func TestAPublicURLIsChecked(t *testing.T) {
	b := newBench(t)
	for _, bad := range []string{"logs.example.com", "ftp://x", "https://u:p@logs.example.com", "https://logs.example.com/v1/endpoints/x", "https://logs.example.com?x=1"} {
		if out, err := b.run(t, "endpoint", "create", "--public-url", bad); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v\n%s", bad, err, out)
		}
	}
	for base, public := range map[string]bool{"https://logs.example.com": true, "http://logs.example.com": false, "https://10.1.2.3": false, "https://sluice": false, "https://localhost:8443": false} {
		if out := b.object(t, "endpoint", "create", "--public-url", base); out["public"] != public {
			t.Errorf("%s: public is %v", base, out["public"])
		}
	}
}

func TestAnAdoptedTokenIsAcceptedAndNeverPrinted(t *testing.T) {
	b := newBench(t)
	base := b.startReceiver(t)
	const token = "a-token-that-auth0-sends-already"
	out, err := b.runWith(t, strings.NewReader(token+"\n"), "endpoint", "create", "--id", "moved", "--token-stdin")
	if err != nil || strings.Contains(out, token) {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := post(t, base+"/v1/endpoints/moved", token, "\n"); got != 200 {
		t.Errorf("the adopted token is answered %d", got)
	}
	if _, err := b.runWith(t, strings.NewReader("short"), "endpoint", "create", "--token-stdin"); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a weak token: %v", err)
	}
	if _, err := b.run(t, "endpoint", "create", "--token-file", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is no error")
	}
}

func TestRotateKeepsTheOldTokenForTheGracePeriod(t *testing.T) {
	b := newBench(t)
	base := b.startReceiver(t)
	url := base + "/v1/endpoints/rot"
	first := tokenOf(b.object(t, "endpoint", "create", "--id", "rot")["form"])
	if got := post(t, url, first, "\n"); got != 200 {
		t.Fatalf("the first token is answered %d", got)
	}
	out := b.object(t, "endpoint", "rotate", "rot", "--grace", "1h")
	second := tokenOf(out)
	old, _ := out["old_tokens"].([]any)
	if len(old) != 1 {
		t.Fatalf("old tokens: %v", old)
	}
	eventually(t, "the new token is accepted", func() bool { return post(t, url, second, "\n") == 200 })
	if got := post(t, url, first, "\n"); got != 200 {
		t.Errorf("the old token is answered %d in its grace period", got)
	}
	eventually(t, "the use of a token is shown", func() bool {
		return strings.Count(b.must(t, "endpoint", "show", "rot"), " ago") >= 3
	})
	id, _ := old[0].(map[string]any)["id"].(string)
	if _, err := b.run(t, "endpoint", "revoke", "rot", "--token", id); err == nil || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("revoking without a terminal and without --yes: %v", err)
	}
	b.must(t, "endpoint", "revoke", "rot", "--token", id, "--yes")
	eventually(t, "the old token is refused", func() bool { return post(t, url, first, "\n") == 401 })
	if text := b.must(t, "endpoint", "rotate", "rot", "--grace", "0s"); !strings.Contains(text, "not accepted any more; it was last used") {
		t.Errorf("rotating without grace says\n%s", text)
	}
	b.must(t, "endpoint", "revoke", "rot", "--yes")
	if text := b.must(t, "endpoint", "list"); !strings.Contains(text, "revoked") {
		t.Errorf("the list says\n%s", text)
	}
}

func TestARegistryMovesToAnotherServer(t *testing.T) {
	one, two := newBench(t), newBench(t)
	token := tokenOf(one.object(t, "endpoint", "create", "--id", "moving", "--namespace", "payments")["form"])
	file := filepath.Join(t.TempDir(), "registry.json")
	one.must(t, "endpoint", "export", "--output", file)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	if out := two.object(t, "endpoint", "import", file); count(out["written"]) != 1 {
		t.Errorf("import says %v", out)
	}
	if out := two.object(t, "endpoint", "import", file); count(out["kept"]) != 1 {
		t.Errorf("a second import says %v", out)
	}
	base := two.startReceiver(t)
	if got := post(t, base+"/v1/endpoints/moving", token, "\n"); got != 200 {
		t.Errorf("the token is answered %d on the other server", got)
	}
	if _, err := two.runWith(t, strings.NewReader(`{"version":1,"endpoints":[null]}`), "endpoint", "import", "-"); err == nil {
		t.Error("a broken backup is accepted")
	}
}

func TestAnImportSaysWhichCalendarItDidNotTake(t *testing.T) {
	one, two := newBench(t), newBench(t)
	one.must(t, "namespace", "create", "default", "--period", "month")
	file := filepath.Join(t.TempDir(), "registry.json")
	one.must(t, "endpoint", "export", "--output", file)
	two.must(t, "namespace", "create", "default")
	if _, err := two.conn.Publish(t.Context(), stream.Outgoing{Subject: stream.SubjectDocuments("default"), Data: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if out := two.object(t, "endpoint", "import", file); count(out["calendars_kept"]) != 1 {
		t.Errorf("import says %v", out)
	}
	text := strings.Join(strings.Fields(two.must(t, "endpoint", "import", "--overwrite", file)), " ")
	if !strings.Contains(text, "The calendar of namespace default stays as it is (day), and is not the backup's (month)") {
		t.Errorf("import says %s", text)
	}
	if n := two.object(t, "namespace", "show", "default"); n["period"] != "day" {
		t.Errorf("%v", n)
	}
}

func TestTheCommandThatFollowsACreationChecksTheSameAddress(t *testing.T) {
	b := newBench(t)
	for args, want := range map[string]string{"--public-url https://logs.example.com/in": "endpoint verify shop1 --public-url https://logs.example.com/in", "": "endpoint verify shop2"} {
		id := want[len("endpoint verify "):][:5]
		out := b.must(t, append([]string{"endpoint", "create", "--id", id}, strings.Fields(args)...)...)
		if _, then, _ := strings.Cut(out, "Then watch"); !strings.Contains(then, want) || args == "" && strings.Contains(then, "--public-url") {
			t.Errorf("create %s: then %s", args, then)
		}
	}
}

// A backup knows nothing of a rotation or a revocation since: whoever overwrites with it is told what that undoes.
func TestAnImportThatTurnsTokensBackSaysSo(t *testing.T) {
	b := newBench(t)
	ids := map[string]string{}
	for _, name := range []string{"rotated", "revoked", "same"} {
		id, _ := b.object(t, "endpoint", "create", "--id", name)["token_id"].(string)
		ids[name] = id
	}
	file := filepath.Join(t.TempDir(), "registry.json")
	b.must(t, "endpoint", "export", "--output", file)
	fresh, _ := b.object(t, "endpoint", "rotate", "rotated", "--grace", "24h")["token_id"].(string)
	b.must(t, "endpoint", "rotate", "revoked", "--grace", "24h")
	b.must(t, "endpoint", "revoke", "revoked", "--token", ids["revoked"], "--yes")
	if out := b.object(t, "endpoint", "import", file); count(out["tokens"]) != 0 {
		t.Errorf("nothing was overwritten, and it says %v", out["tokens"])
	}
	text := strings.Join(strings.Fields(b.must(t, "endpoint", "import", "--overwrite", file)), " ")
	for _, want := range []string{
		"endpoint rotated are the backup's again: no longer good: " + fresh, "good for longer than before: " + ids["rotated"],
		"good again although revoked or replaced since the backup: " + ids["revoked"],
	} {
		if fresh == "" || !strings.Contains(text, want) {
			t.Errorf("it does not say %q: %s", want, text)
		}
	}
	if strings.Contains(text, "endpoint same are") {
		t.Errorf("it names an endpoint whose tokens are as before: %s", text)
	}
}

func TestAnUnknownEndpointIsNamed(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{{"show", "nobody"}, {"rotate", "nobody"}, {"revoke", "nobody", "--yes"}, {"verify", "nobody"}} {
		_, err := b.run(t, append([]string{"endpoint"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), "nobody") || !strings.Contains(err.Error(), "endpoint list") {
			t.Errorf("%v: %v", args, err)
		}
	}
	b.must(t, "endpoint", "create", "--id", "somebody")
	if out := b.must(t, "__complete", "endpoint", "show", ""); !strings.Contains(out, "somebody") {
		t.Errorf("completion says\n%s", out)
	}
}

func count(list any) int {
	all, _ := list.([]any)
	return len(all)
}

func tokenOf(form any) string {
	fields, _ := form.(map[string]any)
	token, _ := fields["authorization_token"].(string)
	return token
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
