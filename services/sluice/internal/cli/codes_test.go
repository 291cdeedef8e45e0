package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// offline runs a command line that asks no server.
func offline(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, screen bytes.Buffer
	cmd := cli.New(strings.NewReader(""), &out, &screen).Command()
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// mustOffline is offline for commands that have to succeed.
func mustOffline(t *testing.T, args ...string) string {
	t.Helper()
	out, err := offline(t, args...)
	if err != nil {
		t.Fatalf("sluice %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func TestCodesListsAllOrThoseThatAreChosen(t *testing.T) {
	if out := mustOffline(t, "codes"); !strings.HasPrefix(out, "CODE") || !strings.Contains(out, "\n182 codes. `sluice codes CODE`") {
		t.Errorf("the whole table is\n%s", out)
	}
	for _, test := range []struct {
		args string
		want int
	}{
		{"", 182},
		{"--filter auth.login.fail", 6},
		{"--filter auth.login", 12},
		{"--filter none", 5},
		{"gd_*", 27},
		{"gd_send_???", 1},
		{"BREACHED", 3},
		{"--outcome failure --category intrusion_detection", 10},
		{"gd_* --outcome success", 7},
		{"fp --outcome success", 0},
	} {
		rows, err := offline(t, append(strings.Fields("codes "+test.args), "--json")...)
		if test.want == 0 {
			if err == nil {
				t.Errorf("codes %s finds nothing and says nothing:\n%s", test.args, rows)
			}
			continue
		}
		if err != nil {
			t.Fatalf("codes %s: %v", test.args, err)
		}
		if got := len(decode[[]map[string]any](t, rows)); got != test.want {
			t.Errorf("codes %s lists %d, want %d", test.args, got, test.want)
		}
	}
}

func TestOneCodeIsToldWhole(t *testing.T) {
	out := strings.Join(strings.Fields(mustOffline(t, "codes", "pwd_leak")), " ")
	for _, want := range []string{
		"Login with a breached password", "other (nearly all MFA", "event.action login-with-breached-password", "4 (high)",
		"warn only", "outcome unknown. Sluice differs:", "event.outcome: failure instead A breached password counts",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	for id, want := range map[string]string{
		"fp": "writes the same", "pla": "writes the same", "signup_pwd_leak": "does not know it and writes event.action unknown-signup_pwd_leak",
		"too_many_records": "Auth0 states no filter category", "fcpn": "authenticates nobody",
	} {
		if out := mustOffline(t, "codes", id); !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%s: %q is missing in\n%s", id, want, out)
		}
	}
	row := decode[map[string]any](t, mustOffline(t, "codes", "ss", "--json"))
	if row["code"] != "ss" || row["outcome"] != "success" || row["elastic"] == nil {
		t.Errorf("as JSON: %v", row)
	}
	differences, _ := row["differences"].([]any)
	if first, _ := differences[0].(map[string]any); len(differences) != 5 || first["change"] != "-authentication" || first["reason"] == "" {
		t.Errorf("differences are %v", differences)
	}
}

func TestEveryCodeCanBeShown(t *testing.T) {
	for _, code := range table(t).Codes() {
		out := mustOffline(t, "codes", code.ID)
		if !strings.Contains(out, code.Title) || !strings.Contains(out, code.Action) {
			t.Errorf("%s:\n%s", code.ID, out)
		}
		for line := range strings.Lines(out) {
			if len([]rune(line)) > 121 {
				t.Errorf("%s: a line of %d characters: %s", code.ID, len(line), line)
			}
		}
	}
}

func TestCodesRefusesWhatChoosesNothing(t *testing.T) {
	for args, want := range map[string]string{
		"codes --filter auth.logn":   "auth.login.fail",
		"codes --outcome maybe":      "success, failure, unknown",
		"codes --category threat":    "intrusion_detection",
		"codes brand_new_code":       "unknown-brand_new_code",
		"codes [":                    "no event code",
		"codes fp fu":                "accepts at most 1",
		"codes --filter auth.login.": "no filter category",
	} {
		if out, err := offline(t, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q\n%s", args, err, want, out)
		}
	}
}

func TestCodesAreCompleted(t *testing.T) {
	for args, want := range map[string]string{
		"codes gd_rec":             "gd_recovery_failed\tWrong recovery code\n",
		"codes --filter auth.logi": "auth.login.success\n",
		"codes --outcome s":        "success\n",
		"codes --category ia":      "iam\n",
	} {
		if out := mustOffline(t, append([]string{"__complete"}, strings.Fields(args)...)...); !strings.Contains(out, want) {
			t.Errorf("%s offers\n%s", args, out)
		}
	}
}

func table(t *testing.T) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
