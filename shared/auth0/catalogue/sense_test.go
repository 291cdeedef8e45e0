package catalogue_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

func TestAnUnknownOutcomeIsExplained(t *testing.T) {
	for _, code := range load(t).Codes() {
		if code.Outcome == "unknown" && code.Note == "" {
			t.Errorf("%s: the outcome is unknown and no note says why", code.ID)
		}
	}
}

func TestWhereAuth0sSourcesDisagreeANoteSaysSo(t *testing.T) {
	missing := 0
	codes := load(t)
	for _, code := range codes.Codes() {
		if strings.Contains(code.Note, "log catalog") && strings.Contains(code.Note, "filter page") && code.ID != "fco" {
			missing++
		}
		if code.Filter == "" && !strings.Contains(code.Note, "category") {
			t.Errorf("%s: no filter category and no note about it: %q", code.ID, code.Note)
		}
	}
	if missing != 39 {
		t.Errorf("%d codes are noted as missing on Auth0's filter page, want 39", missing)
	}
	for id, want := range map[string]string{
		"fco": "says other", "feta": "A failure that Auth0 files under auth.token_exchange.success",
		"too_many_records": "Only in Auth0's table", "gd_recovery_rate_limit_exceed": "Only in Auth0's table",
		"gd_auth_fail_email_verification": "Only in Auth0's table", "gd_send_email_verification_failure": "Only in Auth0's table",
		"du": "No longer", "fapi": "No longer", "scph": "No longer", "coff": "no list of Auth0 but its filter page",
	} {
		if code, _ := codes.Lookup(id); !strings.Contains(code.Note, want) {
			t.Errorf("%s: note %q lacks %q", id, code.Note, want)
		}
	}
}

// Whoever searches event.category:authentication must find all of these, as with Elastic's integration.
func TestEverythingAboutLoggingInIsAuthentication(t *testing.T) {
	found := 0
	for _, code := range load(t).Codes() {
		login := false
		for _, part := range []string{"auth.login.", "auth.logout.", "auth.silent_auth.", "auth.token_exchange."} {
			login = login || strings.HasPrefix(code.Filter, part)
		}
		for _, part := range []string{"gd_auth", "gd_recovery", "gd_otp", "gd_start_auth", "limit_", "passkey_", "pwd_leak", "mfar", "pla"} {
			login = login || strings.HasPrefix(code.ID, part)
		}
		if !login {
			continue
		}
		found++
		if !slices.Contains(code.Category, "authentication") {
			t.Errorf("%s: category %v has no authentication", code.ID, code.Category)
		}
	}
	if found < 70 {
		t.Errorf("only %d codes are about logging in", found)
	}
}

func TestTheHighestSeverityIsAttackProtectionAtWork(t *testing.T) {
	for _, code := range load(t).Codes() {
		acted := slices.Contains(code.Category, "intrusion_detection") && !slices.Contains(code.Type, "allowed")
		if high := code.Severity == catalogue.SeverityHigh; high != acted {
			t.Errorf("%s: severity %d with category %v and type %v", code.ID, code.Severity, code.Category, code.Type)
		}
		if acted && code.Outcome != "failure" {
			t.Errorf("%s: protection acted and the outcome is %s", code.ID, code.Outcome)
		}
		if code.Severity == catalogue.SeverityRoutine && code.Outcome == "failure" && !strings.Contains(code.Note, "Routine") {
			t.Errorf("%s: a failure that is routine, and no note says why", code.ID)
		}
	}
}

func TestTitlesAndNotesAreShortAndPlain(t *testing.T) {
	titles := map[string]string{}
	for _, code := range load(t).Codes() {
		if other, twice := titles[code.Title]; twice && code.ID != "du" && code.ID != "sdu" {
			t.Errorf("%s and %s have the same title %q", other, code.ID, code.Title)
		}
		titles[code.Title] = code.ID
		if len(code.Title) > 60 || strings.HasSuffix(code.Title, ".") || code.Title[:1] != strings.ToUpper(code.Title[:1]) {
			t.Errorf("%s: title %q", code.ID, code.Title)
		}
		if strings.HasSuffix(code.Note, ".") || strings.Contains(code.Note, "..") || strings.Contains(code.Note, "Elastic: ") || strings.ContainsAny(code.Note+code.Title, "|<>") {
			t.Errorf("%s: note %q", code.ID, code.Note)
		}
	}
}

func TestSeveritiesHaveWords(t *testing.T) {
	for severity, want := range map[int]string{1: "routine", 2: "notice", 3: "warning", 4: "high", 5: "unknown"} {
		if got := catalogue.SeverityWord(severity); got != want {
			t.Errorf("severity %d is %q, want %q", severity, got, want)
		}
	}
}
