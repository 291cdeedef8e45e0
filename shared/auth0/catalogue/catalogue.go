// Package catalogue holds every event code Auth0 has published, with what each
// one means in ECS. The table is codes.tsv; the code here only reads it.
package catalogue

import (
	"cmp"
	_ "embed" // for codes.tsv
	"slices"
	"strings"
)

//go:embed codes.tsv
var table string

// maxUnknown bounds how many bytes of an unpublished code enter event.action.
const maxUnknown = 64

// The severities of the table, as event.severity carries them.
const (
	// SeverityRoutine is everyday traffic, which means nothing on its own.
	SeverityRoutine = 1
	// SeverityNotice is an ordinary failure or a change of an account.
	SeverityNotice = 2
	// SeverityWarning deserves a look on its own.
	SeverityWarning = 3
	// SeverityHigh says that one of Auth0's protections against attacks acted.
	SeverityHigh = 4
)

// SeverityWord names a severity of the table, such as "notice".
func SeverityWord(severity int) string {
	switch severity {
	case SeverityRoutine:
		return "routine"
	case SeverityNotice:
		return "notice"
	case SeverityWarning:
		return "warning"
	case SeverityHigh:
		return "high"
	}
	return "unknown"
}

// Code is one Auth0 event code and the ECS values of every event that has it.
// Its slices belong to the catalogue: read them, never write to them.
type Code struct {
	// ID is Auth0's short code, data.type in the event, such as "fp".
	ID string
	// Title says in a few words what happened.
	Title string
	// Filter names the log stream filter category that carries the code, such
	// as "auth.login.fail"; empty where Auth0 does not state one.
	Filter string
	// Kind is event.kind.
	Kind string
	// Category and Type are event.category and event.type, sorted. Category is
	// empty for a code that nobody has published.
	Category, Type []string
	// Action is event.action: Elastic's own value where its integration knows
	// the code, else one in the same manner.
	Action string
	// Outcome is event.outcome: success, failure or unknown.
	Outcome string
	// Severity is event.severity, SeverityRoutine to SeverityHigh.
	Severity int
	// Note says what the other columns cannot: why the outcome is unknown, or
	// where Auth0's own sources disagree. Often empty.
	Note string
}

// Catalogue is the table in memory. It never changes after Load, so any number
// of goroutines may read it.
type Catalogue struct {
	codes map[string]*Code
}

// Load reads the embedded table. An error names the line and the value that
// is wrong, and means that the program was built from a broken table.
func Load() (*Catalogue, error) {
	codes, err := parse(table)
	if err != nil {
		return nil, err
	}
	return &Catalogue{codes: codes}, nil
}

// Lookup returns the code with that ID, which is compared as Auth0 writes it:
// case matters.
func (c *Catalogue) Lookup(id string) (Code, bool) {
	code, ok := c.codes[id]
	if !ok {
		return Code{}, false
	}
	return *code, true
}

// LookupBytes is Lookup for an ID that still lies in a read buffer. It does
// not allocate. The Code is the catalogue's own: do not change it.
func (c *Catalogue) LookupBytes(id []byte) (*Code, bool) {
	code, ok := c.codes[string(id)] // the compiler makes no copy for a map index
	return code, ok
}

// Unknown describes an event whose code is not in the catalogue. ID is the
// code as it came; the action carries it in a form that is safe to group by.
func (c *Catalogue) Unknown(id string) Code {
	return Code{
		ID:       id,
		Title:    "Event code not published by Auth0",
		Kind:     "event",
		Type:     []string{"info"},
		Action:   "unknown-" + sanitise(id),
		Outcome:  "unknown",
		Severity: SeverityRoutine,
	}
}

// Codes returns every code, sorted by ID. The slice is the caller's.
func (c *Catalogue) Codes() []Code {
	codes := make([]Code, 0, len(c.codes))
	for _, code := range c.codes {
		codes = append(codes, *code)
	}
	slices.SortFunc(codes, func(a, b Code) int { return cmp.Compare(a.ID, b.ID) })
	return codes
}

// sanitise keeps what Auth0's codes are made of and turns every other rune
// into a hyphen. The code comes from outside: it may be long, or no text at all.
func sanitise(id string) string {
	if id == "" {
		return "none"
	}
	if len(id) > maxUnknown {
		id = id[:maxUnknown]
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, id)
}
