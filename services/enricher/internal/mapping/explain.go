package mapping

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/shared/auth0"
)

// Origin says of one field of a document where its value came from.
type Origin struct {
	Field string          `json:"field"`
	Value json.RawMessage `json:"value,omitempty"` // absent for another name of a field, and for what Elasticsearch fills
	Type  string          `json:"type,omitempty"`  // Elasticsearch's mapping type; empty: stored, not searchable
	From  string          `json:"from,omitempty"`  // path below data in the event; empty when it comes from elsewhere
	Rule  string          `json:"rule"`
}

// Explain makes the document of an event and says of every field in it, and of every other name it is found under, where
// it came from; sorted by field.
func (m *Mapper) Explain(e *auth0.Event, r Receipt) (document []byte, origins []Origin, err error) {
	document, _, err = m.Document(nil, e, r)
	if err != nil {
		return nil, nil, err
	}
	fields, err := Fields()
	if err != nil {
		return nil, nil, err
	}
	doc, err := decode(document)
	if err != nil {
		return nil, nil, err
	}
	event, err := decode(e.Raw)
	if err != nil {
		return nil, nil, fmt.Errorf("decoding the event: %w", err)
	}
	data, ok := event["data"].(object)
	if !ok {
		data = event
	}
	x := explainer{data: data, leaves: map[string]any{}, fields: map[string]Field{}}
	for _, f := range fields {
		x.fields[f.Name] = f
	}
	x.walk("", doc)
	return document, x.origins(), nil
}

// explainer looks up where values came from.
type explainer struct {
	data   object
	leaves map[string]any // of the document, by field
	fields map[string]Field
}

// walk collects the fields of a document; what has a row in the table is one field, whatever it holds.
func (x *explainer) walk(path string, value any) {
	inner, ok := value.(object)
	f, listed := x.fields[path]
	if !ok || listed && (f.Type == "" || f.Type == "geo_point") {
		x.leaves[path] = value
		return
	}
	for key, v := range inner {
		x.walk(strings.TrimPrefix(path+"."+key, "."), v)
	}
}

func (x *explainer) origins() (all []Origin) {
	for _, name := range slices.Sorted(maps.Keys(x.leaves)) {
		value, _ := json.Marshal(x.leaves[name]) // decoded from JSON a moment ago
		o := x.origin(name)
		o.Value = value
		all = append(all, o)
	}
	for name, f := range x.fields {
		from := x.source(f.From)
		if _, written := x.leaves[name]; written || from == "" || f.Type != "alias" && !strings.HasPrefix(name, "related.") {
			continue
		}
		all = append(all, Origin{Field: name, Type: f.Type, From: from, Rule: f.Rule})
	}
	slices.SortFunc(all, func(a, b Origin) int { return strings.Compare(a.Field, b.Field) })
	return all
}

// origin explains one field by its own row, by the row of the flattened field that it is in, or as a member of data.
func (x *explainer) origin(name string) Origin {
	if f, ok := x.fields[name]; ok {
		return Origin{Field: name, Type: f.Type, From: x.same(f.From, x.leaves[name]), Rule: f.Rule}
	}
	const data = "auth0.logs.data."
	if path, ok := strings.CutPrefix(name, data); ok {
		top, _, _ := strings.Cut(path, ".")
		if x.fields[data+top].Type == "flattened" {
			return Origin{Field: name, Type: "flattened", From: path, Rule: "as sent"}
		}
		return Origin{Field: name, From: path, Rule: x.fields[data+"*"].Rule}
	}
	if path, ok := strings.CutPrefix(name, "auth0.risk_assessment."); ok {
		return Origin{Field: name, From: x.source([]string{"details.riskAssessment." + path, "details." + path}), Rule: "stored, not searchable"}
	}
	return Origin{Field: name, Rule: "stored, not searchable"}
}

// same is the first of some paths at which the event has a value, or else the first at which it has something.
func (x *explainer) same(paths []string, value any) string {
	first := x.source(paths)
	if strings.HasSuffix(first, ".path") { // read out of it, so never equal to it
		return first
	}
	for _, path := range paths {
		if text, ok := value.(string); ok && text != "" && at(x.data, strings.Split(path, ".")...) == any(text) {
			return path
		}
	}
	return first
}

// source is the first of some paths at which the event has something.
func (x *explainer) source(paths []string) string {
	for _, path := range paths {
		if value := at(x.data, strings.Split(path, ".")...); value != nil && value != "" {
			return path
		}
	}
	return ""
}
