// Package docs_test keeps the pages true: what they name must exist, and their tables must be the code's.
package docs_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/test/harness"
)

var update = flag.Bool("update", false, "rewrite the settings tables in README.md")

// page is one Markdown file of the repository.
type page struct {
	name string // from the top folder
	text string
}

// pages are the Markdown files at the top and beside services and deployments.
func pages(t *testing.T) []page {
	t.Helper()
	root := harness.Root(t)
	var all []page
	for _, pattern := range []string{"*.md", "docs/*.md", "deployments/*.md", "deployments/*/*.md", "services/*/*.md", "test/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page{filepath.ToSlash(name), read(t, path)})
		}
	}
	if len(all) < 3 {
		t.Fatalf("only %d pages found", len(all))
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func readme(t *testing.T) string {
	t.Helper()
	return read(t, filepath.Join(harness.Root(t), "README.md"))
}

// snippet is code in a page: one line of a block, or one stretch in backticks.
type snippet struct {
	language string // of the block, empty for a stretch in backticks
	text     string
}

var inline = regexp.MustCompile("`([^`]+)`")

func snippets(text string) []snippet {
	var all []snippet
	var prose strings.Builder // one paragraph: a stretch in backticks may go on in the next line
	flush := func() {
		for _, match := range inline.FindAllStringSubmatch(prose.String(), -1) {
			all = append(all, snippet{"", match[1]})
		}
		prose.Reset()
	}
	language, inside := "", false
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence:
			inside, language = !inside, fence
		case inside:
			all = append(all, snippet{language, line})
			continue
		case line != "" && line[0] != '|':
			prose.WriteString(line + " ")
			continue
		default:
			prose.WriteString(line)
		}
		flush()
	}
	flush()
	return all
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the headings of a page as links name them.
func anchors(text string) []string {
	var all []string
	for _, match := range heading.FindAllStringSubmatch(text, -1) {
		slug := noSlug.ReplaceAllString(strings.ToLower(match[1]), "")
		all = append(all, strings.ReplaceAll(slug, " ", "-"))
	}
	return all
}

func TestEveryLinkInThePagesResolves(t *testing.T) {
	checked := 0
	for _, p := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(p.text, -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			checked++
			file, anchor, _ := strings.Cut(match[1], "#")
			text := p.text
			if file != "" {
				path := filepath.Join(harness.Root(t), filepath.Dir(p.name), file)
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s: link to %s: %v", p.name, match[1], err)
					continue
				}
				if anchor != "" {
					text = read(t, path)
				}
			}
			if anchor != "" && !slices.Contains(anchors(text), anchor) {
				t.Errorf("%s: link to %s: no such heading", p.name, match[1])
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d links found", checked)
	}
}

