package cli

import (
	"fmt"
	"io"
	"time"
)

// write prints the page for people.
func (o *overview) write(w io.Writer) {
	fmt.Fprintf(w, "%s\n\n", moment(o.At))
	writeEndpoints(w, o.Endpoints, o.At)
	o.writeStreams(w)
	o.writeLetters(w)
	writeCounted(w, &o.Ledger)
	for _, l := range o.Losses {
		fmt.Fprintf(w, "\nLOST\t%s of %s\tstored after %s\tnoticed %s\n", counted(l.Messages, "message"), l.Stream, moment(l.First), moment(l.Noticed))
	}
	for _, u := range o.Unknown {
		fmt.Fprintln(w)
		paragraph(w, "Not known: "+harmlessLine(u))
	}
	if len(o.Todo) == 0 && len(o.Unknown) == 0 {
		fmt.Fprint(w, "\nThere is nothing to do.\n")
	}
	if len(o.Todo) == 0 {
		return
	}
	fmt.Fprint(w, "\nTO DO\n")
	for i, t := range o.Todo {
		fmt.Fprintln(w, folded(fmt.Sprintf("%d. %s: %s. → %s.", i+1, harmlessLine(t.About), harmlessLine(t.What), t.Do), "   ", textWidth))
	}
}

func (o *overview) writeStreams(w io.Writer) {
	fmt.Fprint(w, "\nSTREAM\tUSED\tOF\tUNFINISHED\tFULL IN\tWAITS FOR\tMESSAGES\tOLDEST\n")
	for _, s := range o.Streams {
		full := "does not grow"
		if s.FullIn != nil {
			full = inOneUnit(time.Duration(*s.FullIn * float64(time.Second)))
		}
		head := fmt.Sprintf("%s\t%s\t%s\t%s\t%s", s.Name, readable(int64(s.Bytes)), readable(s.MaxBytes), readable(int64(s.Unfinished)), full)
		for _, c := range s.Waits {
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", head, c.Name, c.Open, age(c.Oldest, o.At))
			head = "\t\t\t\t"
		}
		if len(s.Waits) == 0 {
			fmt.Fprintf(w, "%s\t-\t-\t-\n", head)
		}
	}
}

func (o *overview) writeLetters(w io.Writer) {
	d := o.DeadLetters
	if d.Letters == 0 {
		fmt.Fprint(w, "\nNo dead letters.\n")
		return
	}
	fmt.Fprintf(w, "\nDEAD LETTERS\tREASON\tCOUNT\tNEWEST\n")
	for _, r := range d.Reasons {
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", r.Stage, harmlessLine(r.Reason), r.Count, age(r.Newest, o.At))
	}
}
