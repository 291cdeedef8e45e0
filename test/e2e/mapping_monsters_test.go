package e2e_test

import (
	"fmt"
	"slices"
	"strings"
)

// frames are events whose outside is not as Auth0 writes it.
func frames() []nasty {
	return []nasty{
		{name: "data twice", form: `{"log_id":"ID","data":{"type":"s"},"data":{"type":"f"}}`, lost: true},
		{name: "a log id twice", form: `{"log_id":"ID","log_id":"ID","data":{"type":"s"}}`, lost: true},
		{name: "no data", form: `{"log_id":"ID"}`},
		{name: "data is null", form: `{"log_id":"ID","data":null}`},
		{name: "data is a list", form: `{"log_id":"ID","data":[{"type":"s"}]}`},
		{name: "data is a text", form: `{"log_id":"ID","data":"{}","type":"s"}`},
		{name: "data is empty", form: `{"log_id":"ID","data":{}}`},
		{name: "data in data", form: `{"log_id":"ID","data":{"data":{"log_id":"other","type":"s"}}}`},
		{name: "the log id is in data", form: `{"data":{"log_id":"ID","type":"s"}}`},
		{name: "the log id is a number", form: `{"log_id":17,"data":{"log_id":"ID","_id":"ID"}}`},
		{name: "the log id is data._id", form: `{"data":{"_id":"ID","type":"s"}}`},
		{name: "names of ours beside data", form: `{"log_id":"ID","@timestamp":1,"event":{"id":[]},"auth0":"x","sluice":{"item":{}},"_id":"x","":{"":1},"a.b":[{}],"data":{"type":"s"}}`},
		{name: "no id", form: `{"log_id":"","data":{"type":"s","note":"ID"}}`, dead: "no_log_id"},
		{name: "a list", form: `["ID"]`, dead: "not_an_object"},
	}
}

// monsters are too large, too deep, too many or too strange.
func monsters() []nasty {
	wide := func(n int, key string) string {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"%s%d":%d`, key, i, i))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	deep := func(n int) string { return strings.Repeat(`{"k":`, n) + "1" + strings.Repeat("}", n) }
	body := func(metadata string) string {
		return `"details":{"request":{"method":"patch","path":"/api/v2/users/auth0%7C1","body":{"user_metadata":` + metadata + `}},"response":{"statusCode":200}}`
	}
	scopes := `["` + strings.Join(slices.Repeat([]string{"read:things"}, 2000), `","`) + `"]`
	long := strings.Repeat("k", 60000)
	return []nasty{
		{name: "1 MB of metadata in one text", data: body(`{"note":"` + strings.Repeat("x", 1<<20) + `"}`)},
		{name: "1 MB of metadata in many texts", data: body(`["` + strings.Join(slices.Repeat([]string{strings.Repeat("y", 1000)}, 1000), `","`) + `"]`)},
		{name: "5,000 keys", data: body(wide(5000, "key"))},
		{name: "5,000 keys at the top", data: strings.Trim(wide(5000, "top"), "{}")},
		{name: "90 deep", data: body(deep(85))},
		{name: "90 deep at the top", data: `"other":` + deep(88)},
		{name: "too deep", data: `"other":` + deep(300), dead: "too_deep"},
		{name: "90 arrays", data: `"other":` + strings.Repeat("[", 88) + strings.Repeat("]", 88)},
		{name: "odd keys", data: `"":1," ":2,".":3,"a..b":{"":{".":{}}},"x.":4,".y":5,"$":6,"a\u0000b":7,"*":8,"_doc":9,"é":10,"\ud800":11` + "," + body(`{"":1,".":2,"a.b":{"":3},"a":{"b":4},"c\u0000d":5," ":6,"\ud800":7}`)},
		{name: "a key of 60 KB in details", data: body(`{"` + long + `":1}`)},
		{name: "a key of 60 KB at the top", data: `"` + long + `":1`},
		{name: "a key of 40 KB at the top", data: `"` + long[:40000] + `":1`},
		{name: "many scopes", data: `"scope":` + scopes + `,"details":{"request":{"auth":{"credentials":{"scopes":` + scopes + `}}}}`},
		{name: "a number beyond doubles", data: `"other":1e400,"details":{"n":1e400,"elapsedTime":1e400,"stats":{"loginsCount":-1e400}}`},
		{name: "numbers at the edges", data: `"other":-0,"details":{"elapsedTime":999999999999,"initiatedAt":99999999999999,"completedAt":0,"stats":{"loginsCount":999999999999}}`},
		{name: "a number of 900 digits", data: `"other":` + strings.Repeat("9", 900) + `,"details":{"n":` + strings.Repeat("9", 900) + `}`},
		// Elasticsearch reads no number of more than 1,000 digits, not even where it indexes nothing.
		{name: "a number of 1,500 digits", data: `"other":` + strings.Repeat("9", 1500), dead: "document_parsing_exception"},
		{name: "a number of 1,500 digits in details", data: `"details":{"n":` + strings.Repeat("9", 1500) + `}`, dead: "document_parsing_exception"},
		{name: "an exponent of nine digits", data: `"other":1e999999999,"details":{"n":1e-999999999}`},
		{name: "a member twice", data: `"client_name":"a","client_name":"b"`, dead: "document_parsing_exception"},
		{name: "a member of details twice", data: `"details":{"a":1,"a":2}`, dead: "document_parsing_exception"},
		{name: "addresses that are none", data: `"ip":"999.1.1.1","client_ip":"::ffff:1.2.3.4%eth0"`},
		{name: "addresses in other forms", data: `"ip":"::ffff:192.0.2.1","client_ip":"fe80::1%eth0"`},
		{name: "an address with zeros", data: `"ip":"010.000.000.001","client_ip":"1.2.3"`},
		{name: "a host of 40 KB", data: `"hostname":"` + strings.Repeat("h", 40000) + `"`},
		{name: "an assessment of its own", data: `"details":{"riskAssessment":{"confidence":"low","version":"1","assessments":{"NewDevice":{"confidence":"low","code":"x","details":{"device":"known","x.y":1}},"Other":{"a":[1,2]}},"extra":[1,"x"]}}`},
		{name: "an assessment as details", data: `"details":{"confidence":"low","version":{"a":1},"assessments":{"NewDevice":{"confidence":"low","code":"` + strings.Repeat("c", 40000) + `"}}}`},
		{name: "roles and targets", data: `"details":{"request":{"method":"POST","path":"/api/v2/users/` + strings.Repeat("%7C", 20000) + `/roles","body":{"roles":["` + strings.Repeat("r", 3000) + `"],"email":"a@b","name":"\u0000","username":{"a":1}},"auth":{"user":{"user_id":"x\u0000y","email":"@","name":"` + strings.Repeat("n", 1030) + `"}}},"response":{"statusCode":200,"body":{"user_id":["a"]}}}`},
	}
}
