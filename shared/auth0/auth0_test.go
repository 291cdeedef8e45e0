package auth0_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/shared/auth0"
)

func event(i int) string {
	return fmt.Sprintf(`{"log_id":"id%d","data":{"type":"s","date":"2026-11-23T10:00:00.123Z","details":{"a":[1,{"x":"}],{"}]},"log_id":"id%d"}}`, i, i)
}

func events(n int) []string {
	var all []string
	for i := range n {
		all = append(all, event(i))
	}
	return all
}

// collect splits and parses: the ids of good elements and, for broken ones, line and text.
func collect(body string) (ids, broken []string) {
	var e auth0.Event
	for el := range auth0.Split([]byte(body)) {
		err := el.Broken
		if err == nil {
			err = auth0.Parse(el.Raw, &e)
		}
		if err != nil {
			broken = append(broken, fmt.Sprintf("%d:%s", el.Line, el.Raw))
			continue
		}
		ids = append(ids, e.LogID)
	}
	return ids, broken
}

func TestAllShapesGiveTheSameEvents(t *testing.T) {
	all := events(4)
	want := []string{"id0", "id1", "id2", "id3"}
	pretty := func(s string) string {
		var out bytes.Buffer
		if err := json.Indent(&out, []byte(s), "", "  "); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	array := "[" + strings.Join(all, ",") + "]"
	for name, body := range map[string]string{
		"lines":                   strings.Join(all, "\n"),
		"lines with final":        strings.Join(all, "\n") + "\n",
		"lines CRLF":              strings.Join(all, "\r\n") + "\r\n",
		"blank lines":             "\n\n" + strings.Join(all, "\n\n  \n") + "\n\n",
		"byte order mark":         "\xef\xbb\xbf" + strings.Join(all, "\n"),
		"array":                   array,
		"pretty array":            pretty(array),
		"object":                  `{"logs":` + array + `}`,
		"pretty object":           pretty(`{"logs":` + array + `}`),
		"object with more":        `{"count":4,"logs":` + array + `,"next":{"a":1}}`,
		"values over lines":       pretty(all[0]) + "\n" + pretty(all[1]) + "\n" + pretty(all[2]) + pretty(all[3]),
		"values on one line":      strings.Join(all, " "),
		"an array on each line":   "[" + all[0] + "," + all[1] + "]\n[" + all[2] + "," + all[3] + "]",
		"a wrapper on each line":  `{"logs":[` + all[0] + "," + all[1] + "]}\n" + `{"logs":[` + all[2] + "," + all[3] + "]}",
		"BOM and array and space": "\xef\xbb\xbf \r\n" + array + " \n",
	} {
		ids, broken := collect(body)
		if diff := cmp.Diff(want, ids); diff != "" || broken != nil {
			t.Errorf("%s: %s broken: %q", name, diff, broken)
		}
	}
	if ids, broken := collect(pretty(all[0])); len(ids) != 1 || broken != nil {
		t.Errorf("single event: %v %v", ids, broken)
	}
	for _, empty := range []string{"", " \r\n\t", "\xef\xbb\xbf", "[]", "[ ]", `{"logs":[]}`} {
		if ids, broken := collect(empty); ids != nil || broken != nil {
			t.Errorf("%q: %v %v", empty, ids, broken)
		}
	}
}

func TestABrokenElementCostsOnlyItself(t *testing.T) {
	for _, bad := range []string{
		`{"log_id":"bad","data":{"type":"s"`, `{"log_id":"bad","data":{"type":"s}}`, `{"log_id":bad}`, `{"log_id":"bad",}`,
		`nonsense`, `{"log_id":"bad","data":{}}}`, `{"log_id" "bad"}`, `{]`, `"text"`, `17`, `{"data":{"type":"s"}}`, `{"log_id":NaN}`,
		"{\"log_id\":\"b\xffd\"}", `{"log_id":null}`, strings.Repeat(`[`, 5000),
	} {
		lines := []string{event(0), event(1), bad, event(3), event(4)}
		for name, body := range map[string]string{
			"lines":  strings.Join(lines, "\n"),
			"array":  "[" + strings.Join(lines, ",\n") + "]",
			"object": `{"logs":[` + strings.Join(lines, ",\n") + "]}",
		} {
			ids, broken := collect(body)
			if diff := cmp.Diff([]string{"id0", "id1", "id3", "id4"}, ids); diff != "" {
				t.Errorf("%s with %.60q: %s", name, bad, diff)
			}
			if len(broken) == 0 || !strings.HasPrefix(broken[0], "3:") {
				t.Errorf("%s with %.60q: broken %.200q", name, bad, broken)
			}
		}
	}
}

func TestABrokenFirstLineCostsOnlyItself(t *testing.T) {
	for _, bad := range []string{"not json", `{"log_id":"bad`, "]", "}{"} {
		ids, broken := collect(bad + "\n" + strings.Join(events(3), "\n"))
		if diff := cmp.Diff([]string{"id0", "id1", "id2"}, ids); diff != "" || len(broken) != 1 || !strings.HasPrefix(broken[0], "1:") {
			t.Errorf("%q: %s broken %.200q", bad, diff, broken)
		}
	}
}

func TestABrokenEventOverManyLinesIsOneElement(t *testing.T) {
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(event(1)), "", "  "); err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(pretty.String(), `"type": "s"`, `"type": s`, 1)
	for _, body := range []string{broken, pretty.String()[:pretty.Len()-1]} {
		if ids, parts := collect(body); len(ids) != 0 || len(parts) != 1 {
			t.Errorf("%q gives %q", ids, parts)
		}
	}
	if ids, parts := collect(pretty.String() + "\n" + broken); len(ids) != 1 || len(parts) != 1 {
		t.Errorf("behind a good one: %q, %q", ids, parts)
	}
}

