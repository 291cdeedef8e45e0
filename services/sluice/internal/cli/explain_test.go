package cli_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/auth0test"
)

// explained is what explain prints with --json.
type explained struct {
	Item     int
	Line     int
	LogID    string `json:"log_id"`
	Index    string
	ID       string
	Flags    []string
	Document json.RawMessage
	Fields   []enricher.Origin
	Code     struct {
		Code, Title string
		Published   bool
	}
	Indexed *struct {
		Index, ID   string
		Differences []struct {
			Field        string
			Now, Indexed any
		}
	}
	Dead *struct{ Reason, Detail string } `json:"dead_letter"`
}

// explain runs the command with an input and without a terminal.
func explain(t *testing.T, input string, args ...string) (out, note string, err error) {
	t.Helper()
	t.Setenv("NATS_URL", "")
	var stdout, stderr bytes.Buffer
	cmd := cli.New(strings.NewReader(input), &stdout, &stderr).Command()
	cmd.SetArgs(append([]string{"--state", t.TempDir(), "explain"}, args...))
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

func samples(t *testing.T) []auth0test.Event {
	t.Helper()
	all, err := auth0test.Events()
	if err != nil || len(all) < 300 {
		t.Fatalf("%d samples, %v", len(all), err)
	}
	return all
}

func recorded(all []auth0test.Event) string {
	var body strings.Builder
	for _, e := range all {
		body.Write(e.JSON)
		body.WriteByte('\n')
	}
	return body.String()
}

func TestEverySampleIsExplainedInEveryForm(t *testing.T) {
	all := samples(t)
	body := recorded(all)
	for _, form := range []string{"", "--rules", "--wide", "--wide --rules", "--json", "--document"} {
		out, note, err := explain(t, body, append(strings.Fields(form), "--all")...)
		if err != nil || !strings.Contains(note, fmt.Sprintf("%d events explained\n", len(all))) {
			t.Fatalf("%s: %v, %s", form, err, note)
		}
		if form == "--json" || form == "--document" {
			if lines := strings.Count(out, "\n"); lines != len(all) {
				t.Errorf("%s prints %d lines", form, lines)
			}
			continue
		}
		if n := strings.Count(out, "\nAlso found as:\n"); n != len(all) || strings.Contains(out, "\x1b") {
			t.Errorf("%s: %d of %d explanations are whole", form, n, len(all))
		}
		for line := range strings.Lines(out) {
			if cells := len([]rune(line)); form != "--wide" && form != "--wide --rules" && cells > 121 && !strings.HasPrefix(line, "Code") {
				t.Errorf("a line has %d characters: %s", cells, line)
			}
		}
	}
	out, _, _ := explain(t, body, "--all", "--json")
	for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
		e := decode[explained](t, line)
		if e.Item != i || e.Line != i+1 || e.Code.Code != all[i].Code || !e.Code.Published || e.LogID == "" || len(e.Fields) < 20 || e.ID == "" || !strings.HasPrefix(e.Index, "logs-auth0.logs-default-2") {
			t.Errorf("%s: %+v", all[i].Name, e)
		}
	}
}

func TestAnEventIsExplainedInEveryShapeOfABody(t *testing.T) {
	all := samples(t)[:3]
	var pretty, packed bytes.Buffer
	if err := json.Indent(&pretty, all[1].JSON, "", "  "); err != nil {
		t.Fatal(err)
	}
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write([]byte(recorded(all))); err != nil || zip.Close() != nil {
		t.Fatal(err)
	}
	joined := strings.TrimSuffix(strings.ReplaceAll(recorded(all), "\n", ","), ",")
	var inner struct{ Data json.RawMessage }
	if err := json.Unmarshal(all[1].JSON, &inner); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "events.json")
	if err := os.WriteFile(file, pretty.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, body, args string
	}{
		{"lines", recorded(all), "--item 1"},
		{"an array", "[" + joined + "]", "--item 1"},
		{"an object with logs", `{"logs":[` + joined + "]}", "--item 1"},
		{"compressed", packed.String(), "--item 1"},
		{"pretty", pretty.String(), ""},
		{"one line", string(all[1].JSON), "-"},
		{"an export", string(inner.Data), ""},
		{"a file", "", file},
	} {
		out, note, err := explain(t, c.body, append(strings.Fields(c.args), "--json")...)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if e := decode[explained](t, out); e.Code.Code != all[1].Code || valueOf(e, "event.code") != `"`+all[1].Code+`"` {
			t.Errorf("%s: %+v", c.name, e.Code)
		}
		if several := strings.HasPrefix(c.args, "--item"); several != strings.Contains(note, "event 1 of 3 (numbered from 0)") {
			t.Errorf("%s says %q", c.name, note)
		}
	}
}

