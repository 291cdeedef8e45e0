package mapping_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
)

// mapped lists the fields of the index template with their types; what is stored only has the type "".
func mapped(t *testing.T) map[string]string {
	t.Helper()
	raw, err := os.ReadFile("../../../../shared/elastic/assets/template.json")
	if err != nil {
		t.Fatal(err)
	}
	type field struct {
		Type       string
		Path       string
		CopyTo     any `json:"copy_to"`
		Index      *bool
		DocValues  *bool `json:"doc_values"`
		Enabled    *bool
		Properties map[string]json.RawMessage
	}
	var template struct {
		Template struct{ Mappings field }
	}
	if err := json.Unmarshal(raw, &template); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	var walk func(path string, f field)
	walk = func(path string, f field) {
		for name, raw := range f.Properties {
			var inner field
			if err := json.Unmarshal(raw, &inner); err != nil {
				t.Fatal(err)
			}
			here := strings.TrimPrefix(path+"."+name, ".")
			switch {
			case inner.Properties != nil:
				walk(here, inner)
			case inner.Index != nil && inner.DocValues != nil || inner.Enabled != nil:
				all[here] = ""
			default:
				all[here] = inner.Type
			}
		}
	}
	walk("", template.Template.Mappings)
	return all
}

func TestTheFieldTableIsTheIndexTemplate(t *testing.T) {
	fields, err := mapping.Fields()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]mapping.Field{}
	for _, f := range fields {
		listed[f.Name] = f
	}
	if !slices.IsSortedFunc(fields, func(a, b mapping.Field) int { return strings.Compare(a.Name, b.Name) }) || len(listed) != len(fields) {
		t.Error("the table is not sorted, or has a field twice")
	}
	template := mapped(t)
	for name, kind := range template {
		if f, ok := listed[name]; !ok || f.Type != kind {
			t.Errorf("%s is %q in the template and %q in the table (%v)", name, kind, f.Type, ok)
		}
	}
	for name, f := range listed {
		if _, ok := template[name]; !ok && f.Type != "" {
			t.Errorf("%s is in the table as %s and not in the template", name, f.Type)
		}
		if f.Rule == "" {
			t.Errorf("%s has no rule", name)
		}
	}
}

func TestEveryFieldIsOneOfECSOrOurOwn(t *testing.T) {
	raw, err := os.ReadFile("testdata/ecs.txt")
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Fields(string(raw))
	fields, err := mapping.Fields()
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, f := range fields {
		switch {
		case strings.HasPrefix(f.Name, "auth0."), strings.HasPrefix(f.Name, "sluice."):
			ours++
		case f.Name == "tls.client.ja4": // beside tls.client.ja3, which ECS has
		case !slices.Contains(known, f.Name):
			t.Errorf("%s is no field of ECS", f.Name)
		}
	}
	if len(known) < 500 || ours == len(fields) {
		t.Errorf("%d names of ECS, %d of %d fields are our own", len(known), ours, len(fields))
	}
}

// free are the places whose content is the event's own and in no table.
var free = regexp.MustCompile(`^source\.geo\.location\.(lat|lon)$|^auth0\.logs\.(data\.(details|body|query)|odd|envelope|data\.[^.]*$|data\.(auth0_client\.env|\$event_schema)|shape$)|^auth0\.risk_assessment\.assessments\.`)

func TestEveryFieldOfADocumentIsInTheTable(t *testing.T) {
	fields, err := mapping.Fields()
	if err != nil {
		t.Fatal(err)
	}
	unseen := map[string]bool{}
	aliases := 0
	for _, f := range fields {
		if f.Type == "alias" {
			aliases++
			continue
		}
		unseen[f.Name] = true
	}
	names := map[string]bool{}
	for name := range unseen {
		names[name] = true
	}
	m := enriching(t, true)
	for name, raw := range samples(t) {
		for field := range leaves(decode(t, document(t, m, raw))) {
			delete(unseen, field)
			for prefix := field; strings.Contains(prefix, "."); prefix = prefix[:strings.LastIndexByte(prefix, '.')] {
				delete(unseen, prefix)
			}
			if !names[field] && !free.MatchString(field) {
				t.Errorf("%s: %s is not in the table", name, field)
			}
		}
	}
	t.Logf("%d fields, %d of them other names; no sample has %v", len(fields), aliases, unseen)
}
