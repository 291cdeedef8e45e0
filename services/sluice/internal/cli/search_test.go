package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
)

const noon = "2026-11-23T12:00:00.000Z"

// TestSearchPagesThroughEverythingOnce has most events at one moment, over two shards, and some without what orders them.
func TestSearchPagesThroughEverythingOnce(t *testing.T) {
	a := newArchive(t)
	const total = 25_000
	var some []string
	for i := range total {
		at := noon
		if i%1000 == 0 {
			at = time.Date(2026, 11, 23, 11, 0, i/1000, 0, time.UTC).Format(time.RFC3339Nano)
		}
		id := fmt.Sprintf("%06d", i)
		doc := fmt.Sprintf(`"@timestamp":%q,"event":{"id":%q},"sluice":{"delivery":"D","item":%d}`, at, id, i)
		if i%5000 == 7 { // an id that is not indexed, because it is too long
			doc = fmt.Sprintf(`"@timestamp":%q,"event":{"id":%q},"sluice":{"delivery":"D","item":%d}`, at, strings.Repeat("x", 1100)+id, i)
		}
		if some = append(some, doc); len(some) == 5000 {
			a.store(some...)
			some = nil
		}
	}
	for _, args := range [][]string{{"--limit", "0"}, {"--limit", "0", "--sort=-time"}, {"--limit", "25001"}} {
		all := a.found(args...)
		slices.Sort(all)
		if len(all) != total || len(slices.Compact(all)) != total {
			t.Fatalf("%v prints %d events", args, len(all))
		}
	}
	whole, part := a.found("--limit", "0"), a.found("--limit", "12345")
	if !slices.Equal(whole[total-12345:], part) {
		t.Error("a limit above one page does not print the newest in the order of all")
	}
	newestFirst := a.found("--limit", "0", "--sort=-time")
	if slices.Reverse(newestFirst); !slices.Equal(whole, newestFirst) {
		t.Error("the other order is not the reverse")
	}
	if out, note, err := a.search("--limit", "3"); err != nil || strings.Count(out, "\n") != 4 || !strings.Contains(note, "3 of 25,000 events") {
		t.Errorf("%v\n%s\n%s", err, out, note)
	}
}

