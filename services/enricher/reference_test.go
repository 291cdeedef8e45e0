package enricher_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

const referenceFile = "REFERENCE.md"

// reference is what REFERENCE.md is made of.
type reference struct {
	unknown    catalogue.Code
	codes      []catalogue.Code
	comparison *catalogue.Comparison
	fields     []mapping.Field
}

func TestTheReferenceIsTheCodes(t *testing.T) {
	table, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	ref := reference{unknown: table.Unknown("new"), codes: table.Codes()}
	if ref.comparison, err = catalogue.LoadComparison(); err != nil {
		t.Fatal(err)
	}
	if ref.fields, err = mapping.Fields(); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	ref.write(&want)
	got, err := os.ReadFile(referenceFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	switch {
	case string(got) == want.String():
	case *update:
		if err := os.WriteFile(referenceFile, []byte(want.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what the code does: run `go test . -update` in this folder. First difference:\n%s", referenceFile, firstDifference(string(got), want.String()))
	}
}

// firstDifference shows the first line that differs.
func firstDifference(got, want string) string {
	theirs, ours := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(theirs), len(ours)) {
		if theirs[i] != ours[i] {
			return fmt.Sprintf("line %d\n is      %s\n must be %s", i+1, theirs[i], ours[i])
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(theirs), len(ours))
}

func (r *reference) write(w io.Writer) {
	fmt.Fprint(w, `# Reference

What an Auth0 event becomes. This page is made from the code by `+"`go test . -update`"+` in this folder, and a test keeps it
true. [README.md](README.md) says how the service works.

1. [Event codes](#1-event-codes)
2. [Fields](#2-fields)
3. [Differences from Elastic's integration](#3-differences-from-elastics-integration)
4. [Flags](#4-flags)
`)
	r.writeCodes(w)
	r.writeFields(w)
	r.writeDifferences(w)
	fmt.Fprint(w, "\n## 4. Flags\n\n`sluice.flags` says what is doubtful or missing in a document. It is absent where nothing is.\n\n")
	row(w, "flag", "meaning")
	row(w, "---", "---")
	for _, f := range mapping.Flags() {
		row(w, code(f.Name), f.Meaning)
	}
}

func (r *reference) writeCodes(w io.Writer) {
	fmt.Fprintf(w, `
## 1. Event codes

`+"`event.code`"+` is Auth0's own code, `+"`data.type`"+` in the event. All %d known ones are here: those that Auth0 publishes and three
that are in none of its lists any more. The filter category is the one under which Auth0's log streams carry the code; a log
stream without a filter carries them all. `+"`sluice codes CODE`"+` shows the same on the command line.

- **outcome** follows the code's own word. It is unknown where the code is only a beginning, a message that was sent, a
  warning or a notice; the note says which. A message that was sent is no success, because it lets nobody in.
- **category** says what an event is about. `+"`authentication`"+` means that somebody or something proves who it is, or ends
  that; `+"`iam`"+` that an account, a member or a factor is managed; `+"`intrusion_detection`"+` that attack protection acted.
- **severity** is %s.
- An account's change that failed keeps the type of the change; the outcome says that it failed.
- For a call of the Management API the table shows what the code alone tells; section 2 says what the call itself adds.

A code that is not in the table loses nothing: its events are indexed with kind `+"`%s`"+`, type `+"`%s`"+`, action
`+"`unknown-CODE`"+` and outcome `+"`%s`"+`, without category, with the flag `+"`unknown_code`"+`. They are counted in
`+"`sluice_enricher_events_total{result=\"unknown_code\"}`"+`, the codes in `+"`sluice_enricher_unknown_codes`"+`, and each new code is
logged once. Nothing is guessed from its letters.

`, len(r.codes), severities(), r.unknown.Kind, strings.Join(r.unknown.Type, ", "), r.unknown.Outcome)
	row(w, "code", "meaning", "filter category", "kind", "category", "type", "action", "outcome", "severity", "note")
	row(w, slices.Repeat([]string{"---"}, 10)...)
	for _, c := range r.codes {
		row(w, code(c.ID), c.Title, c.Filter, c.Kind, list(c.Category), list(c.Type), code(c.Action), c.Outcome, strconv.Itoa(c.Severity), c.Note)
	}
}

// severities explains the numbers.
func severities() string {
	var all []string
	for severity := catalogue.SeverityRoutine; severity <= catalogue.SeverityHigh; severity++ {
		all = append(all, fmt.Sprintf("%d %s", severity, catalogue.SeverityWord(severity)))
	}
	return strings.Join(all, ", ") + " (one of Auth0's protections against attacks acted)"
}

func (r *reference) writeFields(w io.Writer) {
	fmt.Fprint(w, `
## 2. Fields

Every field that a document may have. The source is a path below `+"`data`"+` in the event; with several, the first that
is there counts. A field without a type is stored and cannot be searched.

`)
	row(w, "field", "type", "source in the event", "rule")
	row(w, slices.Repeat([]string{"---"}, 4)...)
	for _, f := range r.fields {
		from := make([]string, 0, len(f.From))
		for _, path := range f.From {
			from = append(from, code(path))
		}
		row(w, code(f.Name), f.Type, strings.Join(from, ", "), f.Rule)
	}
}

// row writes one row of a table.
func row(w io.Writer, cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(cell, "|", `\|`)
	}
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
}

func code(text string) string { return "`" + text + "`" }

func list(values []string) string { return strings.Join(values, ", ") }
