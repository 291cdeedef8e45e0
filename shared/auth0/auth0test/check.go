package auth0test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Check says what in an event, {"log_id": …, "data": {…}}, contradicts what Auth0 publishes for its code: required
// members that are missing, members of another type, and values outside a closed list or format. Empty means fine. Known is
// false when Auth0 publishes no schema for the code; there is then nothing to contradict.
func Check(event []byte) (problems []string, known bool) {
	w, known, err := check(event)
	if err != nil {
		return []string{err.Error()}, false
	}
	slices.Sort(w.problems)
	return w.problems, known
}

// Unknown lists the members of an event that the schema of its code does not name, as paths from data. They break no
// rule: Auth0's schemas are open, and where one names no members at all, every member is known.
func Unknown(event []byte) []string {
	w, _, err := check(event)
	if err != nil {
		return nil
	}
	slices.Sort(w.unknown)
	return w.unknown
}

func check(event []byte) (w walk, known bool, err error) {
	s, err := published()
	if err != nil {
		return w, false, err
	}
	var e struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return w, false, fmt.Errorf("the event is no JSON object with an object data: %w", err)
	}
	code, _ := e.Data["type"].(string)
	if s.codes[code] == nil {
		return w, false, nil
	}
	w.object("", e.Data, s.codes[code])
	return w, true, nil
}

// walk goes through an event and gathers what it finds.
type walk struct {
	problems []string
	unknown  []string
}

func (w *walk) problem(at, format string, args ...any) {
	w.problems = append(w.problems, at+": "+fmt.Sprintf(format, args...))
}

// value looks at the value at a place; n is what is known about that place.
func (w *walk) value(at string, value any, n *node) {
	if !slices.Contains(n.path.Types, "any") && !slices.Contains(n.path.Types, typeOf(value)) {
		w.problem(at, "is of type %s, published is %s", typeOf(value), strings.Join(n.path.Types, "|"))
		return
	}
	switch value := value.(type) {
	case map[string]any:
		w.object(at, value, n)
	case []any:
		for i, element := range value {
			if n.each != nil {
				w.value(fmt.Sprintf("%s[%d]", at, i), element, n.each)
			}
		}
	case string:
		w.text(at, value, n.path)
	}
}

func (w *walk) object(at string, object map[string]any, n *node) {
	for name, member := range n.members {
		if _, there := object[name]; !there && member.path.Required {
			w.problem(join(at, name), "is missing and required")
		}
	}
	for name, value := range object {
		switch member := n.members[name]; {
		case member != nil:
			w.value(join(at, name), value, member)
		case n.others != nil:
			w.value(join(at, name), value, n.others)
		case n.members != nil:
			w.unknown = append(w.unknown, join(at, name))
		}
	}
}

// text checks a string against a closed list or a format.
func (w *walk) text(at, value string, p *Path) {
	if len(p.Values) > 0 && !slices.Contains(p.Values, value) {
		w.problem(at, "is %q, published are %q", value, p.Values)
	}
	var err error
	switch {
	case p.Format == "ip":
		_, err = netip.ParseAddr(value)
	case p.Format == "date-time":
		_, err = time.Parse(time.RFC3339, value)
	case p.Format != "":
		var matched bool
		if matched, err = regexp.MatchString(strings.Trim(p.Format, "/"), value); err == nil && !matched {
			err = fmt.Errorf("it does not match %s", p.Format)
		}
	}
	if err != nil {
		w.problem(at, "is %q: %v", value, err)
	}
}

// typeOf names the JSON type of a decoded value.
func typeOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	default:
		return "object"
	}
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
