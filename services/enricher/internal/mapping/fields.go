package mapping

import (
	_ "embed" // for fields.tsv
	"fmt"
	"strings"
)

//go:embed fields.tsv
var fieldTable string

// Field is one field that a document may have.
type Field struct {
	Name string // dotted, as queries name it
	Type string // Elasticsearch's mapping type; empty when the field is stored and not indexed
	// From are the places in the event it may come from, in order of preference, as dotted paths below data; empty when
	// it comes from elsewhere.
	From []string
	Rule string // how the value comes about, in a few words
}

// Fields lists every field that a document may have, sorted by name. An error means that the program was built from a
// broken table.
func Fields() ([]Field, error) {
	lines := strings.Split(strings.TrimSuffix(fieldTable, "\n"), "\n")
	all := make([]Field, 0, len(lines)-1)
	for i, line := range lines[1:] {
		cells := strings.Split(line, "\t")
		if len(cells) != 4 {
			return nil, fmt.Errorf("fields.tsv line %d: %d cells, want field, type, from and rule", i+2, len(cells))
		}
		all = append(all, Field{Name: cells[0], Type: cells[1], From: strings.Fields(cells[2]), Rule: cells[3]})
	}
	return all, nil
}
