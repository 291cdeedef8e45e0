package cli

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// A query is read here and not left to Elasticsearch whole: its Lucene parser knows no precedence of AND over OR, takes
// `and` for a word, and says where an error is only in its own terms. Only single conditions are handed on to it.

// Bounds of a query; Elasticsearch has such bounds too, and worse messages.
const (
	maxNesting    = 25
	maxConditions = 1000
)

// condition is a node of a query: all, any or none of its children, or one condition in Lucene's syntax.
type condition struct {
	kind     conditionKind
	children []*condition
	field    string // of a single one; empty for a bare word
	lucene   string // of a single one, with its field
	at       int    // where it begins, in characters
	text     []rune // of the whole query, at its root
}

type conditionKind int

const (
	single conditionKind = iota
	allOf
	anyOf
	noneOf
)

// queryError says what is wrong with a query, and points at it.
type queryError struct {
	text []rune
	at   int
	what string
}

// Error says it in three lines: what, the query, and a mark below the place.
func (e *queryError) Error() string {
	const around = 60
	from, to := max(0, e.at-around), min(len(e.text), e.at+around)
	before := harmlessLine(string(e.text[from:e.at]))
	return fmt.Sprintf("the query is wrong at character %d: %s\n  %s%s\n  %s^", e.at+1, e.what, before, harmlessLine(string(e.text[e.at:to])), strings.Repeat(" ", cells(before)))
}

// queryParser reads the simple forms of Lucene's and of Kibana's query language.
type queryParser struct {
	text  []rune
	at    int
	depth int
	count int
}

// parseQuery reads a query; nil stands for an empty one, which means everything.
func parseQuery(text string) (*condition, error) {
	p := &queryParser{text: []rune(text)}
	if p.skip(); p.end() {
		return nil, nil //nolint:nilnil // an empty query has no condition
	}
	c, err := p.any("")
	if err == nil && !p.end() {
		err = p.wrong(p.at, "there is a ) without its (")
	}
	if err != nil {
		return nil, err
	}
	c.text = p.text
	return c, nil
}

func (p *queryParser) wrong(at int, format string, args ...any) error {
	return &queryError{text: p.text, at: min(at, len(p.text)), what: fmt.Sprintf(format, args...)}
}

func (p *queryParser) end() bool { return p.at >= len(p.text) }

// skip passes over white space and returns whether there is anything after it.
func (p *queryParser) skip() bool {
	for !p.end() && unicode.IsSpace(p.text[p.at]) {
		p.at++
	}
	return !p.end()
}

// next reports whether the text goes on with s.
func (p *queryParser) next(s string) bool {
	return strings.HasPrefix(string(p.text[p.at:min(len(p.text), p.at+len(s))]), s)
}

// operator returns AND, OR or NOT where the next word is one in any case, or && or ||, and how long that is.
func (p *queryParser) operator() (name string, length int) {
	switch {
	case p.next("&&"):
		return "AND", 2
	case p.next("||"):
		return "OR", 2
	}
	end := p.at
	for end < len(p.text) && unicode.IsLetter(p.text[end]) {
		end++
	}
	if end < len(p.text) && !unicode.IsSpace(p.text[end]) && !strings.ContainsRune(`()"`, p.text[end]) {
		return "", 0
	}
	switch word := strings.ToUpper(string(p.text[p.at:end])); word {
	case "AND", "OR", "NOT":
		return word, end - p.at
	}
	return "", 0
}

// any reads conditions joined by OR; field is that of a group such as event.code:(a or b).
func (p *queryParser) any(field string) (*condition, error) {
	return p.joined(anyOf, "OR", func() (*condition, error) {
		return p.joined(allOf, "AND", func() (*condition, error) { return p.negated(field) })
	})
}

// joined reads what an operator joins. Conditions without one between them must all be met.
func (p *queryParser) joined(kind conditionKind, operator string, read func() (*condition, error)) (*condition, error) {
	out := &condition{kind: kind, at: p.at}
	for {
		c, err := read()
		if err != nil {
			return nil, err
		}
		out.children = append(out.children, c)
		if !p.skip() || p.next(")") {
			break
		}
		name, length := p.operator()
		if name == operator {
			p.at += length
			continue
		}
		if operator == "OR" || name == "OR" {
			break
		}
	}
	if len(out.children) == 1 {
		return out.children[0], nil
	}
	return out, nil
}

