package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"slices"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// explainPage writes explanations for people.
type explainPage struct {
	*bufio.Writer
	width   int // of a line in cells; 0 when nothing is cut
	colour  bool
	rules   bool
	arrived bool
}

// untold is how wide a line is where no terminal says it.
const untold = 120

func (x *explaining) writeText(e *explanation) error {
	p := &explainPage{Writer: bufio.NewWriter(x.Out), colour: coloured(x.Out), rules: x.rules, arrived: e.arrived}
	if p.width = screenWidth(x.Out); p.width == 0 {
		p.width = untold
	}
	if x.wide {
		p.width = 0
	}
	x.writeHead(p, e)
	if e.Dead == nil {
		p.writeFields(e.Fields)
		p.writeAliases(e.Fields)
	}
	if e.Indexed != nil && len(e.Indexed.Differences) > 0 {
		p.writeDifferences(e.Indexed.Differences)
	}
	return p.Flush()
}

// line writes one line of the head; values are not cut there.
func (p *explainPage) line(name, value string) { fmt.Fprintf(p, "%-9s %s\n", name, value) }

// writeHead says which event it is, what its code means and where the document goes.
func (x *explaining) writeHead(p *explainPage, e *explanation) {
	id := "without a log id"
	if e.LogID != "" {
		id = harmlessLine(e.LogID)
	}
	place := fmt.Sprintf("item %d", e.Item)
	switch {
	case e.arrived:
		place += " of delivery " + harmlessLine(plainValue(valueAt(e.decoded, fieldDelivery)))
	case e.Line > 0:
		place += fmt.Sprintf(", line %d", e.Line)
	}
	p.line("Event", fmt.Sprintf("%s (%s)", id, place))
	if e.Code != nil {
		p.line("Code", e.Code.about())
	}
	if e.Dead != nil {
		p.line("Document", p.paint("31", "none: it would become a dead letter, "+e.Dead.String()))
	} else {
		x.writeFate(p, e)
	}
	if e.Indexed != nil {
		p.line("Indexed", e.Indexed.about(e))
	}
	if e.Dead == nil && !x.places && valueAt(e.decoded, "source.ip") != nil {
		p.line("GeoIP", "none: the setting ENRICHER_GEOIP names no database, and the document no place")
	}
}

// writeFate says what became of the event as a whole.
func (x *explaining) writeFate(p *explainPage, e *explanation) {
	outcome := harmlessLine(plainValue(valueAt(e.decoded, "event.outcome")))
	if p.colour {
		outcome = paint(outcome, outcome)
	}
	p.line("Outcome", fmt.Sprintf("%s, severity %d (%s)", outcome, e.Code.Severity, catalogue.SeverityWord(e.Code.Severity)))
	p.line("Index", e.Index)
	if id := e.ID; id != "" {
		p.line("_id", id)
	} else {
		p.line("_id", "depends on the endpoint, since the event names no tenant; --endpoint says which")
	}
	for _, f := range enricher.Flags() {
		if slices.Contains(e.Flags, f.Name) {
			p.line("Flag", f.Name+": "+f.Meaning)
		}
	}
}

// about says what the code is, in one line.
func (c *explainedCode) about() string {
	switch {
	case c.Code == "":
		return "none: the event has no data.type"
	case !c.Published:
		return fmt.Sprintf("%s: Auth0 has not published this code; it is indexed with the action %s", harmlessLine(c.Code), c.Action)
	}
	return c.Code + ": " + c.Title
}

// about says where the event is indexed and whether it is what would be made now.
func (i *explainedIndex) about(e *explanation) string {
	text := "as it would be made now"
	if n := len(i.Differences); n > 0 {
		text = fmt.Sprintf("with %s that would be made otherwise now, listed at the end", counted(n, "field"))
	}
	if e.Dead != nil {
		text = "by an earlier version"
	}
	if i.Index != e.Index {
		text += ", in " + harmlessLine(i.Index)
	}
	if i.ID != e.ID && e.ID != "" {
		text += ", with the _id " + harmlessLine(i.ID)
	}
	return text
}

// String says the reason and, where there are more words, those.
func (d *explainedDead) String() string {
	text := harmlessLine(d.Reason)
	if d.Detail != "" {
		text += ": " + harmlessLine(d.Detail)
	}
	return text
}

// deadLine says it where only documents are printed.
func (e *explanation) deadLine() string {
	return fmt.Sprintf("item %d, line %d would become a dead letter, %s", e.Item, e.Line, e.Dead)
}

// paint colours a text for a terminal.
func (p *explainPage) paint(colour, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// textWidth is how long a line of running text becomes.
func (p *explainPage) textWidth() int { return min(cmp.Or(p.width, untold), textWidth) }

func (p *explainPage) dim(text string) string { return p.paint("2", text) }

// aboutArrival are the fields that say how an event came, and when.
func aboutArrival(field string) bool {
	return slices.Contains([]string{"event.created", fieldIngested, fieldDelivery, "sluice.endpoint"}, field)
}
