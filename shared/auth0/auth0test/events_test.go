package auth0test_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/auth0test"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

func samples(t *testing.T) []auth0test.Event {
	t.Helper()
	events, err := auth0test.Events()
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestEveryCodeHasAnEvent(t *testing.T) {
	known, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, e := range samples(t) {
		seen[e.Code]++
		if _, ok := known.Lookup(e.Code); !ok {
			t.Errorf("%s: the catalogue has no code %q", e.Name, e.Code)
		}
		stem, _, _ := strings.Cut(e.Name, ".")
		if stem != e.Code && stem != "conflict" {
			t.Errorf("%s: is named after %q, its data.type is %q", e.Name, stem, e.Code)
		}
	}
	for _, code := range known.Codes() {
		if seen[code.ID] == 0 {
			t.Errorf("no sample event has the code %s", code.ID)
		}
	}
	t.Logf("%d events of %d codes", len(samples(t)), len(seen))
}

func TestEventsAreAsPublished(t *testing.T) {
	unchecked := make(map[string]bool)
	for _, e := range samples(t) {
		problems, known := auth0test.Check(e.JSON)
		for _, p := range problems {
			t.Errorf("%s: %s", e.Name, p)
		}
		for _, member := range auth0test.Unknown(e.JSON) {
			t.Errorf("%s: Auth0 publishes no member %s", e.Name, member)
		}
		if !known {
			unchecked[e.Code] = true
		}
	}
	if len(unchecked) != 16 {
		t.Errorf("%d codes have no schema, want 16: %v", len(unchecked), unchecked)
	}
}

func TestEventsAreTakenApart(t *testing.T) {
	ids := make(map[string]string)
	for _, e := range samples(t) {
		var event auth0.Event
		if err := auth0.Parse(e.JSON, &event); err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		if other := ids[event.LogID]; other != "" {
			t.Errorf("%s: has the log_id of %s", e.Name, other)
		}
		ids[event.LogID] = e.Name
		if inner := event.Text("log_id"); inner != event.LogID {
			t.Errorf("%s: log_id is %s outside and %s inside of data", e.Name, event.LogID, inner)
		}
		at, dated := event.Time()
		received, readable := auth0.LogIDTime(event.LogID)
		if late := received.Unix() - at.Unix(); !dated || !readable || late != 0 {
			t.Errorf("%s: log_id %s and date %s do not agree: %d s", e.Name, event.LogID, at, late)
		}
	}
}

// places lists every path of an event's data with the JSON types that it has there.
func places(t *testing.T, e auth0test.Event) map[string][]string {
	t.Helper()
	var event struct {
		Data any `json:"data"`
	}
	if err := json.Unmarshal(e.JSON, &event); err != nil {
		t.Fatalf("%s: %v", e.Name, err)
	}
	found := make(map[string][]string)
	gather(found, "", event.Data)
	return found
}

func gather(found map[string][]string, at string, value any) {
	kind := fmt.Sprintf("%T", value)
	switch value := value.(type) {
	case map[string]any:
		kind = "object"
		for name, member := range value {
			gather(found, strings.TrimPrefix(at+"."+name, "."), member)
		}
	case []any:
		kind = "array"
		for _, element := range value {
			gather(found, at+"[]", element)
		}
	case float64:
		kind = "number"
	case bool:
		kind = "boolean"
	case nil:
		kind = "null"
	}
	if !slices.Contains(found[at], kind) {
		found[at] = append(found[at], kind)
	}
}

func TestConflictsAreThereInEveryType(t *testing.T) {
	byName := make(map[string]auth0test.Event)
	for _, e := range samples(t) {
		byName[e.Name] = e
	}
	conflicts := auth0test.Conflicts()
	if len(conflicts) != 18 {
		t.Errorf("%d paths have more than one type, want 18: %+v", len(conflicts), conflicts)
	}
	for i, c := range conflicts {
		for _, kind := range c.Types {
			name := fmt.Sprintf("conflict.%02d.%s", i+1, kind)
			e, ok := byName[name]
			if !ok {
				t.Errorf("%s: there is no sample event %s", c.Path, name)
				continue
			}
			if got := places(t, e)[c.Path]; !slices.Contains(got, kind) {
				t.Errorf("%s: %s is %v, want %s", name, c.Path, got, kind)
			}
		}
	}
}

func TestPublishedPathsAreCovered(t *testing.T) {
	seen := make(map[string]bool)   // paths
	inCode := make(map[string]bool) // paths of one code
	for _, e := range samples(t) {
		for path := range places(t, e) {
			seen[path] = true
			inCode[e.Code+" "+path] = true
		}
	}
	var optional, have, pairs, havePairs int
	for _, p := range auth0test.Paths() {
		if strings.HasSuffix(p.Name, ".*") {
			continue // any name will do
		}
		if !seen[p.Name] {
			t.Errorf("no sample event has %s, of %v", p.Name, p.Codes)
		}
		if !p.Required {
			optional++
			if slices.ContainsFunc(p.Codes, func(code string) bool { return inCode[code+" "+p.Name] }) {
				have++
			}
		}
		for _, code := range p.Codes {
			pairs++
			if inCode[code+" "+p.Name] {
				havePairs++
			}
		}
	}
	t.Logf("optional paths in a sample event: %d of %d; paths of a code: %d of %d", have, optional, havePairs, pairs)
}
