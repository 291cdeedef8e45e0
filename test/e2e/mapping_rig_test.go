package e2e_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/auth0/auth0test"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/test/harness"
)

// ownNamespace starts an all-in-one and leads its Payload URL to a namespace that no other test has: what is searched
// for there is exactly what the test has sent. It holds until the instance is started again.
func ownNamespace(t *testing.T, env ...string) *desk {
	t.Helper()
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	cluster := elastictest.Start(t)
	d := &desk{namespace: cluster.Namespace(t)} // removed after the all-in-one has stopped
	d.Instance = harness.Up(t, harness.Options{Args: []string{"--elasticsearch", cluster.URL}, Env: env})
	made := d.endpoint(t, "--namespace", d.namespace)
	d.LocalURL, d.Authorization = made.Form.PayloadURL, made.Form.AuthorizationToken
	d.Endpoint, d.Index = made.ID, period.Alias(d.namespace)
	awaitAnswer(t, http.StatusOK, d.LocalURL, d.Authorization, "\n")
	return d
}

// sample is one event that a test sends.
type sample struct {
	name string // of the file; those of the mapper's own odd events begin with "odd/"
	id   string // the log id that the event is known by
	raw  []byte
	data map[string]any // what the event says, numbers as written
}

// samples are the published sample events of every code and the mapper's odd ones.
func samples(t *testing.T) (all []sample) {
	t.Helper()
	published, err := auth0test.Events()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range published {
		all = append(all, newSample(t, e.Name, e.JSON))
	}
	paths, err := filepath.Glob(filepath.Join(harness.Root(t), "services/enricher/internal/mapping/testdata/events/*.json"))
	if err != nil || len(paths) < 12 {
		t.Fatalf("%d odd events: %v", len(paths), err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, newSample(t, "odd/"+strings.TrimSuffix(filepath.Base(path), ".json"), raw))
	}
	return all
}

func newSample(t *testing.T, name string, raw []byte) sample {
	t.Helper()
	outer, ok := plain(t, raw).(map[string]any)
	if !ok {
		t.Fatalf("%s is no object", name)
	}
	s := sample{name: name, raw: raw, data: outer}
	if inner, ok := outer["data"].(map[string]any); ok {
		s.data = inner
	}
	for _, from := range []any{outer["log_id"], s.data["log_id"], s.data["_id"]} {
		if id, ok := from.(string); ok && s.id == "" {
			s.id = id
		}
	}
	return s
}

// at is the value at a path from data; nil when there is none.
func (s *sample) at(path ...string) any {
	var value any = s.data
	for _, key := range path {
		inner, _ := value.(map[string]any)
		value = inner[key]
	}
	return value
}

// is reports whether the value at a path, with dots between its keys, is one of the texts.
func (s *sample) is(path string, texts ...string) bool {
	text, ok := s.at(strings.Split(path, ".")...).(string)
	return ok && slices.Contains(texts, text)
}

// code is data.type.
func (s *sample) code() string {
	code, _ := s.data["type"].(string)
	return code
}

// plain decodes JSON; its numbers keep every digit.
func plain(t *testing.T, raw []byte) (value any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%.200s: %v", raw, err)
	}
	return value
}

// canonical writes JSON so that equal values are equal texts: members sorted, numbers by value.
func canonical(t *testing.T, raw []byte) string {
	t.Helper()
	out, err := json.Marshal(byValue(plain(t, raw)))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func byValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			value[key] = byValue(inner)
		}
	case []any:
		for i, inner := range value {
			value[i] = byValue(inner)
		}
	case json.Number:
		if number, ok := new(big.Rat).SetString(string(value)); ok {
			return "number " + number.RatString()
		}
	}
	return value
}

// names are the names of samples, sorted.
func names(all []sample, want func(s *sample) bool) (list []string) {
	for i := range all {
		if want(&all[i]) {
			list = append(list, all[i].name)
		}
	}
	slices.Sort(list)
	return list
}

// difference says what the first of two lists has too much, and what it lacks.
func difference(got, want []string) (extra, missing []string) {
	has := func(list []string) map[string]bool {
		set := map[string]bool{}
		for _, name := range list {
			set[name] = true
		}
		return set
	}
	g, w := has(got), has(want)
	maps.DeleteFunc(g, func(name string, _ bool) bool { return w[name] })
	for _, name := range got {
		delete(w, name)
	}
	return slices.Sorted(maps.Keys(g)), slices.Sorted(maps.Keys(w))
}
