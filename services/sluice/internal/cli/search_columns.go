package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// column is one column of a table of events.
type column struct {
	title string
	paths []string // the first that an event has is shown
	width int      // in cells of a terminal; 0 until the first events are known
}

// columnPaths are the short names of columns and the fields behind them.
func columnPaths() map[string][]string {
	return map[string][]string{
		"time": {"@timestamp"}, "code": {"event.code", "auth0.logs.data.type"}, "action": {"event.action"}, "outcome": {"event.outcome"},
		"user": {"user.email", "user.name", "user.id"}, "target": {"user.target.email", "user.target.name", "user.target.id"},
		"ip": {"source.ip"}, "country": {"source.geo.country_iso_code"}, "city": {"source.geo.city_name"}, "agent": {"user_agent.name", "user_agent.original"},
		"client": {"auth0.logs.data.client_name", "auth0.logs.data.client_id"}, "connection": {"auth0.logs.data.connection"},
		"tenant": {"auth0.logs.data.tenant_name"}, "message": {"message"}, "id": {"event.id"}, "ingested": {"event.ingested"},
		"namespace": {"data_stream.namespace"}, "endpoint": {"sluice.endpoint"}, "delivery": {"sluice.delivery"},
	}
}

// defaultColumns fit most terminals.
const defaultColumns = "time,code,outcome,user,ip,country,client,message"

// usualWidth is how wide a column is where events come one after another, so that later ones fit too.
func usualWidth(title string) int {
	usual := map[string]int{"time": 20, "code": 6, "outcome": 7, "user": 26, "ip": 15, "country": 7, "client": 16, "message": 40}
	if width, ok := usual[strings.ToLower(title)]; ok {
		return width
	}
	return 16
}

// parseColumns reads a list of short names and of fields.
func parseColumns(list string) ([]column, error) {
	var all []column
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return nil, fmt.Errorf("--columns %q: give names between the commas, such as %s, or fields", list, defaultColumns)
		}
		c := column{title: harmlessLine(strings.ToUpper(name)), paths: []string{name}}
		if paths, ok := columnPaths()[name]; ok {
			c.paths = paths
		} else {
			c.title = harmlessLine(name) // a field is known by its case
		}
		all = append(all, c)
	}
	return all, nil
}

// sourceOf lists the fields that the columns need.
func sourceOf(columns []column) []string {
	var all []string
	for _, c := range columns {
		all = append(all, c.paths...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// cell is what a column shows of an event, safe to print; a dash where it has nothing.
func (c *column) cell(event map[string]any) string {
	for _, path := range c.paths {
		if text := plainValue(valueAt(event, path)); text != "" {
			if at, err := time.Parse(time.RFC3339Nano, text); err == nil && strings.HasPrefix(path, "@") {
				return moment(at)
			}
			return harmlessLine(text)
		}
	}
	return "-"
}

// decodeEvent reads a document and keeps its numbers as they were written.
func decodeEvent(source json.RawMessage) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(source))
	decoder.UseNumber()
	var event map[string]any
	if err := decoder.Decode(&event); err != nil {
		return nil, fmt.Errorf("reading an event: %w", err)
	}
	return event, nil
}

// valueAt follows a dotted path through objects and lists of them; a name may hold dots itself. Nil when nothing is there.
func valueAt(value any, path string) any {
	switch v := value.(type) {
	case map[string]any:
		if inner, ok := v[path]; ok {
			return inner
		}
		for i := range len(path) {
			if path[i] != '.' {
				continue
			}
			if inner, ok := v[path[:i]]; ok {
				if found := valueAt(inner, path[i+1:]); found != nil {
					return found
				}
			}
		}
	case []any:
		var all []any
		for _, item := range v {
			if found := valueAt(item, path); found != nil {
				all = append(all, found)
			}
		}
		if len(all) > 0 {
			return all
		}
	}
	return nil
}

// plainValue writes a value as text: lists with commas, objects as JSON.
func plainValue(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = plainValue(item)
		}
		return strings.Join(texts, ",")
	case map[string]any:
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(v) // it was decoded from JSON
		return strings.TrimSpace(out.String())
	}
	return fmt.Sprint(value)
}
