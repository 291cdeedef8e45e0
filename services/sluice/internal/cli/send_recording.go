package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/config"
)

// maxFile bounds how much of one file is held in memory.
const maxFile = 1 << 30

// recording is one file of events and what was found in it.
type recording struct {
	File     string `json:"file"`
	Elements int    `json:"elements"`
	Events   int    `json:"events"`
	Broken   []flaw `json:"broken,omitempty"`
	Problem  string `json:"problem,omitempty"`
}

// flaw is an element that is no event.
type flaw struct {
	Element int    `json:"element"` // its number in the file, from 0
	Line    int    `json:"line"`    // the line on which it begins, from 1
	Reason  string `json:"reason"`
}

// tape yields the events of several files, one file in memory at a time, and puts broken elements aside.
type tape struct {
	in     io.Reader
	names  []string // still to come
	files  []*recording
	broken []simulator.Event
	pull   func() (auth0.Element, bool)
	stop   func()
}

// next returns the next event of the present file, or of the first following one that has any.
func (t *tape) next() (simulator.Event, bool) {
	for {
		if t.pull == nil && !t.open() {
			return simulator.Event{}, false
		}
		element, ok := t.pull()
		if !ok {
			t.close()
			continue
		}
		if event, ok := t.take(element); ok {
			return event, true
		}
	}
}

// open goes to the next file that can be read.
func (t *tape) open() bool {
	for len(t.names) > 0 {
		file := &recording{File: t.names[0]}
		t.names, t.files = t.names[1:], append(t.files, file)
		body, err := t.read(file.File)
		if err != nil {
			file.Problem = err.Error()
			continue
		}
		t.pull, t.stop = iter.Pull(auth0.Split(body))
		return true
	}
	return false
}

// close ends the present file.
func (t *tape) close() {
	if t.stop != nil {
		t.stop()
	}
	if file := t.present(); t.pull != nil && file.Elements == 0 {
		file.Problem = "there is nothing in it"
	}
	t.pull, t.stop = nil, nil
}

// finish closes the present file and names those that were not reached.
func (t *tape) finish() {
	t.close()
	for _, name := range t.names {
		t.files = append(t.files, &recording{File: name, Problem: "stopped before it was its turn"})
	}
	t.names = nil
}

func (t *tape) present() *recording {
	if len(t.files) == 0 {
		return nil
	}
	return t.files[len(t.files)-1]
}

func (t *tape) read(name string) ([]byte, error) {
	from := t.in
	if name != "-" {
		f, err := os.Open(name) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	body, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading it: %w", err)
	case len(body) > maxFile:
		return nil, fmt.Errorf("it is larger than %s; cut it, for example with `split -l 100000`", config.Bytes(maxFile))
	case bytes.HasPrefix(body, []byte{0x1f, 0x8b}):
		return nil, errors.New("it is compressed; unpack it first, for example with `gzip -dc FILE | sluice send -`")
	}
	return body, nil
}

// take turns an element into an event for the log stream, or notes what is wrong with it.
func (t *tape) take(e auth0.Element) (simulator.Event, bool) {
	file := t.present()
	file.Elements++
	var parsed auth0.Event
	err := e.Broken
	if err == nil {
		err = auth0.Parse(e.Raw, &parsed)
	}
	if err != nil {
		file.Broken = append(file.Broken, flaw{Element: e.Index, Line: e.Line, Reason: err.Error()})
		t.broken = append(t.broken, simulator.Event{JSON: e.Raw})
		return simulator.Event{}, false
	}
	file.Events++
	return simulator.Event{LogID: parsed.LogID, JSON: wrapped(&parsed)}, true
}

// wrapped is the event on one line in the form of log streams: exports lack the frame around data.
func wrapped(e *auth0.Event) []byte {
	raw := e.Raw
	if bytes.ContainsAny(raw, "\r\n") {
		var line bytes.Buffer
		if json.Compact(&line, raw) == nil { // Parse checked it
			raw = line.Bytes()
		}
	}
	if !e.Flat {
		return raw
	}
	id, err := json.Marshal(e.LogID)
	if err != nil {
		return raw
	}
	return bytes.Join([][]byte{[]byte(`{"log_id":`), id, []byte(`,"data":`), raw, []byte("}")}, nil)
}

// shownFlaws bounds how many broken elements of a file people are shown.
const shownFlaws = 20

// write adds the file to a table.
func (r *recording) write(w io.Writer) {
	if r.Problem != "" {
		fmt.Fprintf(w, "%s\tnot sent: %s\n", r.File, r.Problem)
		return
	}
	name := r.File
	if name == "-" {
		name = "standard input"
	}
	fmt.Fprintf(w, "%s\t%s", name, counted(r.Events, "event"))
	if len(r.Broken) > 0 {
		fmt.Fprintf(w, ", and %s of %d that are no events:", counted(len(r.Broken), "element"), r.Elements)
	}
	fmt.Fprintln(w)
	for i, flaw := range r.Broken {
		if i == shownFlaws {
			fmt.Fprintf(w, "\t… and %d more; --json shows all\n", len(r.Broken)-i)
			return
		}
		fmt.Fprintf(w, "\tline %d: %s\n", flaw.Line, flaw.Reason)
	}
}
