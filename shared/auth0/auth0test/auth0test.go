// Package auth0test is for tests: what Auth0 publishes about the members of its log events, a check of an event against
// it, and sample events of every code.
//
// schemas.tsv holds the facts and says where they come from. events/ holds the samples, one JSON object per file, named
// after the code and, where a code has several forms, the form: sapi.client-update.json.
package auth0test

import (
	_ "embed" // for schemas.tsv
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed schemas.tsv
var table string

// Path is one member of events as Auth0's schemas describe it. Codes whose schemas disagree have a Path each.
type Path struct {
	Name     string   // from data, such as "details.prompts[].name": "[]" is each element, "*" any member name
	Types    []string // JSON types, sorted; "any" where the schema leaves it open
	Required bool     // in its parent, where the parent is an object
	Values   []string // the only values it may have; empty where it may have others
	Format   string   // "ip", "date-time", a regular expression between slashes, or empty
	Codes    []string // the codes whose schemas say so, sorted
}

// Conflict is a path that is written with more than one JSON type.
type Conflict struct {
	Path  string
	Types []string // sorted, without null
	// Codes names, for each of Types, the codes whose schema allows it.
	Codes map[string][]string
}

// Paths returns every path that Auth0 publishes, sorted by name. The slices are shared: do not change them.
func Paths() []Path {
	s, err := published()
	if err != nil {
		return nil // the package's own test reads the table
	}
	return s.paths
}

// Conflicts returns the paths that have more than one JSON type across or within the schemas, sorted by path. What one
// of the schemas leaves open altogether is no conflict.
func Conflicts() []Conflict {
	codes := make(map[string]map[string][]string)
	for _, p := range Paths() {
		for _, t := range p.Types {
			if t == "null" || t == "any" {
				continue
			}
			if codes[p.Name] == nil {
				codes[p.Name] = make(map[string][]string)
			}
			codes[p.Name][t] = append(codes[p.Name][t], p.Codes...)
		}
	}
	var conflicts []Conflict
	for path, types := range codes {
		if len(types) < 2 {
			continue
		}
		c := Conflict{Path: path, Codes: types}
		for t := range types {
			c.Types = append(c.Types, t)
			slices.Sort(types[t])
		}
		slices.Sort(c.Types)
		conflicts = append(conflicts, c)
	}
	slices.SortFunc(conflicts, func(a, b Conflict) int { return strings.Compare(a.Path, b.Path) })
	return conflicts
}

// node is what one code's schema says about one place in an event.
type node struct {
	path    *Path
	members map[string]*node // nil where the schema names none: then everything may be there
	each    *node            // the elements of an array
	others  *node            // members of any name
}

// schemas is the table in memory.
type schemas struct {
	paths []Path
	codes map[string]*node
}

// published reads the table once.
var published = sync.OnceValues(func() (*schemas, error) { return parse(table) })

// parse reads a table in the form of schemas.tsv.
func parse(text string) (*schemas, error) {
	s := &schemas{codes: make(map[string]*node)}
	var cells [][]string
	number := 0
	for line := range strings.Lines(text) {
		number++
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "path\t") {
			continue
		}
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(row) != 5 || row[0] == "" || row[1] == "" || row[4] == "" {
			return nil, fmt.Errorf("reading the published paths: line %d: %q has not the columns path, types, need, values, codes", number, line)
		}
		cells = append(cells, row)
		for code := range strings.FieldsSeq(row[4]) {
			if code != "*" && s.codes[strings.TrimPrefix(code, "!")] == nil {
				s.codes[strings.TrimPrefix(code, "!")] = &node{path: &Path{Types: []string{"object"}}}
			}
		}
	}
	for _, row := range cells {
		s.paths = append(s.paths, newPath(row, s.codes))
	}
	for i := range s.paths {
		for _, code := range s.paths[i].Codes {
			s.codes[code].insert(s.paths[i].Name, &s.paths[i])
		}
	}
	return s, nil
}

func newPath(row []string, all map[string]*node) Path {
	p := Path{Name: row[0], Types: strings.Split(row[1], "|"), Required: row[2] == "required"}
	switch values := row[3]; {
	case values == "":
	case strings.HasPrefix(values, "/"):
		p.Format = values
	case strings.HasPrefix(values, "<"):
		p.Format = strings.Trim(values, "<>")
	default:
		p.Values = strings.Split(values, "|")
	}
	listed := strings.Fields(row[4])
	if listed[0] != "*" {
		p.Codes = listed
		return p
	}
	for code := range all {
		if !slices.Contains(listed, "!"+code) {
			p.Codes = append(p.Codes, code)
		}
	}
	slices.Sort(p.Codes)
	return p
}

// insert puts p at the place that name leads to from n.
func (n *node) insert(name string, p *Path) {
	for step := range strings.SplitSeq(strings.ReplaceAll(name, "[]", ".[]"), ".") {
		n = n.child(step)
	}
	n.path = p
}

// child returns the place one step below n, and makes it where it is new.
func (n *node) child(step string) *node {
	switch step {
	case "[]":
		if n.each == nil {
			n.each = &node{}
		}
		return n.each
	case "*":
		if n.others == nil {
			n.others = &node{}
		}
		return n.others
	}
	if n.members == nil {
		n.members = make(map[string]*node)
	}
	if n.members[step] == nil {
		n.members[step] = &node{}
	}
	return n.members[step]
}