func TestABodyThatIsNoJSONIsOneElement(t *testing.T) {
	for _, body := range []string{"hello\nworld\n", "<html>\n</html>", "\x00\x01\n\x02", `"text"`, "null"} {
		ids, broken := collect(body)
		if len(ids) != 0 || len(broken) != 1 {
			t.Errorf("%q: %v %v", body, ids, broken)
		}
	}
}

func TestWhyAnElementIsNoEvent(t *testing.T) {
	for raw, want := range map[string]error{
		`{"log_id":"a"`: auth0.ErrNotJSON, `[1]`: auth0.ErrNotObject, `{"data":{}}`: auth0.ErrNoLogID, `{"log_id":""}`: auth0.ErrNoLogID,
		"{\"log_id\":\"a\xff\"}": auth0.ErrInvalidUTF8, `{"log_id":"a","data":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 201): auth0.ErrTooDeep,
		`{"log_id":"a","n":01}`: auth0.ErrNotJSON, `{"log_id":"a","n":1.}`: auth0.ErrNotJSON, `{"log_id":"a","n":"\x"}`: auth0.ErrNotJSON, "": auth0.ErrNotJSON,
	} {
		if err := auth0.Parse([]byte(raw), &auth0.Event{}); !errors.Is(err, want) {
			t.Errorf("%.60s: got %v, want %v", raw, err, want)
		}
	}
}

func TestEventsComeApart(t *testing.T) {
	var e auth0.Event
	if err := auth0.Parse([]byte(`{"log_id":"a\u0062","extra":1,"data":{"type":"s","user_name":"J\u00f6rg","date":"2026-11-23T10:00:00.123Z"}}`), &e); err != nil {
		t.Fatal(err)
	}
	at, ok := e.Time()
	if e.LogID != "ab" || e.Text("type") != "s" || e.Text("user_name") != "Jörg" || !ok || at.UnixMilli() != 1795428000123 || e.Flat {
		t.Fatalf("%+v %v", e, at.UnixMilli())
	}
	if err := auth0.Parse([]byte(`{"_id":"900","type":"f","date":"2026-11-23T10:00:00Z"}`), &e); err != nil || e.LogID != "900" || !e.Flat || e.Text("type") != "f" {
		t.Fatalf("flat: %+v %v", e, err)
	}
}

func TestTheLogIDCarriesItsTime(t *testing.T) {
	id := "900" + "20261123101112" + strings.Repeat("7", 39)
	at, ok := auth0.LogIDTime(id)
	if !ok || !at.Equal(time.Date(2026, 11, 23, 10, 11, 12, 0, time.UTC)) {
		t.Fatalf("%v %v", at, ok)
	}
	for _, other := range []string{"", id[1:], id + "1", "900" + "20261323101112" + id[17:], "x" + id[1:]} {
		if _, ok := auth0.LogIDTime(other); ok {
			t.Errorf("%s has a time", other)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte(strings.Join(events(3), "\n")))
	f.Add([]byte("[" + strings.Join(events(3), ",") + "]"))
	f.Add([]byte(`{"logs":[` + event(1) + `,{"x":"` + event(2) + `]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var e auth0.Event
		next := 0
		for el := range auth0.Split(body) {
			if el.Index != next || el.Line < 1 || len(el.Raw) == 0 {
				t.Fatalf("element %d: %+v", next, el)
			}
			next++
			if err := auth0.Parse(el.Raw, &e); err == nil && !json.Valid(el.Raw) {
				t.Fatalf("%q was taken for JSON", el.Raw)
			} else if err == nil {
				checkDetails(t, &e)
			}
		}
	})
}

func BenchmarkSplitAndParse(b *testing.B) {
	body := []byte(strings.Join(events(100), "\n"))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var e auth0.Event
	for b.Loop() {
		for el := range auth0.Split(body) {
			if err := auth0.Parse(el.Raw, &e); err != nil {
				b.Fatal(err)
			}
		}
	}
}