func TestQueriesOfBothLanguagesFindWhatTheyMean(t *testing.T) {
	a := newArchive(t)
	doc := func(id, code, ip, email, message string, severity int) string {
		return fmt.Sprintf(`"@timestamp":%q,"event":{"id":%q,"code":%q,"severity":%d},"source":{"ip":%q},"user":{"email":%q,"id":"auth0|%s"},"message":%q,"sluice":{"delivery":"D","item":%d}`,
			"2026-11-23T12:00:0"+id+"Z", id, code, severity, ip, email, id, message, severity)
	}
	a.store(
		doc("1", "fp", "198.51.100.7", "jo@example.com", "Wrong email or password", 1), doc("2", "s", "198.51.100.8", "jo@example.com", "Successful login", 2),
		doc("3", "fp", "2001:db8::1", "al@example.org", "Wrong email or password", 3), doc("4", "sapi", "203.0.113.9", "an other@example.net", "say \"and\"", 4),
	)
	for query, want := range map[string]string{
		"": "1 2 3 4", "*": "1 2 3 4", "event.code:fp": "1 3", `event.code : "fp"`: "1 3", "event.code: (s or sapi)": "2 4", "event.code:(NOT fp)": "2 4",
		"event.code:s or event.code:fp and user.email:jo@example.com": "1 2", "event.code:fp && !user.email:jo*": "3", "-event.code:fp": "2 4",
		"event.code:sapi or not event.code:fp": "2 4", "NOT (event.code:fp OR event.code:s)": "4", "source.ip:198.51.100.0/24": "1 2", `source.ip:"198.51.100.0/24"`: "1 2",
		"source.ip:2001:db8::1": "3", "2001:db8::/32": "3", "event.severity >= 3": "3 4", "event.severity:>3": "4", "event.severity < 2": "1", "event.severity:[2 TO 3}": "2",
		"@timestamp > 2026-11-23T12:00:03Z": "4", `@timestamp <= "2026-11-23T12:00:01Z"`: "1", "user.id:auth0|2": "2", "user.*:auth0|2": "2", "jo@example.com": "1 2",
		`message:"wrong email" AND event.severity:1`: "1", "wrong password": "1 3", `user.email:"an other@example.net"`: "4", "_exists_:user.email": "1 2 3 4", "not user.email:*": "",
		`"and"`: "4", "event.code:/s.*/": "2 4", "event.code:nothing": "", "user.email:jo* event.code:fp": "1", "+event.code:fp -user.email:jo*": "3",
	} {
		if got := strings.Join(a.found("--", query), " "); got != want {
			t.Errorf("%s finds %q, not %q", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"(event.code:fp": "character 1: this (", "event.code:fp)": "character 14: there is a )", `user.email:"jo`: "character 12: this \"", "event.code:fp and": "character 18",
		"event.code: and x": "character 13: a value for event.code", "event.code=fp": "write a colon", "or x": "character 1", "()": "nothing between", "event.severity:[1": "a range is written",
		"> 3": "needs a field", "a:b and source.ip:banana": "character 9: Elasticsearch does not take this condition", "event.severity:many": "Elasticsearch does not take",
		"event.code:{ a:b }": "nested conditions", "event.code:fp~0.x": "fuzziness", strings.Repeat("(", 5000) + "x": "levels of parentheses", strings.Repeat("not ", 5000) + "x": "levels",
	} {
		_, _, err := a.search("--", query)
		if err == nil || !strings.Contains(err.Error(), want) || cli.ExitCode(err) != 2 {
			t.Errorf("%.40s: %v", query, err)
		}
	}
	if _, note, err := a.search("user.mail:jo"); !strings.Contains(note, "no field user.mail") || !strings.Contains(note, "user.email") || cli.ExitCode(err) != 1 {
		t.Errorf("%v, %s", err, note)
	}
}

func TestWhatComesFromOutsideDoesNotReachTheTerminal(t *testing.T) {
	a := newArchive(t)
	hostile := "\x1b[31mred\x1b]0;title\x07\r\nsecond line\t\u202eevil\u2066\u009b2J\u200b\U000e0041 \u0000end" + strings.Repeat("e\u0301\u0301\u0301\u0301\u0301\u0301", 2)
	raw, err := json.Marshal(map[string]any{
		"@timestamp": noon, "message": hostile, "event": map[string]any{"id": "h\x1b", "code": hostile, "outcome": "failure"},
		"user": map[string]any{"email": []string{"a@b.c", "日本語@例え.jp"}}, "auth0": map[string]any{"logs": map[string]any{"data": map[string]any{"client_name": "x\u2028y"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.store(strings.TrimSuffix(strings.TrimPrefix(string(raw), "{"), "}"))
	for _, args := range [][]string{{}, {"--columns", "message,user.email,\x1b[2J"}, {"--by", "code"}, {"--json"}, {"--output", "json"}} {
		out, _, err := a.search(args...)
		if err != nil {
			t.Fatal(err)
		}
		if i := strings.IndexFunc(out, func(r rune) bool {
			return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u202e\u2066\u200b\u2028\U000e0041", r)
		}); i >= 0 {
			t.Errorf("%v prints %q", args, out[i:min(len(out), i+10)])
		}
		if lines := strings.Count(out, "\n"); len(args) < 2 && lines > 2 {
			t.Errorf("%v prints %d lines:\n%s", args, lines, out)
		}
	}
	out, _, _ := a.search("--json")
	var back struct{ Message string }
	if err := json.Unmarshal([]byte(out), &back); err != nil || back.Message != hostile {
		t.Errorf("%v: the message came back as %q", err, back.Message)
	}
	if out, _, _ := a.search(); !strings.Contains(out, "a@b.c,日本語@例え.jp") || !strings.Contains(out, `\x1b[31mred`) || !strings.Contains(out, `\u202eevil`) {
		t.Errorf("the table is\n%s", out)
	}
}

func TestSearchCountsByFieldAndOverTime(t *testing.T) {
	a := newArchive(t)
	var docs []string
	for i := range 60 {
		docs = append(docs, event(time.Date(2026, 11, 23, 12, i, 0, 0, time.UTC).Format(time.RFC3339), noon, strconv.Itoa(i), fmt.Sprintf(`"user":{"email":"u%d@example.com"}`, i%7)))
	}
	a.store(append(docs, event("2026-11-23T13:00:00Z", noon, "none", ""))...)
	if out, _, err := a.search("--count"); err != nil || out != "61\n" {
		t.Errorf("%v: %s", err, out)
	}
	if out, _, err := a.search("--count", "--since", "2026-11-23T12:30", "--until", "2026-11-23 12:40", "--json"); err != nil || decode[map[string]int](t, out)["total"] != 10 {
		t.Errorf("%v: %s", err, out)
	}
	if out, note, err := a.search("--count", "--since", "2026-11-24"); out != "0\n" || note != "" || cli.ExitCode(err) != 1 {
		t.Errorf("%v: %s%s", err, out, note)
	}
	values, _, err := a.search("--by", "user", "--limit", "2", "--json")
	if v := decode[map[string]any](t, values); err != nil || v["field"] != "user.email" || v["missing"] != 1.0 || v["other"] != 60.0-18 || !strings.Contains(values, `"count": 9`) {
		t.Errorf("%v: %s", err, values)
	}
	if out, _, err := a.search("--by", "user.email"); err != nil || !strings.Contains(out, "u0@example.com") || !strings.Contains(out, "█") || !strings.Contains(out, "1 without user.email") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, _, err := a.search("--by", "message"); err == nil || !strings.Contains(err.Error(), "running text") {
		t.Error(err)
	}
	over, _, err := a.search("--histogram", "--json")
	var h struct {
		Total    int
		Interval float64 `json:"interval_seconds"`
		Buckets  []struct{ Count int }
	}
	if e := json.Unmarshal([]byte(over), &h); err != nil || e != nil || h.Total != 61 || h.Interval != 60 || len(h.Buckets) != 61 {
		t.Errorf("%v %v: %s", err, e, over)
	}
	if out, _, err := a.search("--histogram", "--since", "2026-11-23", "--until", "2026-11-24"); err != nil || !strings.Contains(out, "█") || !strings.Contains(out, "from 2026-11-23 00:00:00Z to 2026-11-24 00:00:00Z") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheExitCodeOfASearchIsThatOfGrep(t *testing.T) {
	a := newArchive(t)
	if _, note, err := a.search(); cli.ExitCode(err) != 1 || !errors.Is(err, cli.ErrSilent) || !strings.Contains(note, "no event yet") {
		t.Errorf("an empty namespace: %v, %s", err, note)
	}
	a.store(event(noon, noon, "1", ""))
	if _, _, err := a.search(); cli.ExitCode(err) != 0 {
		t.Error(err)
	}
	for want, args := range map[string][]string{
		"--since": {"--since", "yesterday"}, "is not before": {"--since", "1h", "--until", "2h"}, "--sort": {"--sort", "size"}, "--limit": {"--limit", "-1"}, "choose one": {"--count", "--histogram"},
		"unknown flag": {"--nonsense"}, "--output": {"--output", "xml"}, "--columns": {"--columns", "a,,b"}, "namespace": {"--namespace", "No Such"},
	} {
		if _, _, err := a.search(args...); cli.ExitCode(err) != 2 || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	out, err := run(t.Context(), t, "", "search", "--state", announce(t, readyAt("http://127.0.0.1:1")))
	if cli.ExitCode(err) != 2 || out != "" || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("without Elasticsearch: %v, %s", err, out)
	}
	if found := a.found("event.id:1", "--namespace", "all", "--limit", "1000"); !slices.Contains(found, "1") {
		t.Errorf("all namespaces hold %d such events, not this one", len(found))
	}
}
