package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// codeRow is one code as it is printed with --json.
type codeRow struct {
	Code     string   `json:"code"`
	Title    string   `json:"title"`
	Filter   string   `json:"filter,omitempty"`
	Kind     string   `json:"kind"`
	Category []string `json:"category"`
	Type     []string `json:"type"`
	Action   string   `json:"action"`
	Outcome  string   `json:"outcome"`
	Severity int      `json:"severity"`
	Note     string   `json:"note,omitempty"`
	// Elastic is what Elastic's integration writes; absent when it does not know the code.
	Elastic     *elasticRow     `json:"elastic,omitempty"`
	Differences []differenceRow `json:"differences,omitempty"`
}

// elasticRow is what Elastic's integration writes for a code.
type elasticRow struct {
	Category []string `json:"category"`
	Type     []string `json:"type"`
	Action   string   `json:"action"`
	Outcome  string   `json:"outcome"`
}

// differenceRow is one value that differs, such as field event.category and change -web.
type differenceRow struct {
	Field  string `json:"field"`
	Change string `json:"change"`
	Reason string `json:"reason"`
	words  string
}

func shownCode(code catalogue.Code, comparison *catalogue.Comparison) codeRow {
	row := codeRow{
		Code: code.ID, Title: code.Title, Filter: code.Filter, Kind: code.Kind, Category: code.Category, Type: code.Type,
		Action: code.Action, Outcome: code.Outcome, Severity: code.Severity, Note: code.Note,
	}
	if e, ok := comparison.Elastic(code.ID); ok {
		row.Elastic = &elasticRow{Category: e.Category, Type: e.Type, Action: e.Action, Outcome: e.Outcome}
	}
	for _, d := range comparison.Differences(code) {
		row.Differences = append(row.Differences, differenceRow{Field: d.Field, Change: d.Value, Reason: d.Reason, words: d.String()})
	}
	return row
}

func (a *App) writeCodes(w io.Writer, rows []codeRow) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "There is no such code.")
		return
	}
	fmt.Fprintln(w, "CODE\tTITLE\tFILTER\tOUTCOME\tSEVERITY\tCATEGORY\tTYPE\tACTION")
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", r.Code, r.Title, orDash(r.Filter), r.Outcome, r.Severity,
			strings.Join(r.Category, ","), strings.Join(r.Type, ","), r.Action)
	}
	fmt.Fprintf(w, "\n%s. `%s` tells all about one.\n", counted(len(rows), "code"), a.hint("codes CODE"))
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// codeMargin is where the values of one code begin.
const codeMargin = "                "

// write tells all that is known of one code.
func (r *codeRow) write(w io.Writer, code catalogue.Code) {
	line := func(name, value string) {
		fmt.Fprintf(w, "%-14s  %s\n", name, folded(value, codeMargin, textWidth-len(codeMargin)))
	}
	line("Code", r.Code)
	line("Meaning", r.Title)
	line("Log stream", filterAbout(code.Filter))
	line("event.kind", r.Kind)
	line("event.category", strings.Join(r.Category, ", "))
	line("event.type", strings.Join(r.Type, ", "))
	line("event.action", r.Action)
	line("event.outcome", r.Outcome)
	line("event.severity", fmt.Sprintf("%d (%s)", r.Severity, catalogue.SeverityWord(r.Severity)))
	if r.Note != "" {
		line("Note", r.Note)
	}
	fmt.Fprintln(w)
	r.writeElastic(w)
}

// filterAbout says which filter category carries the code, and what else it does.
func filterAbout(filter string) string {
	for _, f := range catalogue.Filters() {
		if f.Name == filter {
			return fmt.Sprintf("%s (%s)", f.Name, f.Carries)
		}
	}
	return "Auth0 states no filter category: only a log stream without a filter is sure to carry it"
}

func (r *codeRow) writeElastic(w io.Writer) {
	switch {
	case r.Elastic == nil:
		paragraph(w, fmt.Sprintf("Elastic's own Auth0 integration does not know it and writes event.action unknown-%s, category authentication and type info, without an outcome.", r.Code))
		return
	case len(r.Differences) == 0:
		fmt.Fprintln(w, "Elastic's own Auth0 integration writes the same.")
		return
	}
	e := r.Elastic
	paragraph(w, fmt.Sprintf("Elastic's own Auth0 integration writes category %s, type %s and outcome %s. Sluice differs:",
		strings.Join(e.Category, ", "), strings.Join(e.Type, ", "), e.Outcome))
	width := len(slices.MaxFunc(r.Differences, func(a, b differenceRow) int { return len(a.words) - len(b.words) }).words)
	margin := strings.Repeat(" ", width+4)
	for _, d := range r.Differences {
		fmt.Fprintf(w, "  %-*s  %s\n", width, d.words, folded(d.Reason, margin, textWidth-len(margin)))
	}
}
