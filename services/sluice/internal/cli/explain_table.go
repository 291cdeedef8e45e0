package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/sluicelog/sluice/services/enricher"
)

// explainRow is one field of the table.
type explainRow struct {
	group                    string // the first part of the name
	field, value, from, kind string
	rule                     string
	told                     bool // from is a rule, not a path
	title                    bool
}

// writeFields writes the table of fields, those of one group together.
func (p *explainPage) writeFields(fields []enricher.Origin) {
	rows := p.rows(fields)
	title := &explainRow{field: "FIELD", value: "VALUE", from: "FROM", kind: "TYPE", title: true}
	widths := p.widths(append([]*explainRow{title}, rows...))
	fmt.Fprintln(p)
	p.row(title, widths)
	for i, r := range rows {
		if i > 0 && p.parted(rows, i) {
			fmt.Fprintln(p)
		}
		p.row(r, widths)
		if p.rules {
			fmt.Fprintln(p, p.dim("    "+folded(r.rule, "    ", p.textWidth()-4)))
		}
	}
}

func (p *explainPage) rows(fields []enricher.Origin) []*explainRow {
	var rows []*explainRow
	for _, o := range fields {
		if o.Value == nil {
			continue
		}
		r := &explainRow{field: harmlessLine(o.Field), from: harmlessLine(o.From), kind: o.Type, rule: o.Rule}
		r.group, _, _ = strings.Cut(o.Field, ".")
		if r.value = valueOf(o); !p.arrived && aboutArrival(o.Field) {
			r.value = "(on arrival)"
		}
		if r.kind == "" {
			r.kind = "stored"
		}
		switch {
		case r.from == "" && p.rules:
			r.from = "-" // the rule stands below
		case r.from == "":
			r.from, r.told = "("+o.Rule+")", true
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b *explainRow) int {
		return cmp.Or(cmp.Compare(groupRank(a.group), groupRank(b.group)), cmp.Compare(a.group, b.group))
	})
	return rows
}

// groupRank puts first what most rules are about, and last what is the same in most documents.
func groupRank(group string) int {
	switch group {
	case "@timestamp", "event":
		return 0
	case "auth0":
		return 2
	case "data_stream", "ecs", "sluice":
		return 3
	}
	return 1
}

// parted reports whether a blank line stands before row i: between groups, unless both have only one field.
func (p *explainPage) parted(rows []*explainRow, i int) bool {
	before, here := rows[i-1].group, rows[i].group
	long := i > 1 && rows[i-2].group == before || i+1 < len(rows) && rows[i+1].group == here
	return before != here && (long || p.rules)
}

// Columns of the table, in the order of its widths.
const (
	columnField = iota
	columnValue
	columnFrom
	columnKind
	columnCount
)

func (r *explainRow) texts() [columnCount]string {
	return [columnCount]string{columnField: r.field, columnValue: r.value, columnFrom: r.from, columnKind: r.kind}
}

// widths decides how wide the columns are. What is too much is taken from values first, then from where they come from.
func (p *explainPage) widths(rows []*explainRow) (widths [columnCount]int) {
	for _, r := range rows {
		for i, text := range r.texts() {
			if i == columnFrom && r.told && p.width > 0 {
				continue // a rule may be long, and is cut to what paths need
			}
			widths[i] = max(widths[i], cells(text))
		}
	}
	if p.width == 0 {
		return widths
	}
	widths[columnFrom] = max(widths[columnFrom], 24)
	excess := 2*(columnCount-1) - p.width
	for _, width := range widths {
		excess += width
	}
	for _, least := range [][2]int{{columnValue, 30}, {columnFrom, 24}, {columnValue, 16}, {columnField, 30}, {columnFrom, 10}, {columnField, 16}, {columnValue, narrowest}} {
		give := min(max(0, excess), max(0, widths[least[0]]-least[1]))
		widths[least[0]] -= give
		excess -= give
	}
	if excess < 0 { // room is left for rules
		widths[columnFrom] -= excess
	}
	return widths
}

// row writes one line of the table.
func (p *explainPage) row(r *explainRow, widths [columnCount]int) {
	texts, order := r.texts(), []int{columnField, columnValue, columnFrom, columnKind}
	if p.width == 0 {
		order = []int{columnField, columnFrom, columnKind, columnValue}
	}
	for i, c := range order {
		text := p.cut(texts[c], widths[c])
		if c == columnField || c == columnFrom && !r.told {
			text = p.cutFront(texts[c], widths[c])
		}
		gap := strings.Repeat(" ", max(0, widths[c]-cells(text))+2)
		if i == len(order)-1 {
			gap = "\n"
		}
		if c == columnFrom && r.told || r.title {
			text = p.dim(text)
		}
		fmt.Fprint(p, text, gap)
	}
}

// cutFront shortens a path unless everything is to be shown: its end tells more than its beginning.
func (p *explainPage) cutFront(path string, width int) string {
	if p.width == 0 || cells(path) <= width {
		return path
	}
	for state := -1; path != "" && cells(path) > width-1; {
		_, path, _, state = uniseg.FirstGraphemeClusterInString(path, state)
	}
	return "…" + path
}
