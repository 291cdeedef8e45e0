package mapping_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/shared/auth0/auth0test"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
)

// samples returns every sample event by name: at least one of every code, and the odd ones of this package.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	published, err := auth0test.Events()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range published {
		all["codes/"+e.Name] = e.JSON
	}
	odd, err := filepath.Glob("testdata/events/*.json")
	if err != nil || len(odd) < 12 {
		t.Fatalf("%d odd events: %v", len(odd), err)
	}
	for _, path := range odd {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all["odd/"+strings.TrimSuffix(filepath.Base(path), ".json")] = raw
	}
	return all
}

// leaves lists the fields of a document with their values as JSON.
func leaves(doc map[string]any) map[string]string {
	lines := map[string]string{}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		if inner, ok := value.(map[string]any); ok && len(inner) > 0 {
			for key, v := range inner {
				if key == "" || strings.ContainsAny(key, ". \x00") {
					key = strconv.Quote(key)
				}
				walk(strings.TrimPrefix(path+"."+key, "."), v)
			}
			return
		}
		text, _ := json.Marshal(value)
		lines[path] = string(text)
	}
	walk("", doc)
	return lines
}

// listing writes a document for people to review: a line per field, sorted by name.
func listing(doc map[string]any) string {
	lines := leaves(doc)
	var out strings.Builder
	for _, path := range slices.Sorted(maps.Keys(lines)) {
		fmt.Fprintf(&out, "%s = %s\n", path, lines[path])
	}
	return out.String()
}

func TestDocumentsAreAsTheGoldensSay(t *testing.T) {
	m := enriching(t, false)
	for name, raw := range samples(t) {
		t.Run(name, func(t *testing.T) {
			line := document(t, m, raw)
			checkLine(t, raw, line)
			got := listing(decode(t, line))
			golden := filepath.Join("testdata", "documents", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(run with -update if that is meant) %s", diff)
			}
		})
	}
}

func TestNoGoldenIsLeftOver(t *testing.T) {
	have := samples(t)
	goldens, err := filepath.Glob("testdata/documents/*/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range goldens {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.ToSlash(path), "testdata/documents/"), ".txt")
		if have[name] == nil {
			t.Errorf("%s belongs to no event", path)
		}
	}
}

func TestEveryCodeHasAGolden(t *testing.T) {
	codes, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	published, err := auth0test.Events()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range published {
		seen[e.Code]++
	}
	for _, code := range codes.Codes() {
		if seen[code.ID] == 0 {
			t.Errorf("%s has no golden", code.ID)
		}
	}
	t.Logf("%d codes, %d events", len(seen), len(published))
}

func TestTheOriginalIsKeptByteForByte(t *testing.T) {
	m := newMapper(t, true)
	for name, raw := range samples(t) {
		line := document(t, m, raw)
		if original, _ := at(decode(t, line), "event", "original").(string); original != string(raw) {
			t.Errorf("%s: event.original is %.300q, the event %.300q", name, original, raw)
		}
		if rebuilt, err := mapping.Rebuild(line); err != nil || string(rebuilt) != string(raw) {
			t.Errorf("%s: rebuilt %.300q: %v", name, rebuilt, err)
		}
	}
}