// negated reads one condition with what may stand before it: not, ! and - turn it round, + says what holds anyway.
func (p *queryParser) negated(field string) (*condition, error) {
	if !p.skip() {
		return nil, p.wrong(p.at, "a condition is missing here, such as event.code:fp")
	}
	at := p.at
	name, length := p.operator()
	switch {
	case name == "NOT":
		p.at += length
	case name != "":
		return nil, p.wrong(at, "a condition is missing before %q; put the word in quotes to search for it", string(p.text[at:at+length]))
	case p.next("!") || p.next("-"):
		p.at++
	case p.next("+"):
		p.at++
		return p.negated(field)
	default:
		return p.primary(field)
	}
	if p.depth++; p.depth > maxNesting {
		return nil, p.wrong(at, "more than %d levels", maxNesting)
	}
	inner, err := p.negated(field)
	p.depth--
	return &condition{kind: noneOf, children: []*condition{inner}, at: at}, err
}

// primary reads a group or a single condition.
func (p *queryParser) primary(field string) (*condition, error) {
	if p.next("(") {
		return p.grouped(field)
	}
	start := p.at
	if field == "" {
		name, err := p.field()
		if err != nil {
			return nil, err
		}
		if field = name; field != "" && p.next("(") {
			return p.grouped(field)
		}
	}
	value, err := p.value(field)
	if err != nil {
		return nil, err
	}
	if p.count++; p.count > maxConditions {
		return nil, p.wrong(start, "more than %d conditions", maxConditions)
	}
	c := &condition{field: field, lucene: value, at: start}
	if field != "" {
		c.lucene = strings.ReplaceAll(field, "*", `\*`) + ":" + value
	}
	return c, nil
}

func (p *queryParser) grouped(field string) (*condition, error) {
	open := p.at
	p.at++
	if p.depth++; p.depth > maxNesting {
		return nil, p.wrong(open, "more than %d levels of parentheses", maxNesting)
	}
	if p.skip(); p.next(")") {
		return nil, p.wrong(p.at, "there is nothing between the parentheses")
	}
	c, err := p.any(field)
	if err != nil {
		return nil, err
	}
	if p.skip(); !p.next(")") {
		return nil, p.wrong(open, "this ( has no )")
	}
	p.at++
	p.depth--
	return c, nil
}

// field reads the name of a field with its colon, or the comparison that may stand for it, and stops before the value.
// Without one it reads nothing and returns an empty name.
func (p *queryParser) field() (string, error) {
	end := p.at
	for end < len(p.text) && (unicode.IsLetter(p.text[end]) || unicode.IsDigit(p.text[end]) || strings.ContainsRune("@_.-*", p.text[end])) {
		end++
	}
	name, start := string(p.text[p.at:end]), p.at
	if name == "" || isAddress(p.word()) {
		return "", nil
	}
	p.at = end
	more := p.skip()
	switch {
	case more && p.next(":"):
		p.at++
	case more && (p.next("=") || p.next("!=")) && strings.Contains(name, "."):
		return "", p.wrong(p.at, "write a colon between field and value: %s:value, or NOT %s:value", name, name)
	case more && (p.next("<") || p.next(">")):
	default:
		p.at = start
		return "", nil
	}
	if !p.skip() || p.next(")") {
		return "", p.wrong(p.at, "a value for %s is missing here; %s:* finds every event that has the field", name, name)
	}
	if op, length := p.operator(); op != "" {
		return "", p.wrong(p.at, "a value for %s is missing before %q; put the word in quotes to search for it", name, string(p.text[p.at:p.at+length]))
	}
	return name, nil
}

// word is the text up to the next space or parenthesis.
func (p *queryParser) word() string {
	end := p.at
	for end < len(p.text) && !unicode.IsSpace(p.text[end]) && !strings.ContainsRune("()", p.text[end]) {
		end++
	}
	return string(p.text[p.at:end])
}

// isAddress reports whether a word is an IP address or a network: its colons separate no field.
func isAddress(word string) bool {
	_, asAddress := netip.ParseAddr(word)
	_, asNetwork := netip.ParsePrefix(word)
	return asAddress == nil || asNetwork == nil
}