// valueOf is the value of a field as JSON.
func valueOf(e explained, field string) string {
	i := slices.IndexFunc(e.Fields, func(o enricher.Origin) bool { return o.Field == field })
	if i < 0 {
		return ""
	}
	return string(e.Fields[i].Value)
}

func TestWhatWouldBeADeadLetterSaysSoAndWhere(t *testing.T) {
	soon := time.Now().Add(48 * time.Hour).UTC().Format(time.RFC3339)
	for _, c := range []struct{ body, reason, text string }{
		{"{\n\"log_id\":\"x\",\n\"data\":{\n\"type\": oops}}", "not_json", "from line 4 on"},
		{"17", "not_json", ""},
		{`[17]`, "not_an_object", "an event is an object"},
		{`{"data":{"type":"s"}}`, "no_log_id", "no log_id"},
		{"{\"log_id\":\"x\xff\",\"data\":{}}", "invalid_utf8", "UTF-8"},
		{`{"log_id":"x","data":{"details":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}}`, "too_deep", "too deep"},
		{`{"log_id":"x","data":{"type":"s","date":"` + soon + `"}}`, "time_in_future", "later than tomorrow"},
		{`{"log_id":"x","data":{"details":{"a":[{"b":1,"b":2}]}}}`, "document_parsing_exception", `"b" stands twice`},
	} {
		out, _, err := explain(t, c.body)
		if !errors.Is(err, cli.ErrSilent) || cli.ExitCode(err) != 1 || !strings.Contains(out, "would become a dead letter, "+c.reason) || !strings.Contains(out, c.text) {
			t.Errorf("%.60s: %v\n%s", c.body, err, out)
		}
		out, _, err = explain(t, c.body, "--json")
		if e := decode[explained](t, out); cli.ExitCode(err) != 1 || e.Dead == nil || e.Dead.Reason != c.reason || len(e.Fields) != 0 {
			t.Errorf("%.60s: %v, %+v", c.body, err, e)
		}
		if out, note, err := explain(t, c.body, "--document"); cli.ExitCode(err) != 1 || out != "" || !strings.Contains(note, c.reason) {
			t.Errorf("%.60s: %v, %q, %q", c.body, err, out, note)
		}
	}
	good := string(samples(t)[0].JSON)
	out, note, err := explain(t, good+"\n{}\n"+good, "--all")
	if cli.ExitCode(err) != 1 || strings.Count(out, "Also found as") != 2 || !strings.Contains(out, "(item 1, line 2)") || !strings.Contains(note, "3 events explained, 1 of them") {
		t.Errorf("%v\n%s\n%s", err, out, note)
	}
}

