package auth0test

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed events/*.json
var files embed.FS

// Event is one sample event.
type Event struct {
	Name string // the file's name without its ending: the code, or the code, a dot and the form
	Code string // data.type
	JSON []byte // {"log_id": …, "data": {…}} on one line
}

// Events returns the sample events, sorted by name. Every code of the catalogue has at least one; several where success
// and failure, or other forms, look different. The bytes are the caller's.
func Events() ([]Event, error) {
	names, err := fs.Glob(files, "events/*.json")
	if err != nil {
		return nil, fmt.Errorf("listing the sample events: %w", err)
	}
	events := make([]Event, 0, len(names))
	for _, name := range names {
		e, err := read(name)
		if err != nil {
			return nil, fmt.Errorf("reading the sample event %s: %w", name, err)
		}
		events = append(events, e)
	}
	return events, nil
}

func read(name string) (Event, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return Event{}, err
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return Event{}, err
	}
	var e struct {
		Data struct {
			Type string `json:"type"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return Event{}, err
	}
	// A file cannot be named after the code con: Windows keeps that name for itself, and so Go does not embed it.
	stem := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "events/"), ".json"), "_")
	return Event{Name: stem, Code: e.Data.Type, JSON: line.Bytes()}, nil
}
