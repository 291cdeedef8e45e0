package mapping

import (
	"strings"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// facts are what a code says about every event that has it, ready to copy.
type facts struct {
	plain    []byte
	writes   map[class][]byte // by what a management call does, where the code is one
	data     []byte           // its part of auth0.logs.data
	severity int
	failure  bool
}

// newFacts prepares a code.
func newFacts(code catalogue.Code) *facts {
	f := &facts{plain: appendFacts(nil, code), severity: code.Severity, failure: code.Outcome == "failure"}
	if label := classification(code.Filter); label != "" {
		f.data = appendText([]byte(`"classification":`), label)
	}
	if code.Filter == "management.success" || code.Filter == "management.fail" {
		f.writes = map[class][]byte{}
		for _, c := range classes() {
			f.writes[c] = appendFacts(nil, c.refine(code))
		}
	}
	return f
}

// event is the code's part of `event`, by what a management call does where it is one.
func (f *facts) event(call *call) []byte {
	if narrow, ok := f.writes[call.class]; ok {
		return narrow
	}
	return f.plain
}

// lookup returns what the catalogue says about a code, given as JSON.
func (m *Mapper) lookup(code []byte) (f *facts, known bool) {
	if f, known = m.facts[string(unquoted(code))]; known {
		return f, true
	}
	id := decoded(code) // a code may be written with escapes
	if f, known = m.facts[id]; known {
		return f, true
	}
	return newFacts(m.codes.Unknown(id)), false
}

// appendFacts writes what a code says, each member with a comma before it.
func appendFacts(b []byte, code catalogue.Code) []byte {
	b = append(b, `,"kind":`...)
	b = appendText(b, code.Kind)
	if len(code.Category) > 0 {
		b = append(b, `,"category":`...)
		b = appendTexts(b, code.Category)
	}
	if len(code.Type) > 0 {
		b = append(b, `,"type":`...)
		b = appendTexts(b, code.Type)
	}
	b = append(b, `,"action":`...)
	b = appendText(b, code.Action)
	b = append(b, `,"outcome":`...)
	b = appendText(b, code.Outcome)
	b = append(b, `,"severity":`...)
	return appendInt(b, code.Severity)
}

// classification is the name that Elastic's integration has for a filter category, as its dashboards look for it.
func classification(filter string) string {
	group, verdict, _ := strings.Cut(strings.TrimPrefix(filter, "auth."), ".")
	name := map[string]string{
		"login": "Login", "logout": "Logout", "signup": "Signup", "silent_auth": "Silent Authentication", "token_exchange": "Token Exchange",
		"management": "Management API", "system": "System", "user": "User/Behavioral", "scim": "SCIM", "actions": "Actions", "other": "Other",
	}[group]
	end := map[string]string{"fail": " - Failure", "success": " - Success", "notification": " - Notification", "event": " - Event"}[verdict]
	return name + end
}
