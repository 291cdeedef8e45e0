package catalogue

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// header is the first line of codes.tsv.
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
	row := strings.Split(line, "\t")
	if len(row) != len(header) {
		return nil, fmt.Errorf("%d columns, want %d: %q", len(row), len(header), line)
	}
	for i, name := range header {
		if row[i] == "" && name != "filter" && name != "note" {
			return nil, fmt.Errorf("column %s is empty: %q", name, line)
		}
	}
	severity, err := strconv.Atoi(row[8])
	if err != nil || severity < SeverityRoutine || severity > SeverityHigh {
		return nil, fmt.Errorf("severity %q of code %q, want %d to %d", row[8], row[0], SeverityRoutine, SeverityHigh)
	}
	return &Code{
		ID:       row[0],
		Title:    row[1],
		Filter:   row[2],
		Kind:     row[3],
		Category: strings.Split(row[4], ","),
		Type:     strings.Split(row[5], ","),
		Action:   row[6],
		Outcome:  row[7],
		Severity: severity,
		Note:     row[9],
	}, nil
}
