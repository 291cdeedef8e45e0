package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// header is the first line of codes.tsv. The note is for people who read the
// table: why a row differs from Elastic, or where Auth0's own sources disagree.
var header = [...]string{
	"code", "title", "filter", "event.kind", "event.category", "event.type",
	"event.action", "event.outcome", "severity", "note",
}

// parse reads a table in the form of codes.tsv.
func parse(text string) (map[string]*Code, error) {
	first, rest, _ := strings.Cut(text, "\n")
	if got := strings.Split(first, "\t"); !slices.Equal(got, header[:]) {
		return nil, fmt.Errorf("reading the table of event codes: line 1: columns are %q, want %q", got, header)
	}
	codes := make(map[string]*Code)
	number := 1
	for line := range strings.Lines(rest) {
		number++
		code, err := parseLine(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("reading the table of event codes: line %d: %w", number, err)
		}
		if codes[code.ID] != nil {
			return nil, fmt.Errorf("reading the table of event codes: line %d: code %q is there already", number, code.ID)
		}
		codes[code.ID] = code
	}
	return codes, nil
}

func parseLine(line string) (*Code, error) {
	cells := strings.Split(line, "\t")
	if len(cells) != len(header) {
		return nil, fmt.Errorf("%d columns, want %d: %q", len(cells), len(header), line)
	}
	for i, name := range header {
		if cells[i] == "" && name != "filter" && name != "note" {
			return nil, fmt.Errorf("column %s is empty: %q", name, line)
		}
	}
	severity, err := strconv.Atoi(cells[8])
	if err != nil || severity < SeverityRoutine || severity > SeverityHigh {
		return nil, fmt.Errorf("severity %q of code %q, want %d to %d", cells[8], cells[0], SeverityRoutine, SeverityHigh)
	}
	return &Code{
		ID:       cells[0],
		Title:    cells[1],
		Filter:   cells[2],
		Kind:     cells[3],
		Category: strings.Split(cells[4], ","),
		Type:     strings.Split(cells[5], ","),
		Action:   cells[6],
		Outcome:  cells[7],
		Severity: severity,
	}, nil
}
