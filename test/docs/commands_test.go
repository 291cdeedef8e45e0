package docs_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/test/harness"
)

// command is one command of the operator's binary, as its help shows it.
type command struct {
	flags    []string
	children map[string]*command
}

var (
	childLine = regexp.MustCompile(`(?m)^  ([a-z][a-z-]*) `)
	flagName  = regexp.MustCompile(`--[a-z][a-z-]*`)
)

// explore asks a command and everything below it for help.
func explore(t *testing.T, path ...string) *command {
	t.Helper()
	help, stderr, code := harness.Run(t, nil, harness.Binary(t, "sluice"), append(slices.Clone(path), "--help")...)
	if code != 0 {
		t.Fatalf("sluice %s --help: exit %d: %s", strings.Join(path, " "), code, stderr)
	}
	c := &command{flags: flagName.FindAllString(help, -1), children: map[string]*command{}}
	_, list, _ := strings.Cut(help, " [command]\n")
	list, _, _ = strings.Cut(list, "\nFlags:")
	for _, match := range childLine.FindAllStringSubmatch(list, -1) {
		switch match[1] {
		case "help":
		case "completion": // its children are shells
			c.children[match[1]] = &command{}
		default:
			c.children[match[1]] = explore(t, append(slices.Clone(path), match[1])...)
		}
	}
	return c
}

var (
	call = regexp.MustCompile(`(?:^|[\s/|(])(?:sluice|--rm cli) ([^|#;&]*)`)
	word = regexp.MustCompile(`^[a-z][a-z-]*$`)
)

// wrong says what in the words after the program's name does not exist, empty when all does.
func (c *command) wrong(words []string) string {
	at := c
	for _, w := range words {
		if flag := flagName.FindString(w); flag != "" && strings.HasPrefix(w, "--") {
			if !slices.Contains(at.flags, flag) {
				return "no flag " + flag
			}
			continue
		}
		next, ok := at.children[w]
		switch {
		case ok:
			at = next
		case len(at.children) > 0 && word.MatchString(w):
			return "no command " + w
		}
	}
	return ""
}

func TestEveryCommandInThePagesExists(t *testing.T) {
	root := explore(t)
	if root.wrong([]string{"endpoint", "invent"}) == "" || root.wrong([]string{"up", "--invented"}) == "" || root.wrong([]string{"up", "--listen", "x:0"}) != "" {
		t.Fatal("this test cannot tell right from wrong")
	}
	checked := 0
	for _, p := range pages(t) {
		for _, s := range snippets(p.text) {
			for _, match := range call.FindAllStringSubmatch(s.text, -1) {
				if s.language == "text" || strings.HasPrefix(p.name, "CHANGELOG") {
					continue
				}
				checked++
				if what := root.wrong(strings.Fields(match[1])); what != "" {
					t.Errorf("%s: %q: %s", p.name, s.text, what)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d commands found", checked)
	}
}

var (
	kqlField    = regexp.MustCompile(`([@a-z][\w.@]*) :`)
	luceneField = regexp.MustCompile(`([@a-z][\w.@]*):["(\w]`)
)

// mapped reports whether the index template has a field, or a flattened one above it.
func mapped(properties map[string]any, path []string) bool {
	field, ok := properties[path[0]].(map[string]any)
	if !ok {
		return false
	}
	if len(path) == 1 {
		return field["type"] != nil
	}
	inner, ok := field["properties"].(map[string]any)
	return field["type"] == "flattened" || ok && mapped(inner, path[1:])
}

func TestTheQueriesUseFieldsThatAreIndexed(t *testing.T) {
	var template struct {
		Template struct {
			Mappings struct {
				Properties map[string]any `json:"properties"`
			} `json:"mappings"`
		} `json:"template"`
	}
	raw := read(t, filepath.Join(harness.Root(t), "shared/elastic/assets/template.json"))
	if err := json.Unmarshal([]byte(raw), &template); err != nil {
		t.Fatal(err)
	}
	var kql, lucene []string
	for _, s := range snippets(readme(t)) {
		fields := &kql
		pattern := kqlField
		if strings.HasPrefix(s.text, "search '") {
			fields, pattern = &lucene, luceneField
		} else if s.language != "kql" {
			continue
		}
		for _, match := range pattern.FindAllStringSubmatch(s.text, -1) {
			*fields = append(*fields, match[1])
			if !mapped(template.Template.Mappings.Properties, strings.Split(match[1], ".")) {
				t.Errorf("%q: the index template has no field %s", s.text, match[1])
			}
		}
	}
	if len(kql) < 5 || !slices.Equal(kql, lucene) {
		t.Errorf("the queries in KQL ask for %v, those with curl for %v", kql, lucene)
	}
}
