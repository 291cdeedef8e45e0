package auth0test_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0/auth0test"
)

// sample returns the sample event of that name, decoded.
func sample(t *testing.T, name string) map[string]any {
	t.Helper()
	for _, e := range samples(t) {
		if e.Name != name {
			continue
		}
		var event map[string]any
		if err := json.Unmarshal(e.JSON, &event); err != nil {
			t.Fatal(err)
		}
		return event
	}
	t.Fatalf("there is no sample event %s", name)
	return nil
}

// at follows a path of member names and element numbers 0 from data.
func at(t *testing.T, event map[string]any, path string) map[string]any {
	t.Helper()
	place := event["data"]
	for step := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '.' }) {
		if list, ok := place.([]any); ok && step == "0" {
			place = list[0]
			continue
		}
		object, ok := place.(map[string]any)
		if !ok {
			t.Fatalf("%s: nothing there to follow", path)
		}
		place = object[step]
	}
	object, ok := place.(map[string]any)
	if !ok {
		t.Fatalf("%s is no object", path)
	}
	return object
}

func TestCheckFinds(t *testing.T) {
	absent := &struct{}{}
	for name, c := range map[string]struct {
		event, path, member string
		value               any
		want                string
	}{
		"a required member":              {"s.password", "", "tenant_name", absent, "tenant_name: is missing and required"},
		"a required member further down": {"pla.bot", "details", "session_id", absent, "details.session_id: is missing and required"},
		"one in an element":              {"s.password", "details.prompts.0", "session_id", absent, "details.prompts[0].session_id: is missing and required"},
		"one of an inner object":         {"s.password", "details.riskAssessment.assessments.NewDevice", "code", absent, "details.riskAssessment.assessments.NewDevice.code: is missing and required"},
		"another type":                   {"s.password", "", "user_id", 7.0, "user_id: is of type number, published is string"},
		"a null where none may be":       {"s.password", "details", "session_id", nil, "details.session_id: is of type null, published is string"},
		"the other type of a conflict":   {"api_limit", "details", "response", map[string]any{}, "details.response: is of type object, published is string"},
		"a value outside a closed list":  {"passkey_challenge_failed", "details", "purpose", "logout", `details.purpose: is "logout", published are ["register" "login"]`},
		"a text that is no address":      {"s.password", "", "ip", "::1::", `ip: is "::1::": `},
		"a text that is no time":         {"directory_sync_started", "details", "started_at", "noon", `details.started_at: is "noon": `},
		"a text of another form":         {"s.password", "references", "trace_id", "zz", `references.trace_id: is "zz": it does not match /^[a-f0-9]{32}$/`},
		"a member of any name":           {"slo.saml", "details.session_metadata", "device", 1.0, "details.session_metadata.device: is of type number, published is string"},
	} {
		t.Run(name, func(t *testing.T) {
			event := sample(t, c.event)
			if c.value == absent {
				delete(at(t, event, c.path), c.member)
			} else {
				at(t, event, c.path)[c.member] = c.value
			}
			problems, known := check(t, event)
			if !known || len(problems) != 1 || !strings.HasPrefix(problems[0], c.want) {
				t.Errorf("problems are %q (known %v), want one that begins with %q", problems, known, c.want)
			}
		})
	}
}

func check(t *testing.T, event map[string]any) ([]string, bool) {
	t.Helper()
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return auth0test.Check(text)
}

func TestCheckAllows(t *testing.T) {
	for name, c := range map[string]struct {
		path, member string
		value        any
	}{
		"null where it may be":        {"", "client_id", nil},
		"an object of any members":    {"", "auth0_client", map[string]any{"sdk": "x"}},
		"the other type of a member":  {"", "auth0_client", []any{"x", 1.0}},
		"a member nobody published":   {"details", "future", true},
		"an optional object left out": {"", "references", map[string]any{}},
	} {
		t.Run(name, func(t *testing.T) {
			event := sample(t, "s.password")
			at(t, event, c.path)[c.member] = c.value
			if problems, known := check(t, event); len(problems) > 0 || !known {
				t.Errorf("problems are %q (known %v), want none", problems, known)
			}
		})
	}
}

func TestCheckOfWhatIsNoEvent(t *testing.T) {
	for _, text := range []string{``, `{`, `[]`, `{"data":[]}`} {
		if problems, known := auth0test.Check([]byte(text)); len(problems) != 1 || known {
			t.Errorf("%s: problems are %q (known %v), want one and no code", text, problems, known)
		}
	}
	for _, text := range []string{`{}`, `{"data":{}}`, `{"data":{"type":7}}`, `{"data":{"type":"fapi"}}`} {
		if problems, known := auth0test.Check([]byte(text)); len(problems) != 0 || known {
			t.Errorf("%s: problems are %q (known %v), want none and no schema", text, problems, known)
		}
	}
}

func TestUnknown(t *testing.T) {
	event := sample(t, "sapi.client-update")
	at(t, event, "")["isMobile"] = false
	at(t, event, "details")["stats"] = map[string]any{"loginsCount": 1}
	at(t, event, "details.request")["anything"] = 1 // published as an object of any members
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := auth0test.Unknown(text), []string{"details.stats", "isMobile"}; !slices.Equal(got, want) {
		t.Errorf("unknown members are %q, want %q", got, want)
	}
}

func TestPaths(t *testing.T) {
	paths := auth0test.Paths()
	codes := make(map[string]bool)
	for i, p := range paths {
		for _, code := range p.Codes {
			codes[code] = true
		}
		if i > 0 && paths[i-1].Name > p.Name {
			t.Errorf("%s stands behind %s", p.Name, paths[i-1].Name)
		}
	}
	if len(codes) != 166 {
		t.Errorf("%d codes have a schema, want 166", len(codes))
	}
	for _, c := range auth0test.Conflicts() {
		if c.Path == "details.stats" {
			if want := []string{"array", "object"}; !slices.Equal(c.Types, want) {
				t.Errorf("details.stats is %v, want %v", c.Types, want)
			}
			if want := []string{"acls_summary"}; !slices.Equal(c.Codes["array"], want) {
				t.Errorf("details.stats is an array in %v, want %v", c.Codes["array"], want)
			}
			return
		}
	}
	t.Error("details.stats is no conflict")
}
