package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/sluicelog/sluice/shared/elastic"
)

// eventPrinter prints events as they come, in one of the three ways.
type eventPrinter interface {
	source() any // what it needs of a document, as _source takes it
	add(docs []elastic.Document) error
	end() error
}

// Ways to print events.
const (
	outputTable = "table"
	outputLines = "ndjson"
	outputJSON  = "json"
)

// lines prints every document as one line of JSON, or all of them as one array.
type lines struct {
	w     io.Writer
	array bool
	count int
}

func (l *lines) source() any { return true }

func (l *lines) add(docs []elastic.Document) error {
	w := bufio.NewWriter(l.w)
	for _, d := range docs {
		var line bytes.Buffer
		if err := json.Compact(&line, d.Source); err != nil {
			return fmt.Errorf("reading event %s: %w", d.ID, err)
		}
		if l.array {
			fmt.Fprint(w, map[bool]string{true: "[\n", false: ",\n"}[l.count == 0])
		}
		_, _ = w.Write(harmlessJSON(line.Bytes()))
		if l.count++; !l.array {
			_ = w.WriteByte('\n')
		}
	}
	return w.Flush()
}

func (l *lines) end() error {
	var err error
	switch {
	case l.array && l.count == 0:
		_, err = fmt.Fprintln(l.w, "[]")
	case l.array:
		_, err = fmt.Fprintln(l.w, "\n]")
	}
	return err
}

// eventTable prints a table whose widths follow from the first events.
type eventTable struct {
	w       io.Writer
	columns []column
	width   int  // of the terminal; 0 when there is none
	colour  bool // outcomes
	roomy   bool // more events follow the first ones
	choosy  bool // leaves out the countries where no event has one
	started bool
}

func (t *eventTable) source() any { return sourceOf(t.columns) }

func (t *eventTable) end() error { return nil }

func (t *eventTable) add(docs []elastic.Document) error {
	rows := make([][]string, len(docs))
	for i, d := range docs {
		event, err := decodeEvent(d.Source)
		if err != nil {
			return err
		}
		for c := range t.columns {
			rows[i] = append(rows[i], t.columns[c].cell(event))
		}
	}
	w := bufio.NewWriter(t.w)
	if !t.started {
		t.started = true
		rows = t.begin(rows)
		titles := make([]string, len(t.columns))
		for i, c := range t.columns {
			titles[i] = c.title
		}
		t.row(w, titles, false)
	}
	for _, row := range rows {
		t.row(w, row, t.colour)
	}
	return w.Flush()
}

// begin decides the widths, and whether there is a column for countries.
func (t *eventTable) begin(rows [][]string) [][]string {
	for i := range t.columns {
		c := &t.columns[i]
		if c.width = cells(c.title); t.roomy {
			c.width = max(c.width, usualWidth(c.title))
		}
		empty := true
		for _, row := range rows {
			c.width = max(c.width, cells(row[i]))
			empty = empty && row[i] == "-"
		}
		if t.choosy && empty && c.title == "COUNTRY" {
			for r := range rows {
				rows[r] = append(rows[r][:i:i], rows[r][i+1:]...)
			}
			t.columns = append(t.columns[:i:i], t.columns[i+1:]...)
			t.choosy = false
			return t.begin(rows)
		}
	}
	t.fit()
	return rows
}

// Bounds of a column.
const (
	narrowest = 6
	widest    = 200 // where no terminal says how wide
)

// fit takes from the widest column until the terminal holds all: at first from what can still be read when it is cut.
func (t *eventTable) fit() {
	if t.width == 0 {
		for i := range t.columns {
			t.columns[i].width = min(t.columns[i].width, widest)
		}
		return
	}
	for _, least := range []func(*column) int{(*column).least, func(*column) int { return narrowest }} {
		for t.excess() > 0 {
			wide := -1
			for i := range t.columns {
				if c := &t.columns[i]; c.width > least(c) && (wide < 0 || c.width >= t.columns[wide].width) {
					wide = i
				}
			}
			if wide < 0 {
				break
			}
			t.columns[wide].width--
		}
	}
}

// excess is how many cells the table is too wide.
func (t *eventTable) excess() int {
	sum := 2 * (len(t.columns) - 1)
	for _, c := range t.columns {
		sum += c.width
	}
	return sum - t.width
}

// least is the width below which a column tells little: half a time is none.
func (c *column) least() int {
	switch c.paths[0] {
	case "@timestamp", fieldIngested:
		return 20
	case "source.ip":
		return 15
	}
	return 10
}

func (t *eventTable) row(w io.Writer, row []string, colour bool) {
	for i, text := range row {
		width := t.columns[i].width
		if t.width == 0 {
			width = max(width, widest) // what is read by another program may break the lines of a table
		}
		shown := cut(text, width)
		if i < len(row)-1 {
			shown = pad(shown, t.columns[i].width) + "  "
		}
		if colour && t.columns[i].paths[0] == "event.outcome" {
			shown = strings.Replace(shown, text, paint(text, text), 1)
		}
		fmt.Fprint(w, shown)
	}
	fmt.Fprintln(w)
}
