package e2e_test

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// mapped lists the fields of the desk's indices with their mapping, aliases and subfields included.
func (d *desk) mapped(t *testing.T) map[string]object {
	t.Helper()
	var indices map[string]struct{ Mappings object }
	d.ask(t, http.MethodGet, "/_mapping", nil, &indices)
	fields := map[string]object{}
	var walk func(path string, mapping object)
	walk = func(path string, mapping object) {
		inner, ok := mapping["properties"].(object)
		if !ok {
			fields[path] = mapping
			return
		}
		for name, field := range inner {
			if field, ok := field.(object); ok {
				walk(strings.TrimPrefix(path+"."+name, "."), field)
			}
		}
	}
	for _, index := range indices {
		walk("", index.Mappings)
	}
	if len(fields) < 100 {
		t.Fatalf("only %d fields are mapped", len(fields))
	}
	return fields
}

// aliases asks each alias and the field behind it for all their values.
func aliases(t *testing.T, d *desk) {
	t.Helper()
	fields, seen := d.mapped(t), 0
	for alias, mapping := range fields {
		path, ok := mapping["path"].(string)
		if mapping["type"] != "alias" || !ok {
			continue
		}
		seen++
		aggs := object{"there": object{"filter": object{"exists": object{"field": alias}}}, "behind": object{"filter": object{"exists": object{"field": path}}}}
		aggregated := fields[path]["type"] != "text"
		if aggregated {
			aggs["alias"] = object{"terms": object{"field": alias, "size": 1000}}
			aggs["field"] = object{"terms": object{"field": path, "size": 1000}}
		}
		var counted struct {
			Aggregations map[string]bucket
		}
		answer := d.search(t, object{"size": 0, "aggs": aggs})
		d.ask(t, http.MethodPost, "/_search", object{"size": 0, "aggs": aggs}, &counted)
		if there := counted.Aggregations["there"].Count; there != counted.Aggregations["behind"].Count || there == 0 && alias != "observer.hostname" {
			t.Errorf("%s is in %d documents, %s in %d", alias, there, path, counted.Aggregations["behind"].Count)
		}
		if a, b := answer.counts("alias"), answer.counts("field"); aggregated && !sameCounts(a, b) {
			t.Errorf("%s has %v, %s has %v", alias, a, path, b)
		}
	}
	if seen < 10 {
		t.Errorf("only %d aliases are mapped", seen)
	}
}

// related looks at the fields that Elasticsearch fills.
func related(t *testing.T, d *desk, all []sample) {
	t.Helper()
	answer := d.search(t, object{"size": 0, "aggs": object{"ip": object{"terms": object{"field": "related.ip", "size": 1000}}}})
	want := map[string]int{}
	for i := range all {
		ips := map[string]bool{}
		for _, key := range []string{"ip", "client_ip"} {
			if text, ok := all[i].data[key].(string); ok && net.ParseIP(text) != nil {
				ips[net.ParseIP(text).String()] = true
			}
		}
		for ip := range ips {
			want[ip]++
		}
	}
	if got := answer.counts("ip"); !sameCounts(got, want) {
		t.Errorf("related.ip has %v, want %v", got, want)
	}
	for _, c := range []struct{ name, users string }{
		{"sapi.user-update", "auth0|6459c1de4703f3a65dc25801 grace.hopkins@acme.example auth0|66b1f0c2a4d5e6f708192a3b grace.hopkins alice.morgan@example.com"},
		{"s.password", "auth0|66b1f0c2a4d5e6f708192a3b alice.morgan@example.com alice.morgan"},
		{"s.masked", "auth0|66b1f0c2a4d5e6f708192a3b"},
		{"sapi.user-roles", "auth0|6459c1de4703f3a65dc25801 grace.hopkins@acme.example google-oauth2|113742051968840257316 grace.hopkins"},
		{"sapi.role-users", "google-oauth2|105261262156475850461 heidi.brandt heidi.brandt@acme.example google-oauth2|113742051968840257316 waad|x8Qm3VtLwZ0rNcYk2pJbHd6fSgUeAa1iTqRo9Xv7EsM"},
	} {
		s := all[slices.IndexFunc(all, func(s sample) bool { return s.name == c.name })]
		hits := d.search(t, object{"_source": false, "fields": []string{"related.user"}, "query": object{"term": object{"event.id": s.id}}}).Hits.Hits
		var got []string
		for _, hit := range hits {
			for _, user := range hit.Fields["related.user"] {
				text, _ := user.(string)
				got = append(got, text)
			}
		}
		if extra, missing := difference(got, strings.Fields(c.users)); len(extra)+len(missing) > 0 {
			t.Errorf("%s: related.user has too much %q and lacks %q", c.name, extra, missing)
		}
	}
}

// sameCounts compares two sets of buckets.
func sameCounts(got, want map[string]int) bool {
	if len(got) != len(want) {
		return false
	}
	for key, count := range want {
		if got[key] != count {
			return false
		}
	}
	return true
}