func TestWhatIsUnknownIsSaid(t *testing.T) {
	bare := `{"log_id":"x","data":{"type":"zz_new","date":"1999-01-01T00:00:00Z","details":{"k":"v"}}}`
	out, _, err := explain(t, bare)
	for _, want := range []string{"zz_new: Auth0 has not published this code", "action unknown-zz_new", "logs-auth0.logs-default-undated", "depends on the endpoint", "unknown_code", "(on arrival)"} {
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%v: no %q in\n%s", err, want, out)
		}
	}
	out, _, _ = explain(t, bare, "--json", "--endpoint", "k3m9", "--namespace", "prod")
	if e := decode[explained](t, out); e.Code.Published || e.ID != auth0.DocumentID("k3m9", "x") || valueOf(e, "sluice.endpoint") != `"k3m9"` || e.Index != "logs-auth0.logs-prod-undated" || !slices.Contains(e.Flags, "unknown_code") {
		t.Errorf("%+v", e)
	}
	if out, _, _ := explain(t, `{"log_id":"x","data":{}}`); !strings.Contains(out, "none: the event has no data.type") {
		t.Errorf("an event without a code:\n%s", out)
	}
}

func TestHostileEventsAreExplainedHarmlessly(t *testing.T) {
	hostile := "\x1b[31mred\x1b]0;title\x07\r\nsecond line\t\u202eevil\u2066\u009b2J\u200b\U000e0041 \u0000end<&>"
	raw, err := json.Marshal(map[string]any{"log_id": hostile, "data": map[string]any{
		"type": hostile, "date": noon, "description": hostile, "tenant_name": hostile, "ip": hostile, "user_name": hostile, hostile: hostile,
		"client_name": strings.Repeat("日本", 200), "details": map[string]any{hostile: map[string]any{hostile: []any{hostile, 1.5}}, "": ""},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{string(raw), "{\"log_id\":\"\x1b[31m\" \x1b[2J}", `{"log_id":"` + "x\xff\u202e" + `"}`} {
		for _, form := range []string{"", "--rules", "--wide", "--json", "--document"} {
			out, note, err := explain(t, body, strings.Fields(form)...)
			if cli.ExitCode(err) == 2 {
				t.Fatal(err)
			}
			if i := strings.IndexFunc(out+note, func(r rune) bool {
				return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u202e\u2066\u200b\u2028\U000e0041", r)
			}); i >= 0 {
				t.Errorf("%s prints %q", form, (out + note)[i:min(len(out+note), i+10)])
			}
		}
	}
	out, _, _ := explain(t, string(raw), "--json")
	if e := decode[explained](t, out); e.LogID != hostile || decode[string](t, valueOf(e, "message")) != hostile {
		t.Errorf("the values came back as %q", e.LogID)
	}
	if out, _, _ := explain(t, string(raw)); strings.Contains(out, strings.Repeat("日本", 100)) || !strings.Contains(out, "…") {
		t.Error("a long value is not cut")
	}
	if out, _, _ := explain(t, string(raw), "--wide"); !strings.Contains(out, strings.Repeat("日本", 200)) {
		t.Error("--wide cuts a value")
	}
}

func TestACommandLineThatMeansNothingIsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"a b": "one file", "a --log-id x": "not both", "--log-id=": "is empty", "--event": "needs --log-id", "--log-id x --all": "from a FILE", "--all --item 1": "one of --all",
		"--item -1": "number 0", "--item 3": "holds 1 event", "--namespace A": "namespace", "--endpoint A": "endpoint id", "/nowhere/at/all": "nowhere", "--log-id x --document --event": "one of",
		"--nope": "unknown flag",
	} {
		if _, _, err := explain(t, string(samples(t)[0].JSON), strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) || cli.ExitCode(err) != 2 {
			t.Errorf("%s: %v", args, err)
		}
	}
	for _, empty := range []string{"", " \n", "[]"} {
		if _, _, err := explain(t, empty); err == nil || !strings.Contains(err.Error(), "no event in it") {
			t.Errorf("%q: %v", empty, err)
		}
	}
	t.Setenv("ENRICHER_GEOIP", filepath.Join(t.TempDir(), "none.mmdb"))
	if _, _, err := explain(t, "{}"); err == nil || !strings.Contains(err.Error(), "ENRICHER_GEOIP") || cli.ExitCode(err) != 2 {
		t.Errorf("a database that is not there: %v", err)
	}
}
