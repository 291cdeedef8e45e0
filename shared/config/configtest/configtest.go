// Package configtest keeps the settings table of a service's README equal to the code.
package configtest

import (
	"os"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/config"
)

// The table stands between these marks.
const (
	begin = "<!-- settings -->\n"
	end   = "<!-- /settings -->"
)

// Readme compares the table in the test's README.md with the settings of spec, a pointer to a settings struct; with
// update it writes the table anew.
func Readme(tb testing.TB, prefix string, spec any, update bool) {
	tb.Helper()
	raw, err := os.ReadFile("README.md")
	if err != nil {
		tb.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	table, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		tb.Fatalf("README.md has no %q and %q", begin, end)
	}
	var want strings.Builder
	if err := config.Markdown(&want, prefix, spec); err != nil {
		tb.Fatal(err)
	}
	switch {
	case table == want.String():
	case update:
		if err := os.WriteFile("README.md", []byte(before+begin+want.String()+end+after), 0o600); err != nil {
			tb.Fatal(err)
		}
	default:
		tb.Errorf("the settings table is not the code's: run `go test . -update` in this folder. It must be\n%s", want.String())
	}
}
