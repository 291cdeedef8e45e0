package cli

import (
	"strings"
	"unicode"
)

// value reads one value and returns it in Lucene's syntax.
func (p *queryParser) value(field string) (string, error) {
	switch c := p.text[p.at]; {
	case isAddress(p.word()):
		return p.plain()
	case c == '"':
		return p.phrase()
	case c == '/':
		return p.enclosed('/', "this / begins a regular expression that has no second /; put a value with slashes in quotes")
	case c == '{' && field != "" && !p.isRange():
		return "", p.wrong(p.at, "nested conditions in { } are not needed: write the whole name of each field, such as user.email")
	case c == '[' || c == '{':
		if field == "" {
			return "", p.wrong(p.at, "a range needs a field before it, such as event.severity:[1 TO 3]")
		}
		return p.span()
	case c == '<' || c == '>':
		if field == "" {
			return "", p.wrong(p.at, "a comparison needs a field before it, such as event.severity >= 3")
		}
		return p.comparison()
	case c == ':' || c == ')':
		return "", p.wrong(p.at, "there is a %c too much; put it in quotes to search for it", c)
	}
	return p.plain()
}

// phrase reads text in quotes, with the distance that may follow it.
func (p *queryParser) phrase() (string, error) {
	text, err := p.enclosed('"', `this " has no second one; \" is a quote inside of quotes`)
	if err != nil {
		return "", err
	}
	start := p.at
	if p.next("~") {
		for p.at++; !p.end() && unicode.IsDigit(p.text[p.at]); {
			p.at++
		}
	}
	return text + string(p.text[start:p.at]), nil
}

// enclosed reads from one mark to the next that has no backslash before it.
func (p *queryParser) enclosed(mark rune, unclosed string) (string, error) {
	start := p.at
	for p.at++; !p.end(); p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case mark:
			p.at++
			return string(p.text[start:p.at]), nil
		}
	}
	return "", p.wrong(start, "%s", unclosed)
}

// isRange tells {1 TO 3} from Kibana's nested conditions.
func (p *queryParser) isRange() bool {
	rest := string(p.text[p.at:])
	end := strings.IndexAny(rest, "]}")
	return end > 0 && strings.Contains(rest[:end], " TO ")
}

// span reads a range such as [1 TO 3} and leaves its content to Elasticsearch.
func (p *queryParser) span() (string, error) {
	start := p.at
	for ; !p.end(); p.at++ {
		if c := p.text[p.at]; c == ']' || c == '}' {
			p.at++
			if text := string(p.text[start:p.at]); strings.Contains(text, " TO ") {
				return text, nil
			}
			break
		}
	}
	return "", p.wrong(start, "a range is written [1 TO 3], or {1 TO 3} without its ends; * stands for no end")
}

// comparison reads < <= > or >= and its value, and returns the range that it means.
func (p *queryParser) comparison() (string, error) {
	less, equal := p.next("<"), false
	if p.at++; p.next("=") {
		equal = true
		p.at++
	}
	if !p.skip() || strings.ContainsRune("()<>:", p.text[p.at]) {
		return "", p.wrong(p.at, "a value to compare with is missing here")
	}
	read := p.plain
	if p.next(`"`) {
		read = p.phrase
	}
	text, err := read()
	switch {
	case less && equal:
		return "[* TO " + text + "]", err
	case less:
		return "[* TO " + text + "}", err
	case equal:
		return "[" + text + " TO *]", err
	}
	return "{" + text + " TO *]", err
}

// plain reads a word. What means something to Lucene inside of it and cannot be meant here is escaped, so that addresses,
// times, networks and paths need no quotes; * ? and ~ stay what they are.
func (p *queryParser) plain() (string, error) {
	var out strings.Builder
	start := p.at
	for ; !p.end(); p.at++ {
		c := p.text[p.at]
		if unicode.IsSpace(c) || strings.ContainsRune(`()"`, c) {
			break
		}
		if c == '\\' {
			if p.at+1 >= len(p.text) {
				return "", p.wrong(p.at, `a \ at the end stands for nothing; write \\ for a backslash`)
			}
			p.at++
			out.WriteRune(c)
			c = p.text[p.at]
		} else if strings.ContainsRune(`:/!^[]{}&|=<>`, c) || p.at == start && strings.ContainsRune("+-", c) {
			out.WriteByte('\\')
		}
		out.WriteRune(c)
	}
	// An escaped < or > is one that Elasticsearch still takes for a comparison, or refuses.
	if p.at == start || strings.HasPrefix(out.String(), `\<`) || strings.HasPrefix(out.String(), `\>`) {
		return "", p.wrong(start, "this cannot be searched for without quotes")
	}
	return out.String(), nil
}
