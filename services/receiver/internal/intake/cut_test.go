package intake_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/auth0"
)

// checkParts fails unless every element of body lies in exactly one part, at its number and as it came.
func checkParts(t *testing.T, body []byte, size int, parts []intake.Part) {
	t.Helper()
	var elements []auth0.Element
	for e := range auth0.Split(body) {
		elements = append(elements, e)
	}
	next := 0
	for i := 0; i < len(parts); i++ {
		p := parts[i]
		if len(p.Body) > size {
			t.Fatalf("part %d has %d bytes, allowed are %d", i, len(p.Body), size)
		}
		if len(elements) == 0 && len(p.Body) == 0 && len(parts) == 1 {
			return
		}
		if p.First != next {
			t.Fatalf("part %d begins at element %d, expected %d", i, p.First, next)
		}
		if p.Fragment == "" {
			for e := range auth0.Split(p.Body) {
				if e.Broken != nil || !bytes.Equal(e.Raw, elements[next].Raw) {
					t.Fatalf("element %d is %q (%v) in its part, %q in the body", next, e.Raw, e.Broken, elements[next].Raw)
				}
				next++
			}
			continue
		}
		whole := p.Body
		for i+1 < len(parts) && parts[i+1].First == p.First {
			i++
			whole = append(bytes.Clone(whole), parts[i].Body...)
		}
		switch e := elements[next]; {
		case bytes.Equal(whole, e.Raw):
			next++
		case bytes.Equal(whole, body[e.At:]): // too much is broken: the rest stays together
			next = len(elements)
		default:
			t.Fatalf("element %d is %q in fragments, %q in the body", next, whole, e.Raw)
		}
	}
	if next != len(elements) {
		t.Fatalf("the parts hold %d of %d elements", next, len(elements))
	}
}

func TestEveryShapeIsCutBetweenEvents(t *testing.T) {
	var events []string
	for i := range 100 {
		events = append(events, fmt.Sprintf(`{"log_id":"%d","data":{"description":"a, b] and } \" %d"}}`, i, i))
	}
	lines, array := strings.Join(events, "\r\n"), "[ "+strings.Join(events, ",\n ")+" ]\n"
	for name, body := range map[string]string{
		"lines": lines, "array": array, "object": `{"logs": ` + array + `}`, "byte order mark": "\ufeff" + lines, "one event": events[0],
		"spread lines": strings.ReplaceAll(lines, `,"data"`, ",\n\"data\""),
	} {
		t.Run(name, func(t *testing.T) {
			parts := intake.Cut([]byte(body), 600)
			checkParts(t, []byte(body), 600, parts)
			for _, p := range parts {
				if p.Fragment != "" {
					t.Errorf("event %d became a fragment: %s", p.First, p.Fragment)
				}
			}
			if len(parts) > 1+len(body)/300 {
				t.Errorf("%d bytes became %d parts of 600", len(body), len(parts))
			}
		})
	}
}

func TestABrokenElementStandsAlone(t *testing.T) {
	good := `{"log_id":"1","data":{"user_agent":"{[\"}"}}`
	for name, bad := range map[string]string{
		"no value": "rubbish", "open object": `{"log_id":"2","data":{`, "open string": `{"log_id":"2`, "wrong bracket": `{"log_id":"2"]}`,
		"no JSON": `{"log_id":2,}`, "larger than a part": `{"log_id":"` + strings.Repeat("x", 500) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(strings.Join([]string{good, good, bad, good, good}, "\n"))
			parts := intake.Cut(body, 200)
			checkParts(t, body, 200, parts)
			for _, p := range parts {
				if broken := p.First == 2; broken != (p.Fragment != "") {
					t.Errorf("the part with element %d is a fragment because of %q: %q", p.First, p.Fragment, p.Body)
				}
			}
		})
	}
}

func TestABodyOfRubbishStaysBounded(t *testing.T) {
	body := bytes.Repeat([]byte("{}\nx\n"), 100_000)
	parts := intake.Cut(body, 64<<10)
	checkParts(t, body, 64<<10, parts)
	if len(parts) > 2100 {
		t.Errorf("%d bytes became %d parts", len(body), len(parts))
	}
}

func TestABodyOfWhiteSpaceIsOneEmptyPart(t *testing.T) {
	if parts := intake.Cut([]byte(" \r\n\n"), 100); len(parts) != 1 || len(parts[0].Body) != 0 || parts[0].Fragment != "" {
		t.Errorf("got %+v", parts)
	}
}

func FuzzCut(f *testing.F) {
	f.Add([]byte(`[{"log_id":"1"},{"log_id":"2"},{"x":]},{"log_id":"3"}]`), uint8(20))
	f.Add([]byte("{\"log_id\":\"1\"}\nx\n{\"log_id\":\"2\n{\"logs\":[1,[2]]}\n"), uint8(0))
	f.Add([]byte(`{"logs":[{"_id":"1"},[[]],"a",1,]}{"a":1}`), uint8(3))
	f.Fuzz(func(t *testing.T, body []byte, extra uint8) {
		size := 16 + int(extra)
		checkParts(t, body, size, intake.Cut(body, size))
	})
}
