package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/sluicelog/sluice/shared/elastic"
)

// counted events, as --count --json prints them.
type eventCount struct {
	Total int64 `json:"total"`
}

func (s *eventSearch) printCount(ctx context.Context) (bool, error) {
	page, err := s.client.Page(ctx, s.indices, map[string]any{"size": 0, "query": s.query})
	if err != nil {
		return false, err
	}
	if err := s.printAs(eventCount{page.Total}, func(w io.Writer) { fmt.Fprintln(w, page.Total) }); err != nil {
		return false, err
	}
	return page.Total > 0, incomplete(page)
}

// printAs prints a result in the output that was chosen.
func (s *eventSearch) printAs(value any, table func(w io.Writer)) error {
	if s.output != "" {
		s.json = s.output != outputTable
	}
	return s.print(value, table)
}

// eventValues is what --by prints.
type eventValues struct {
	Field   string       `json:"field"`
	Total   int64        `json:"total"`
	Values  []eventValue `json:"values"`
	Other   int64        `json:"other"`                 // events with values that are not listed
	Missing int64        `json:"missing"`               // events without the field
	Error   int64        `json:"error_bound,omitempty"` // by so much a count may be too low
}

type eventValue struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

// mostValues is the most that one question lists.
const mostValues = 10_000

// countable resolves what --by names; what cannot be counted is an error that says what can.
func (s *eventSearch) countable(fields map[string]elastic.Field) (string, error) {
	name := s.by
	if paths, ok := columnPaths()[name]; ok {
		name = paths[0]
	}
	switch f := fields[name]; {
	case f.Aggregatable || len(fields) == 0 || f.Type == "" && searchableField(fields, name):
		return name, nil
	case f.Type == "text":
		return "", fmt.Errorf("--by %s: it is running text, which has no values to count", name)
	}
	text := fmt.Sprintf("--by %s: no such field can be counted", harmlessLine(name))
	if near := similar(name, fields); len(near) > 0 {
		text += "; there is " + strings.Join(near, ", ")
	}
	return "", fmt.Errorf("%s", text)
}

func (s *eventSearch) printValues(ctx context.Context, fields map[string]elastic.Field) (bool, error) {
	name, err := s.countable(fields)
	if err != nil {
		return false, err
	}
	size := min(s.limit, mostValues)
	if size == 0 {
		size = mostValues
	}
	page, err := s.client.Page(ctx, s.indices, map[string]any{
		"size": 0, "query": s.query, "aggs": map[string]any{
			"values":  map[string]any{"terms": map[string]any{"field": name, "size": size, "shard_size": 2*size + 1000}},
			"missing": map[string]any{"missing": map[string]any{"field": name}},
		},
	})
	if err != nil {
		return false, err
	}
	out := eventValues{Field: name, Total: page.Total, Values: []eventValue{}}
	if err := out.read(page.Aggregations); err != nil {
		return false, err
	}
	if page.Total == 0 && s.output == "" && !s.json {
		s.sayNothing(page)
		return false, incomplete(page)
	}
	room := screenWidth(s.Out)
	if err := s.printAs(out, func(w io.Writer) { out.write(w, room) }); err != nil {
		return false, err
	}
	return page.Total > 0, incomplete(page)
}

// read takes the answer of Elasticsearch.
func (v *eventValues) read(raw json.RawMessage) error {
	var doc struct {
		Missing struct {
			Count int64 `json:"doc_count"`
		} `json:"missing"`
		Values struct {
			Error   int64 `json:"doc_count_error_upper_bound"`
			Other   int64 `json:"sum_other_doc_count"`
			Buckets []struct {
				Key   json.RawMessage `json:"key"`
				Text  string          `json:"key_as_string"`
				Count int64           `json:"doc_count"`
			} `json:"buckets"`
		} `json:"values"`
	}
	if len(raw) == 0 {
		return nil // no index has been asked
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return fmt.Errorf("reading elasticsearch's answer: %w", err)
	}
	v.Missing, v.Other, v.Error = doc.Missing.Count, doc.Values.Other, doc.Values.Error
	for _, b := range doc.Values.Buckets {
		text := b.Text
		if text == "" && json.Unmarshal(b.Key, &text) != nil {
			text = string(b.Key) // a number
		}
		v.Values = append(v.Values, eventValue{Value: text, Count: b.Count})
	}
	return nil
}

// write prints the values with bars for people; room is the width of the terminal, 0 for none.
func (v *eventValues) write(w io.Writer, room int) {
	if room == 0 {
		room = 100
	}
	widest, most := cells(v.Field), int64(1)
	for _, value := range v.Values {
		widest, most = max(widest, cells(harmlessLine(value.Value))), max(most, value.Count)
	}
	widest = min(widest, room/2)
	bar := max(5, min(40, room-widest-24))
	fmt.Fprintf(w, "%s  %9s  SHARE\n", pad(cut(v.Field, widest), widest), "COUNT")
	for _, value := range v.Values {
		text := cut(harmlessLine(value.Value), widest)
		fmt.Fprintf(w, "%s  %9s  %4.0f%%  %s\n", pad(text, widest), thousands(value.Count), 100*float64(value.Count)/float64(max(v.Total, 1)), bars(value.Count, most, bar))
	}
	fmt.Fprint(w, "\n", events(v.Total))
	if v.Other > 0 {
		fmt.Fprintf(w, "; %s with other values (--limit 0 lists them)", thousands(v.Other))
	}
	if v.Missing > 0 {
		fmt.Fprintf(w, "; %s without %s", thousands(v.Missing), v.Field)
	}
	if v.Error > 0 {
		fmt.Fprintf(w, "; a count may be too low by %s", thousands(v.Error))
	}
	fmt.Fprintln(w)
}
