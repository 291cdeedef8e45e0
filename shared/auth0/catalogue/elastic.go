package catalogue

import (
	_ "embed" // for elastic.tsv and differences.tsv
	"errors"
	"fmt"
	"slices"
	"strings"
)

//go:embed elastic.tsv
var elasticTable string

//go:embed differences.tsv
var differenceTable string

// The columns of the two tables. The first line of elastic.tsv says after a # where its facts come from.
var (
	elasticHeader    = [...]string{"code", "event.category", "event.type", "event.action", "event.outcome"}
	differenceHeader = [...]string{"field", "change", "codes", "reason"}
)

// Elastic is what the Auth0 integration of Elastic Agent writes for a code that it knows.
type Elastic struct {
	Category, Type  []string // sorted
	Action, Outcome string
}

// Change is one value in which codes differ from Elastic's integration.
type Change struct {
	// Field is event.category, event.type, event.action or event.outcome.
	Field string
	// Value is "-x" for a value that we drop, "+x" for one that we add, and our own value for action and outcome.
	Value string
}

// String says the change in words, such as "event.category: web dropped".
func (c Change) String() string {
	if value, ok := strings.CutPrefix(c.Value, "-"); ok {
		return c.Field + ": " + value + " dropped"
	}
	if value, ok := strings.CutPrefix(c.Value, "+"); ok {
		return c.Field + ": " + value + " added"
	}
	return c.Field + ": " + c.Value + " instead"
}

// Reason says why codes differ from Elastic's integration.
type Reason struct {
	Change
	Codes []string // sorted by ID
	Text  string
}

// Difference is one change of one code with its reason.
type Difference struct {
	Change
	Reason string
}

// Comparison sets the catalogue beside Elastic's integration. It never changes after LoadComparison; its slices are
// its own.
type Comparison struct {
	// Source says where the facts about Elastic's integration come from.
	Source string
	// Reasons lists every change with its codes, in the order of the table.
	Reasons []Reason
	elastic map[string]Elastic
}

// LoadComparison reads the embedded tables. An error means that the program was built from a broken one.
func LoadComparison() (*Comparison, error) {
	source, rest, _ := strings.Cut(elasticTable, "\n")
	rows, err := cells(rest, elasticHeader[:])
	if err != nil {
		return nil, fmt.Errorf("reading elastic.tsv: %w", err)
	}
	c := &Comparison{Source: strings.TrimPrefix(source, "# "), elastic: make(map[string]Elastic, len(rows))}
	for _, row := range rows {
		c.elastic[row[0]] = Elastic{
			Category: strings.Split(row[1], ","), Type: strings.Split(row[2], ","), Action: row[3], Outcome: row[4],
		}
	}
	if rows, err = cells(differenceTable, differenceHeader[:]); err != nil {
		return nil, fmt.Errorf("reading differences.tsv: %w", err)
	}
	for _, row := range rows {
		c.Reasons = append(c.Reasons, Reason{Change: Change{row[0], row[1]}, Codes: strings.Fields(row[2]), Text: row[3]})
	}
	return c, nil
}

// cells splits a table whose first line is header.
func cells(text string, header []string) ([][]string, error) {
	var rows [][]string
	for line := range strings.Lines(text) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(row) != len(header) || slices.Contains(row, "") {
			return nil, fmt.Errorf("%q has not the columns %q, or an empty one", line, header)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], header) {
		return nil, errors.New("the first line does not name the columns")
	}
	return rows[1:], nil
}

// Elastic returns what Elastic's integration writes for the code; false when it does not know the code.
func (c *Comparison) Elastic(id string) (Elastic, bool) {
	e, ok := c.elastic[id]
	return e, ok
}

// Len is how many codes Elastic's integration knows.
func (c *Comparison) Len() int { return len(c.elastic) }

// Differences lists in what the code differs from Elastic's integration, and why; nothing for a code that it does not
// know.
func (c *Comparison) Differences(code Code) []Difference {
	e, ok := c.elastic[code.ID]
	if !ok {
		return nil
	}
	changes := slices.Concat(compared("event.category", e.Category, code.Category), compared("event.type", e.Type, code.Type))
	if e.Action != code.Action {
		changes = append(changes, Change{"event.action", code.Action})
	}
	if e.Outcome != code.Outcome {
		changes = append(changes, Change{"event.outcome", code.Outcome})
	}
	all := make([]Difference, 0, len(changes))
	for _, change := range changes {
		all = append(all, Difference{Change: change, Reason: c.reason(code.ID, change)})
	}
	return all
}

// reason is empty when the table has none, which a test forbids.
func (c *Comparison) reason(id string, change Change) string {
	for _, r := range c.Reasons {
		if r.Change == change && slices.Contains(r.Codes, id) {
			return r.Text
		}
	}
	return ""
}

// compared lists what ours lacks of theirs, then what it has besides.
func compared(field string, theirs, ours []string) []Change {
	var changes []Change
	for _, value := range theirs {
		if !slices.Contains(ours, value) {
			changes = append(changes, Change{field, "-" + value})
		}
	}
	for _, value := range ours {
		if !slices.Contains(theirs, value) {
			changes = append(changes, Change{field, "+" + value})
		}
	}
	return changes
}
