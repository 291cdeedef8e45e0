package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// form holds the values of Auth0's form for a custom webhook, in the order of its fields.
type form struct {
	Name           string     `json:"name"`
	PayloadURL     string     `json:"payload_url"`
	Authorization  string     `json:"authorization_token,omitempty"` // empty for a token that somebody brought along
	ContentType    string     `json:"content_type"`
	ContentFormat  string     `json:"content_format"`
	Filters        []category `json:"filters"`
	StartingCursor string     `json:"starting_cursor"`
}

// category is one choice of "Filter by Event Category".
type category struct {
	Name        string `json:"name"`
	Carries     string `json:"carries"`
	Recommended bool   `json:"recommended"`
	Volume      string `json:"volume"`
	Blind       string `json:"blind_without"`
}

// What the free fields of the form say.
const (
	cursorAdvice = "leave empty to begin now; a date brings the older events again, as far back as your Auth0 plan keeps them " +
		"(it can be set only while the log stream is created)"
	filterAdvice = "leave empty for all events, also of categories that Auth0 adds later; or choose at least "
)

// fillForm fills the form; token is empty when the operator brought one along and so knows it.
func fillForm(name string, at address, token string) form {
	f := form{
		Name: name, PayloadURL: at.URL, Authorization: token, ContentType: "application/json", ContentFormat: "JSON Lines",
		StartingCursor: cursorAdvice,
	}
	for _, c := range catalogue.Filters() {
		f.Filters = append(f.Filters, category{Name: c.Name, Carries: c.Carries, Recommended: c.Recommended, Volume: string(c.Volume), Blind: c.Blind})
	}
	return f
}

// write prints the form for a person, with what each category costs and what is blind without it.
func (f *form) write(w io.Writer, about string) {
	f.writeFields(w, about, "those marked yes below")
	fmt.Fprintln(w)
	f.writeFilters(w)
}

// formMargin is where the values of the form begin.
const formMargin = "                            "

// writeFields prints the fields and their values; about says something of the token, choice which categories to choose.
func (f *form) writeFields(w io.Writer, about, choice string) {
	token := f.Authorization
	if token == "" {
		token, about = "the token you brought along", ""
	}
	if about != "" {
		about = "    (" + about + ")"
	}
	fmt.Fprint(w, "Auth0 dashboard > Monitoring > Streams > Create Log Stream > Custom Webhook:\n\n")
	for _, field := range [][2]string{
		{"Name", f.Name},
		{"Payload URL", f.PayloadURL},
		{"Authorization Token", token + about},
		{"Content Type", f.ContentType},
		{"Content Format", f.ContentFormat},
		{"Filter by Event Category", fold(filterAdvice + choice)},
		{"Starting Cursor", fold(f.StartingCursor)},
	} {
		fmt.Fprintf(w, "  %-24s  %s\n", field[0], field[1])
	}
}

// fold breaks a long value so that its lines stand below one another.
func fold(text string) string { return folded(text, formMargin, textWidth-len(formMargin)) }

// recommended names the categories that nobody should leave out.
func (f *form) recommended() string {
	var names []string
	for _, c := range f.Filters {
		if c.Recommended {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, ", ")
}

func (f *form) writeFilters(w io.Writer) {
	fmt.Fprint(w, "  CATEGORY\tCHOOSE\tVOLUME\tBLIND WITHOUT IT\n")
	for _, c := range f.Filters {
		choose := "-"
		if c.Recommended {
			choose = "yes"
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", c.Name, choose, c.Volume, c.Blind)
	}
}

// shellQuote makes any text one word of a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// readVariable is a line that asks for a secret, so that neither history nor screen shows it.
func readVariable(name, ask string) string {
	return fmt.Sprintf("printf '%s: '; read -rs %s; export %s; echo", ask, name, name)
}

// auth0CLI is the auth0 command that makes the log stream.
func (f *form) auth0CLI() string {
	return strings.Join([]string{
		readVariable("SLUICE_TOKEN", "Authorization Token"),
		"auth0 logs streams create http --name " + shellQuote(f.Name) + ` \`,
		"  --endpoint " + shellQuote(f.PayloadURL) + ` \`,
		`  --type application/json --format JSONLINES --authorization "$SLUICE_TOKEN"`,
		"unset SLUICE_TOKEN",
	}, "\n")
}

// managementAPI is the call of Auth0's Management API that makes the log stream. The secrets travel through the
// environment and pipes: a command line is visible to every user of the machine.
func (f *form) managementAPI() string {
	return strings.Join([]string{
		"AUTH0_DOMAIN=YOUR-TENANT.auth0.com",
		readVariable("SLUICE_TOKEN", "Authorization Token"),
		readVariable("AUTH0_API_TOKEN", "Management API token with create:log_streams"),
		"jq -n --arg name " + shellQuote(f.Name) + " --arg url " + shellQuote(f.PayloadURL) + ` '{`,
		`  name: $name, type: "http", sink: {httpEndpoint: $url, httpAuthorization: env.SLUICE_TOKEN,`,
		`  httpContentType: "application/json", httpContentFormat: "JSONLINES"}}' |`,
		`  curl -sS --fail-with-body "https://$AUTH0_DOMAIN/api/v2/log-streams" -H 'Content-Type: application/json' \`,
		`    -H @<(printf 'Authorization: Bearer %s' "$AUTH0_API_TOKEN") --data-binary @-`,
		"unset SLUICE_TOKEN AUTH0_API_TOKEN",
	}, "\n")
}

// indent moves every line of a command two columns to the right.
func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