var (
	targetLine = regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`)
	makeCall   = regexp.MustCompile(`(?:^|\s)make ([a-z][a-z0-9-]*)`)
)

func TestEveryMakeTargetInThePagesExists(t *testing.T) {
	var targets []string
	for _, match := range targetLine.FindAllStringSubmatch(read(t, filepath.Join(harness.Root(t), "Makefile")), -1) {
		targets = append(targets, match[1])
	}
	checked := 0
	for _, p := range pages(t) {
		for _, s := range snippets(p.text) {
			for _, match := range makeCall.FindAllStringSubmatch(s.text, -1) {
				checked++
				if !slices.Contains(targets, match[1]) {
					t.Errorf("%s: %q: the Makefile has no target %s", p.name, s.text, match[1])
				}
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d calls of make found", checked)
	}
}

func TestEveryPathOfTheLayoutExists(t *testing.T) {
	_, section, ok := strings.Cut(readme(t), "## Layout\n\n```text\n")
	block, _, closed := strings.Cut(section, "```")
	if !ok || !closed {
		t.Fatal("README.md has no layout")
	}
	for line := range strings.Lines(block) {
		path, _, _ := strings.Cut(line, " ")
		if _, err := os.Stat(filepath.Join(harness.Root(t), path)); err != nil {
			t.Errorf("layout: %v", err)
		}
	}
	modules, err := filepath.Glob(filepath.Join(harness.Root(t), "services", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range modules {
		if name := "services/" + filepath.Base(dir); !strings.Contains(block, name) {
			t.Errorf("layout: %s is missing", name)
		}
	}
}

var (
	answerLine = regexp.MustCompile(`= Answer\{"(\w+)", http\.(\w+), ".*", (true|false)\}`)
	answerRow  = regexp.MustCompile("(?m)^\\| (\\d{3}) \\| `(\\w+)` \\|(.*)$")
)

// statuses maps the names of net/http's constants to their numbers.
func statuses() map[string]int {
	all := map[string]int{}
	for code := 100; code < 600; code++ {
		name := strings.NewReplacer(" ", "", "-", "", "'", "").Replace(http.StatusText(code))
		all["Status"+name] = code
	}
	return all
}

func TestTheAnswersAreTheReceivers(t *testing.T) {
	source := read(t, filepath.Join(harness.Root(t), "services/receiver/internal/intake/answer.go"))
	_, section, ok := strings.Cut(readme(t), "## Answers\n")
	section, _, closed := strings.Cut(section, "\n## ")
	if !ok || !closed {
		t.Fatal("README.md has no answers")
	}
	codes := statuses()
	var want, have []string
	for _, match := range answerLine.FindAllStringSubmatch(source, -1) {
		want = append(want, fmt.Sprintf("%d %s retry=%s", codes[match[2]], match[1], match[3]))
	}
	for _, match := range answerRow.FindAllStringSubmatch(section, -1) {
		have = append(have, fmt.Sprintf("%s %s retry=%t", match[1], match[2], strings.Contains(match[3], "Retry-After")))
	}
	if len(want) < 10 || !slices.Equal(want, have) {
		t.Errorf("the receiver answers\n%s\nREADME.md says\n%s", strings.Join(want, "\n"), strings.Join(have, "\n"))
	}
}

// tables are the settings tables, as the binaries' own -help and the topology have them. What several services share
// stands once, in `common`.
func tables(t *testing.T) map[string]string {
	t.Helper()
	const head = "| variable | default | meaning |\n|---|---|---|\n"
	out := map[string]string{"common": head}
	for _, name := range []string{"receiver", "enricher", "indexer", "retention"} {
		out[name] = head
		for _, row := range settings(t, name) {
			switch {
			case strings.HasPrefix(row, "| `"+strings.ToUpper(name)+"_"):
				out[name] += row
			case !strings.Contains(out["common"], row):
				out["common"] += row
			}
		}
	}
	var streams strings.Builder
	if err := config.Markdown(&streams, "stream", topology(t)); err != nil {
		t.Fatal(err)
	}
	out["stream"] = streams.String()
	return out
}

// topology is a pointer to a struct like stream.Topology, read from its source: to import the package would link the
// NATS client, which these tests do not need.
func topology(t *testing.T) any {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(harness.Root(t), "shared/stream/topology.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var fields []reflect.StructField
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Topology" {
			return true
		}
		body, ok := spec.Type.(*ast.StructType)
		if !ok {
			return false
		}
		for _, f := range body.Fields.List {
			for _, name := range f.Names {
				tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
				fields = append(fields, reflect.StructField{Name: name.Name, Type: reflect.TypeFor[string](), Tag: tag})
			}
		}
		return false
	})
	if len(fields) < 3 {
		t.Fatalf("shared/stream/topology.go: only %d settings found in Topology", len(fields))
	}
	return reflect.New(reflect.StructOf(fields)).Interface()
}

// settings reads a service's -help, whose columns begin where the words of its head do, and returns the rows in the
// form of config.Markdown.
func settings(t *testing.T, service string) []string {
	t.Helper()
	help, stderr, code := harness.Run(t, nil, harness.Binary(t, service), "-help")
	_, table, ok := strings.Cut(help, "Settings (environment):\n")
	if code != 0 || !ok {
		t.Fatalf("%s -help: exit %d, %s%s", service, code, help, stderr)
	}
	lines := strings.Split(strings.TrimSpace(table), "\n")
	second, third := strings.Index(lines[0], "DEFAULT"), strings.Index(lines[0], "MEANING")
	if second < 0 || third < 0 || len(lines) < 5 {
		t.Fatalf("%s -help has no table of settings: %s", service, table)
	}
	var rows []string
	for _, line := range lines[1:] {
		name, value, meaning := strings.TrimSpace(line[:second]), strings.TrimSpace(line[second:third]), strings.TrimSpace(line[third:])
		if variable, file, secret := strings.Cut(strings.TrimSuffix(name, ")"), " (or "); secret {
			name = variable + "` (or `" + file + "`)"
		} else {
			name += "`"
		}
		if value != "" {
			value = "`" + value + "`"
		}
		rows = append(rows, fmt.Sprintf("| `%s | %s | %s |\n", name, value, meaning))
	}
	return rows
}

func TestTheSettingsTablesAreTheCodes(t *testing.T) {
	text := readme(t)
	fresh := text
	for name, table := range tables(t) {
		begin, end := "<!-- settings "+name+" -->\n", "<!-- /settings -->"
		before, rest, ok := strings.Cut(fresh, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("README.md has no %q and %q", begin, end)
		}
		fresh = before + begin + table + end + after
	}
	switch {
	case fresh == text:
	case *update:
		if err := os.WriteFile(filepath.Join(harness.Root(t), "README.md"), []byte(fresh), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the settings tables in README.md are not the code's: run `go test ./test/docs -update`")
	}
}
