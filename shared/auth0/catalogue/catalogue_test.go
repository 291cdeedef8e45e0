package catalogue_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

func load(t *testing.T) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryPublishedCodeIsThereOnce(t *testing.T) {
	codes := load(t).Codes()
	if len(codes) != 182 {
		t.Errorf("%d codes, want 179 published and 3 legacy", len(codes))
	}
	if !slices.IsSortedFunc(codes, func(a, b catalogue.Code) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("codes are not sorted by ID")
	}
	actions := map[string]string{}
	for _, code := range codes {
		if other, twice := actions[code.Action]; twice {
			t.Errorf("%s and %s share the action %s", other, code.ID, code.Action)
		}
		actions[code.Action] = code.ID
	}
	for _, legacy := range []string{"du", "fapi", "scph"} {
		if _, ok := load(t).Lookup(legacy); !ok {
			t.Errorf("legacy code %s is missing", legacy)
		}
	}
}

func TestEveryValueIsAllowedByECS(t *testing.T) {
	pairs := ecsPairs()
	for _, code := range load(t).Codes() {
		if !slices.Contains(ecsKinds(), code.Kind) || !slices.Contains(ecsOutcomes(), code.Outcome) {
			t.Errorf("%s: kind %q or outcome %q is not allowed", code.ID, code.Kind, code.Outcome)
		}
		for _, category := range code.Category {
			if category == "threat" || pairs[category] == nil {
				t.Errorf("%s: category %q is not allowed", code.ID, category)
			}
			if !slices.ContainsFunc(code.Type, func(typ string) bool { return slices.Contains(pairs[category], typ) }) {
				t.Errorf("%s: category %s goes with none of the types %v", code.ID, category, code.Type)
			}
		}
		for _, typ := range code.Type {
			if typ == "indicator" || !slices.Contains(ecsTypes(), typ) {
				t.Errorf("%s: type %q is not allowed", code.ID, typ)
			}
			if !slices.ContainsFunc(code.Category, func(category string) bool { return slices.Contains(pairs[category], typ) }) {
				t.Errorf("%s: type %s goes with none of the categories %v", code.ID, typ, code.Category)
			}
		}
		for _, list := range [][]string{code.Category, code.Type} {
			if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
				t.Errorf("%s: %v is not a sorted list without repeats", code.ID, list)
			}
		}
	}
}

func TestActionsAreLowerCaseAndHyphenated(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, code := range load(t).Codes() {
		if !form.MatchString(code.Action) {
			t.Errorf("%s: action %q", code.ID, code.Action)
		}
	}
}

// wantedOutcome reads the outcome out of Auth0's own way of naming codes;
// empty where the name does not tell.
func wantedOutcome(code catalogue.Code) string {
	switch {
	case regexp.MustCompile(`_(fail|failed|failure|rejected|exceed|leak|error)(_|$)`).MatchString(code.ID),
		strings.HasPrefix(code.ID, "limit_"):
		return "failure"
	case regexp.MustCompile(`_(succeed|succeeded|success|completed|complete)$`).MatchString(code.ID):
		return "success"
	case strings.HasPrefix(code.ID, "f"):
		return "failure"
	case regexp.MustCompile(`\.fail$`).MatchString(code.Filter):
		return "failure"
	case regexp.MustCompile(`\.success$`).MatchString(code.Filter):
		return "success"
	default:
		return ""
	}
}

func TestOutcomeFollowsFromTheCodesName(t *testing.T) {
	told := 0
	for _, code := range load(t).Codes() {
		want := wantedOutcome(code)
		if want == "" {
			continue
		}
		told++
		if code.Outcome != want {
			t.Errorf("%s: outcome %s, want %s", code.ID, code.Outcome, want)
		}
	}
	if told < 120 {
		t.Errorf("only %d names tell an outcome", told)
	}
}

