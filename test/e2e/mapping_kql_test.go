package e2e_test

import (
	"fmt"
	"strings"
	"testing"
)

// kql turns what an analyst types into Kibana's search bar into what Kibana sends. It knows the part of KQL that Lucene's
// query language shares: field:value, field:"a phrase", field:(a OR b), field:*, wildcards, AND, OR, NOT and brackets.
func kql(t *testing.T, text string) object {
	t.Helper()
	p := &kqlParser{rest: text}
	query, err := p.either("")
	if err == nil && strings.TrimSpace(p.rest) != "" {
		err = fmt.Errorf("what does %q mean?", p.rest)
	}
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return query
}

type kqlParser struct{ rest string }

// word takes a fixed word or sign, if it comes next.
func (p *kqlParser) word(word string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " "), word)
	if ok {
		p.rest = rest
	}
	return ok
}

// either reads alternatives; inside `field:( … )` the field is given and only values follow.
func (p *kqlParser) either(field string) (object, error) {
	return p.joined(field, "OR ", p.both, func(all []any) object { return object{"should": all, "minimum_should_match": 1} })
}

func (p *kqlParser) both(field string) (object, error) {
	return p.joined(field, "AND ", p.one, func(all []any) object { return object{"filter": all} })
}

func (p *kqlParser) joined(field, word string, read func(string) (object, error), join func([]any) object) (object, error) {
	first, err := read(field)
	if err != nil {
		return nil, err
	}
	all := []any{first}
	for p.word(word) {
		next, err := read(field)
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	if len(all) == 1 {
		return first, nil
	}
	return object{"bool": join(all)}, nil
}

func (p *kqlParser) one(field string) (object, error) {
	if p.word("NOT ") {
		inner, err := p.one(field)
		return object{"bool": object{"must_not": inner}}, err
	}
	if p.word("(") {
		inner, err := p.either(field)
		if err == nil && !p.word(")") {
			err = fmt.Errorf("a bracket is open before %q", p.rest)
		}
		return inner, err
	}
	if field != "" {
		return p.value(field)
	}
	name, rest, ok := strings.Cut(strings.TrimLeft(p.rest, " "), ":")
	if !ok || strings.ContainsAny(name, ` "()`) {
		return nil, fmt.Errorf("no field before %q", p.rest)
	}
	if p.rest = rest; strings.HasPrefix(rest, "(") {
		return p.one(name)
	}
	return p.value(name)
}

// value reads what a field is compared with.
func (p *kqlParser) value(field string) (object, error) {
	p.rest = strings.TrimLeft(p.rest, " ")
	if quoted, ok := strings.CutPrefix(p.rest, `"`); ok {
		var text strings.Builder
		for i := 0; i < len(quoted); i++ {
			switch quoted[i] {
			case '"':
				p.rest = quoted[i+1:]
				return object{"match_phrase": object{field: text.String()}}, nil
			case '\\':
				i++
			}
			text.WriteByte(quoted[min(i, len(quoted)-1)])
		}
		return nil, fmt.Errorf("%q has no end", p.rest)
	}
	end := strings.IndexAny(p.rest+" ", " )")
	text := p.rest[:end]
	p.rest = p.rest[end:]
	switch {
	case text == "":
		return nil, fmt.Errorf("%s has no value", field)
	case text == "*":
		return object{"exists": object{"field": field}}, nil
	case strings.Contains(text, "*"):
		return object{"query_string": object{"fields": []string{field}, "query": text}}, nil
	}
	return object{"match": object{field: text}}, nil
}
