package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/sluicelog/sluice/services/enricher"
)

// writeAliases lists the other names under which values are found.
func (p *explainPage) writeAliases(fields []enricher.Origin) {
	var rows [][]string
	for _, f := range fields {
		if f.Value == nil {
			rows = append(rows, []string{f.Field, f.Rule})
		}
	}
	if len(rows) > 0 {
		fmt.Fprint(p, "\nAlso found as:\n")
		p.pairs(rows)
	}
}

// writeDifferences lists what is indexed otherwise.
func (p *explainPage) writeDifferences(all []explainedDifference) {
	fmt.Fprint(p, "\nDiffers from what is indexed:\n")
	said := func(value any) string {
		if value == nil {
			return "nothing"
		}
		return shownValue(value)
	}
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{d.Field, fmt.Sprintf("indexed as %s, now %s", p.cut(said(d.Indexed), 40), p.cut(said(d.Now), 40))})
	}
	p.pairs(rows)
}

// cut shortens a text unless everything is to be shown.
func (p *explainPage) cut(text string, width int) string {
	if p.width == 0 {
		return text
	}
	return cut(text, width)
}

// pairs writes two columns, the first as wide as it has to be.
func (p *explainPage) pairs(rows [][]string) {
	width := 0
	for _, row := range rows {
		row[0] = harmlessLine(row[0])
		width = max(width, cells(row[0]))
	}
	for _, row := range rows {
		fmt.Fprintf(p, "  %s  %s\n", pad(row[0], width), p.dim(p.cut(row[1], max(narrowest, p.width-width-4))))
	}
}

// shownValue is a value of a document in one safe line.
func shownValue(value any) string {
	if text := harmlessLine(plainValue(value)); text != "" {
		return text
	}
	raw, _ := json.Marshal(value) // decoded from JSON a moment ago
	return string(raw)
}

// valueOf decodes what an origin shows.
func valueOf(o enricher.Origin) string {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(o.Value))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return harmlessLine(string(o.Value))
	}
	return shownValue(value)
}