func TestUnknownIsOnlyWhatTheCodeDoesNotSay(t *testing.T) {
	want := []string{
		"acls_summary", "acul_sdk_notice", "admin_update_launch", "api_limit_warning", "appi", "cls", "cs", "depnote",
		"directory_sync_started", "gd_send_email", "gd_send_email_verification", "gd_send_pn", "gd_send_sms",
		"gd_send_voice", "gd_start_auth", "gd_start_enroll", "mfar", "passkey_challenge_started", "pla", "ss_sso_info",
		"sys_os_update_end", "sys_os_update_start", "sys_update_end", "sys_update_start", "w", "wn", "wum",
	}
	var got []string
	for _, code := range load(t).Codes() {
		if code.Outcome == "unknown" {
			got = append(got, code.ID)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("outcome unknown:\n got %v\nwant %v", got, want)
	}
}

func TestCodesThatMatterForSecurity(t *testing.T) {
	blocked := func(id string) catalogue.Code {
		return catalogue.Code{ID: id, Outcome: "failure", Category: []string{"authentication", "intrusion_detection"}, Type: []string{"denied", "info"}}
	}
	tests := []catalogue.Code{
		blocked("limit_mu"), blocked("limit_wc"), blocked("limit_sul"), blocked("limit_phone"), blocked("limit_delegation"),
		blocked("gd_otp_rate_limit_exceed"), blocked("gd_recovery_rate_limit_exceed"),
		{ID: "pwd_leak", Outcome: "failure", Category: []string{"authentication", "intrusion_detection"}, Type: []string{"info"}},
		{ID: "signup_pwd_leak", Outcome: "failure", Category: []string{"iam", "intrusion_detection"}, Type: []string{"info", "user"}},
		{ID: "ss", Outcome: "success", Category: []string{"iam"}, Type: []string{"creation", "info", "user"}},
		{ID: "gd_auth_succeed", Outcome: "success", Category: []string{"authentication"}, Type: []string{"info"}},
		{ID: "gd_auth_failed", Outcome: "failure", Category: []string{"authentication"}, Type: []string{"info"}},
		{ID: "s", Outcome: "success", Category: []string{"authentication", "session"}, Type: []string{"info", "start"}},
		{ID: "fp", Outcome: "failure", Category: []string{"authentication"}, Type: []string{"info"}},
		{ID: "feta", Outcome: "failure", Category: []string{"authentication", "network", "web"}, Type: []string{"error", "info", "protocol"}},
		{ID: "sapi", Outcome: "success", Category: []string{"api", "configuration", "iam", "web"}, Type: []string{"access", "change", "info"}},
	}
	c := load(t)
	for _, want := range tests {
		got, ok := c.Lookup(want.ID)
		if !ok || got.Outcome != want.Outcome || !slices.Equal(got.Category, want.Category) || !slices.Equal(got.Type, want.Type) {
			t.Errorf("%s: got %+v, want %+v", want.ID, got, want)
		}
	}
}

func TestUnpublishedCodesAreDescribedSafely(t *testing.T) {
	c := load(t)
	for id, action := range map[string]string{
		"new_code":               "unknown-new_code",
		"Über\x00/x":             "unknown--ber--x",
		"":                       "unknown-none",
		strings.Repeat("A", 999): "unknown-" + strings.Repeat("a", 64),
		"\xff\xfe":               "unknown---",
	} {
		if _, ok := c.Lookup(id); ok {
			t.Errorf("%q is in the catalogue", id)
		}
		got := c.Unknown(id)
		if got.ID != id || got.Action != action || got.Kind != "event" || got.Outcome != "unknown" || !slices.Equal(got.Type, []string{"info"}) {
			t.Errorf("%q: %+v, want action %q", id, got, action)
		}
	}
}

func TestLookupsDoNotAllocate(t *testing.T) {
	c := load(t)
	id := []byte("success_on_behalf_of_token_exchange_and_more")[:35]
	found := 0
	allocs := testing.AllocsPerRun(100, func() {
		if code, ok := c.LookupBytes(id); ok && code.Outcome == "success" {
			found++
		}
		if code, ok := c.Lookup("gd_auth_failed"); ok && code.Outcome == "failure" {
			found++
		}
		if code, ok := c.LookupBytes(id[:3]); !ok && code == nil {
			found++
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per round of lookups", allocs)
	}
	if found != 3*101 { // AllocsPerRun warms up with one more run
		t.Errorf("%d lookups answered as expected, want %d", found, 3*101)
	}
}
