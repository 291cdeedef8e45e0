package e2e_test

import (
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// panel is one panel of the dashboard that comes with Elastic's integration for Auth0, as the search which Kibana makes
// of it. All of them ask for data_stream.dataset auth0.logs.
type panel struct {
	title string
	label string // what the events are filtered by: a value of auth0.logs.data.classification; empty: nothing
	codes string // of the events that have this label
	by    object // how they are counted; nil: only how many they are
	want  func(s *sample, document object) []string
}

// dashboard is what the integration's panels ask. Its packages up to 1.18.0 look for the label in event.category, which
// never holds one: there their own panels stay empty too. The last panel is called "IP Addresses of failed logins" there
// and counts all events.
func dashboard() []panel {
	hour := object{"date_histogram": object{"field": "@timestamp", "fixed_interval": "1h", "min_doc_count": 1}}
	hours := func(s *sample, _ object) []string {
		at, _ := time.Parse(time.RFC3339, s.data["date"].(string)) //nolint:errcheck // what is no time is found nowhere
		raw, _ := json.Marshal(at.UTC().Truncate(time.Hour).UnixMilli())
		return []string{string(raw)}
	}
	field := func(name string) func(s *sample, document object) []string {
		return func(_ *sample, document object) (texts []string) {
			event, _ := document["event"].(object)
			all, _ := event[name].([]any)
			for _, one := range all {
				text, _ := one.(string)
				texts = append(texts, text)
			}
			return texts
		}
	}
	address := func(s *sample, _ object) []string {
		if text, ok := s.data["ip"].(string); ok {
			return []string{net.ParseIP(text).String()}
		}
		return nil
	}
	const failed, passed = "f fc fcoa fens fp fu", "s scoa sdel sens"
	return []panel{
		{title: "Auth0 Log Stream Event Types", by: object{"terms": object{"field": "event.category", "size": 5}}, want: field("category")},
		{title: "Rate of events", by: object{"terms": object{"field": "event.type", "size": 100}}, want: field("type")},
		{title: "Number of Failed Logins", label: "Login - Failure", codes: failed},
		{title: "Number of Successful Signups", label: "Signup - Success", codes: "ss"},
		{title: "Rate of Successful Logins", label: "Login - Success", codes: passed, by: hour, want: hours},
		{title: "Rate of Failed Logins", label: "Login - Failure", codes: failed, by: hour, want: hours},
		{title: "IP Addresses of failed logins", by: object{"terms": object{"field": "auth0.logs.data.ip", "size": 10}}, want: address},
		{title: "the same, of failed logins", label: "Login - Failure", codes: failed, by: object{"terms": object{"field": "auth0.logs.data.ip", "size": 10}}, want: address},
	}
}

// panels asks what the dashboard asks, about the day of the published samples.
func panels(t *testing.T, d *desk, all []sample) {
	t.Helper()
	day := slices.DeleteFunc(slices.Clone(all), func(s sample) bool { return strings.HasPrefix(s.name, "odd/") })
	documents := d.documents(t)
	for _, p := range dashboard() {
		want, events := map[string]int{}, 0
		for i := range day {
			if p.codes != "" && !slices.Contains(strings.Fields(p.codes), day[i].code()) {
				continue
			}
			events++
			var document object
			if err := json.Unmarshal(documents[day[i].id], &document); err != nil {
				t.Fatal(err)
			}
			if p.want != nil {
				for _, key := range p.want(&day[i], document) {
					want[key]++
				}
			}
		}
		answer := d.panel(t, p, "auth0.logs.data.classification")
		if answer.Hits.Total.Value != events || events == 0 {
			t.Errorf("%s: %d events, want %d", p.title, answer.Hits.Total.Value, events)
		}
		got := answer.counts("by")
		for key, count := range got {
			if want[key] != count {
				t.Errorf("%s: %d of %s, want %d", p.title, count, key, want[key])
			}
		}
		if shown := sum(got) + answer.Aggregations["by"].Other; shown != sum(want) || p.by != nil && len(got) == 0 {
			t.Errorf("%s: %d values in all, want %d", p.title, shown, sum(want))
		}
		t.Logf("%s: %d events, %v", p.title, events, got)
		if old := d.panel(t, p, "event.category"); p.label != "" && old.Hits.Total.Value > 0 {
			t.Errorf("%s: event.category holds a label", p.title)
		}
	}
	d.table(t, day)
}

// panel runs a panel's search; field is where the label is looked for.
func (d *desk) panel(t *testing.T, p panel, field string) searched {
	t.Helper()
	filter := []any{
		object{"match_phrase": object{"data_stream.dataset": "auth0.logs"}},
		object{"range": object{"@timestamp": object{"gte": "2026-09-14", "lt": "2026-09-15", "format": "strict_date_optional_time"}}},
	}
	if p.label != "" {
		filter = append(filter, object{"match_phrase": object{field: p.label}})
	}
	body := object{"size": 0, "query": object{"bool": object{"filter": filter}}}
	if p.by != nil {
		body["aggs"] = object{"by": p.by}
	}
	return d.search(t, body)
}

// table is the list at the dashboard's foot: the newest events first, with three columns.
func (d *desk) table(t *testing.T, day []sample) {
	t.Helper()
	answer := d.search(t, object{
		"size": 500, "_source": false, "sort": []any{object{"@timestamp": object{"order": "desc", "unmapped_type": "boolean"}}},
		"query":  object{"bool": object{"filter": []any{kql(t, `data_stream.dataset:"auth0.logs"`)}}},
		"fields": []any{"event.id", object{"field": "@timestamp", "format": "strict_date_optional_time"}, "auth0.logs.data.connection", "user.name", "user_agent.original"},
	})
	last, rows := "9", map[string]map[string][]any{}
	for _, hit := range answer.Hits.Hits {
		at, _ := hit.Fields["@timestamp"][0].(string)
		if at > last {
			t.Errorf("%s comes after %s", at, last)
		}
		id, _ := hit.Fields["event.id"][0].(string)
		last, rows[id] = at, hit.Fields
	}
	for i := range day {
		row := rows[day[i].id]
		for column, member := range map[string]string{"auth0.logs.data.connection": "connection", "user_agent.original": "user_agent"} {
			if text, ok := day[i].data[member].(string); ok && text != "" && !slices.Equal(row[column], []any{text}) {
				t.Errorf("%s: column %s is %v, want %s", day[i].name, column, row[column], text)
			}
		}
		if name, ok := day[i].data["user_name"].(string); ok && !strings.Contains(name, "*") && strings.Contains(name, "@") && row["user.name"] == nil {
			t.Errorf("%s: column user.name is empty, the event has %s", day[i].name, name)
		}
	}
}

func sum(counts map[string]int) (all int) {
	for count := range maps.Values(counts) {
		all += count
	}
	return all
}
