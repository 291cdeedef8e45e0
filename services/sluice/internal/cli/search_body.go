package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicelog/sluice/shared/elastic"
)

// bareFields are where a word without a field is looked for.
func bareFields() []string {
	return []string{
		"message", "tags", "event.id", "event.code", "event.action", "event.outcome", "event.category", "event.type", "user.*", "source.*", "client.*",
		"related.*", "user_agent.*", "organization.*", "auth0.logs.data.*", "sluice.delivery", "sluice.endpoint",
	}
}

// body is the query as Elasticsearch takes it. A condition with a field is strict, so that a value which cannot be is
// told; a bare word is tried on fields of all types.
func (c *condition) body() any {
	if c == nil {
		return map[string]any{"match_all": map[string]any{}}
	}
	all := make([]any, len(c.children))
	for i, child := range c.children {
		all[i] = child.body()
	}
	switch c.kind {
	case allOf:
		return map[string]any{"bool": map[string]any{"filter": all}}
	case anyOf:
		return map[string]any{"bool": map[string]any{"should": all, "minimum_should_match": 1}}
	case noneOf:
		return map[string]any{"bool": map[string]any{"must_not": all}}
	case single:
	}
	if c.lucene == "*" {
		return map[string]any{"match_all": map[string]any{}}
	}
	// Without these two, Elasticsearch would take all fields and forgive everything.
	text := map[string]any{"query": c.lucene, "default_operator": "AND", "analyze_wildcard": true, "fields": []string{"message"}, "lenient": false}
	if c.field == "" {
		text["fields"], text["lenient"] = bareFields(), true
	}
	return map[string]any{"query_string": text}
}

// singles calls use for every single condition, in their order.
func (c *condition) singles(use func(*condition)) {
	if c == nil {
		return
	}
	if c.kind == single {
		use(c)
	}
	for _, child := range c.children {
		child.singles(use)
	}
}

// question is a query and where it is asked.
type question struct {
	client  *elastic.Client
	indices []string
	parsed  *condition // nil for everything
}

// blame finds the condition that Elasticsearch refuses, to point at it. It returns err where that is not the reason.
func (q *question) blame(ctx context.Context, err error) error {
	if elastic.Status(err) != 400 {
		return err
	}
	var found error
	q.parsed.singles(func(c *condition) {
		if found != nil {
			return
		}
		_, problem := q.client.Page(ctx, q.indices, map[string]any{"size": 0, "query": c.body()})
		if e, ok := errors.AsType[*elastic.Error](problem); ok && e.Status == 400 {
			found = &queryError{text: q.parsed.text, at: c.at, what: "Elasticsearch does not take this condition: " + harmlessLine(excerpt(e.Reason))}
		}
	})
	if found != nil {
		return found
	}
	return err
}

// strangers names the fields of a query that are not searchable, each with those that may be meant.
func strangers(query *condition, fields map[string]elastic.Field) []string {
	var notes []string
	known := map[string]bool{}
	query.singles(func(c *condition) {
		name := c.field
		if name == "" || known[name] || strings.HasPrefix(name, "_") || strings.Contains(name, "*") || searchableField(fields, name) {
			return
		}
		known[name] = true
		note := fmt.Sprintf("no field %s can be searched", harmlessLine(name))
		if near := similar(name, fields); len(near) > 0 {
			note += "; there is " + strings.Join(near, ", ")
		}
		notes = append(notes, note)
	})
	return notes
}

// searchableField also knows what lies below a flattened field.
func searchableField(fields map[string]elastic.Field, name string) bool {
	if fields[name].Searchable {
		return true
	}
	for i, c := range name {
		if c == '.' && fields[name[:i]].Type == "flattened" {
			return true
		}
	}
	return false
}

// similar lists up to five searchable fields that somebody may have meant: what a short name of a column stands for, what
// lies below the name, or ends nearly as it does.
func similar(name string, fields map[string]elastic.Field) []string {
	var near, far []string
	if path, ok := columnPaths()[name]; ok && fields[path[0]].Searchable {
		near = append(near, path[0])
	}
	last := lastName(name)
	for _, other := range slices.Sorted(maps.Keys(fields)) {
		ending := lastName(other)
		switch {
		case !fields[other].Searchable || slices.Contains(near, other) || len(last) < 2:
		case strings.HasPrefix(other, name+".") || ending == last:
			near = append(near, other)
		case strings.Contains(ending, last) || len(ending) > 2 && strings.Contains(last, ending):
			far = append(far, other)
		}
	}
	if len(near) == 0 {
		near = far
	}
	return near[:min(len(near), 5)]
}

// lastName is what stands behind the last dot.
func lastName(field string) string { return field[strings.LastIndexByte(field, '.')+1:] }
