package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
)

// called returns the document of a management call.
func called(t *testing.T, request, response string) map[string]any {
	t.Helper()
	return decode(t, document(t, newMapper(t, false), fmt.Appendf(nil,
		`{"log_id":"x","data":{"log_id":"x","date":"2026-11-23T10:11:12.000Z","type":"sapi","details":{"request":%s,"response":%s}}}`, request, response)))
}

func TestACallIsKnownByMethodAndPath(t *testing.T) {
	for call, want := range map[string]string{
		`patch /api/v2/clients/AbC1`:                         `PATCH /clients/{id} | clients | AbC1 | configuration change`,
		`PATCH /v2/clients/AbC1`:                             `PATCH /clients/{id} | clients | AbC1 | configuration change`,
		`post /api/v2/clients`:                               `POST /clients | clients | new-client | configuration creation`,
		`post /api/v2/roles`:                                 `POST /roles | roles | new | iam creation`,
		`delete /api/v2/users/auth0%7Ca1`:                    `DELETE /users/{id} | users | auth0|a1 | iam deletion`,
		`delete /api/v2/users/auth0|a1/roles`:                `DELETE /users/{id}/roles | users | auth0|a1 | iam change`,
		`get /api/v2/clients?fields=x`:                       `GET /clients | clients | new-client | configuration access`,
		`put /api/v2/guardian/factors/sms`:                   `PUT /guardian/factors/sms | guardian/factors/sms | new | configuration change`,
		`patch /api/v2/organizations/name/acme`:              `PATCH /organizations/name/{id} | organizations/name | acme | iam change`,
		`patch /api/v2/tenants/settings/`:                    `PATCH /tenants/settings | tenants/settings | new | configuration change`,
		`delete /api/v2/users/a%ZZ1`:                         `DELETE /users/{id} | users | a%ZZ1 | iam deletion`,
		`delete /api/v2/users/%00%22%0A1`:                    "DELETE /users/{id} | users | \x00\"\n1 | iam deletion",
		`delete /api/v2/users/%FF1`:                          "DELETE /users/{id} | users | \ufffd1 | iam deletion",
		`post /api/v2/brand-new-things/X9/enable`:            `POST /brand-new-things/{id}/enable | brand-new-things | X9 | configuration change`,
		`patch /api/v2/12345`:                                `PATCH /{id} |  | 12345 | configuration change`,
		`delete \/api\/v2\/users\/auth0\u007ca1`:             `DELETE /users/{id} | users | auth0|a1 | iam deletion`,
		`get /api/v2/clients?q=` + strings.Repeat("x", 2000): `GET /clients | clients | new-client | configuration access`,
		`patch /api/v3/clients/AbC1`:                         ``,
		`patch /oauth/token`:                                 ``,
		`p\"tch /api/v2/clients/AbC1`:                        ``,
		`patch ` + "/api/v2/" + strings.Repeat("x", 2000):    ``,
	} {
		method, path, _ := strings.Cut(call, " ")
		doc := called(t, fmt.Sprintf(`{"method":"%s","path":"%s"}`, method, path), `{"statusCode":200,"body":{"id":"new","client_id":"new-client","user_id":"new-user"}}`)
		got := ""
		if operation, ok := at(doc, "auth0", "management", "operation").(string); ok {
			kind, _ := at(doc, "auth0", "management", "target", "kind").(string)
			id, _ := at(doc, "auth0", "management", "target", "id").(string)
			if kind == "" {
				id = path[strings.LastIndexByte(path, '/')+1:] // without a kind nothing is said of it
			}
			got = fmt.Sprintf("%s | %s | %s | %s", operation, kind, id, narrowed(doc))
		}
		if got != want {
			t.Errorf("%s: %q, want %q", call, got, want)
		}
	}
}

// narrowed is the part of category and type that a call's class decides.
func narrowed(doc map[string]any) string {
	var words []string
	for _, field := range []string{"category", "type"} {
		values, _ := at(doc, "event", field).([]any)
		for _, v := range values {
			switch v {
			case "iam", "configuration", "creation", "change", "deletion", "access":
				words = append(words, fmt.Sprint(v))
			}
		}
	}
	return strings.Join(words, " ")
}

func TestWhoDidWhatToWhom(t *testing.T) {
	doc := called(t, `{"method":"patch","path":"/api/v2/users/auth0%7C7","body":{"email":"new@example.com","name":"New Name"},
		"auth":{"user":{"user_id":"waad|1","name":"Ada Admin","email":"ada@example.org"},"credentials":{"jti":"j","scopes":["update:users"]}}}`,
		`{"statusCode":200,"body":{"user_id":"auth0|7","email":"new@example.com","username":"seven"}}`)
	want := map[string]any{
		"id": "waad|1", "email": "ada@example.org", "name": "ada", "domain": "example.org", "full_name": "Ada Admin",
		"target":  map[string]any{"id": "auth0|7", "email": "new@example.com", "name": "seven"},
		"changes": map[string]any{"email": "new@example.com", "full_name": "New Name"},
	}
	if diff := cmp.Diff(want, doc["user"]); diff != "" {
		t.Error(diff)
	}
}

func TestHiddenPeopleAreNotNamed(t *testing.T) {
	doc := called(t, `{"method":"post","path":"/api/v2/users","body":{"email":"****","name":"a1b2c3d4e5f60718","username":"plain"},
		"auth":{"user":{"user_id":"waad|1","name":"***","email":"f1e2d3c4b5a69788"}}}`, `{"statusCode":201}`)
	want := map[string]any{"id": "waad|1", "target": map[string]any{"name": "plain"}}
	if diff := cmp.Diff(want, doc["user"]); diff != "" {
		t.Error(diff)
	}
}

func TestWhomACallIsAbout(t *testing.T) {
	for name, c := range map[string]struct {
		request, response string
		want              any
	}{
		"a device has a name, too": {`{"method":"patch","path":"/api/v2/users/auth0%7C1/authentication-methods/dev_1","body":{"name":"Renamed phone"}}`, `{"body":{"name":"Renamed phone"}}`, map[string]any{"target": map[string]any{"id": "auth0|1"}}},
		"a ticket":                 {`{"method":"post","path":"/api/v2/tickets/password-change","body":{"user_id":"auth0|1"}}`, `{}`, map[string]any{"target": map[string]any{"id": "auth0|1"}}},
		"an invitation":            {`{"method":"post","path":"/api/v2/organizations/org_1A/invitations","body":{"invitee":{"email":"a@b.example"}}}`, `{}`, map[string]any{"target": map[string]any{"email": "a@b.example"}}},
		"a change":                 {`{"method":"patch","path":"/api/v2/users/auth0%7C1","body":{"username":"new"}}`, `{}`, map[string]any{"target": map[string]any{"id": "auth0|1", "name": "new"}, "changes": map[string]any{"name": "new"}}},
	} {
		if diff := cmp.Diff(c.want, called(t, c.request, c.response)["user"]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAHiddenActorOrTargetIsNoID(t *testing.T) {
	doc := called(t, `{"method":"delete","path":"/api/v2/user-blocks/*****","auth":{"user":"****"}}`, `{"statusCode":"204"}`)
	if doc["user"] != nil || at(doc, "http", "response", "status_code") != json.Number("204") {
		t.Errorf("user %v, http %v", doc["user"], doc["http"])
	}
}

func TestTheBestReasonWinsWhateverTheOrder(t *testing.T) {
	m := newMapper(t, false)
	for _, pair := range [][2]string{
		{`"failure_reason":"a"`, `"errorMsg":"b"`},
		{`"error":{"message":"a"}`, `"failure_details":{"message":"b","errorCode":"c"}`},
		{`"provider_error":{"message":"a"}`, `"action_error":{"message":"b"}`},
		{`"originUrl":"a"`, `"originalUrl":"b"`},
		{`"error":{"message":"a","detail":"b","oauthError":"x","code":"y"}`, `"errors":["c"]`},
	} {
		one := document(t, m, fmt.Appendf(nil, `{"log_id":"x","data":{"type":"f","details":{%s,%s}}}`, pair[0], pair[1]))
		two := document(t, m, fmt.Appendf(nil, `{"log_id":"x","data":{"type":"f","details":{%s,%s}}}`, pair[1], pair[0]))
		for _, field := range []string{"event", "error", "url"} {
			if diff := cmp.Diff(decode(t, one)[field], decode(t, two)[field]); diff != "" {
				t.Errorf("%v: %s", pair, diff)
			}
		}
	}
}

func TestAGoodValueIsNotLostToAnOddNeighbour(t *testing.T) {
	raw := []byte(`{"log_id":"x","data":{"log_id":"x","type":"\u0073","is_mobile":"true","security_context":{"ja3":"a","ja4":null,"ja5":"new"},"references":{"trace_id":"t","correlation_id":""},"details":{"error":false}}}`)
	line := document(t, newMapper(t, false), raw)
	checkLine(t, raw, line)
	doc := decode(t, line)
	for path, want := range map[string]any{
		"tls.client.ja3": "a", "trace.id": "t", "event.code": "s", "event.outcome": "success", "log.level": "info", "auth0.logs.data.is_mobile": "true",
	} {
		if got := at(doc, strings.Split(path, ".")...); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

func TestTheFlagsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range mapping.Flags() {
		if f.Meaning == "" || seen[f.Name] {
			t.Errorf("%+v", f)
		}
		seen[f.Name] = true
	}
	for name, raw := range map[string]string{
		"time_from_log_id":  `{"log_id":"90020261123101112000000000000000000000000000000000000001","data":{"type":"s"}}`,
		"time_from_receipt": `{"log_id":"x","data":{"type":"s"}}`,
		"unknown_code":      `{"log_id":"x","data":{"type":"never_heard_of"}}`,
		"details_cut":       `{"log_id":"x","data":{"type":"s","details":{"a":"\u0000"}}}`,
		"members_aside":     `{"log_id":"x","data":{"type":"s","ip":"nowhere"}}`,
		"pii_masked":        `{"log_id":"x","data":{"type":"s","user_name":"*****"}}`,
		"pii_hashed":        `{"log_id":"x","data":{"type":"s","user_name":"a1b2c3d4e5f60718"}}`,
	} {
		flags, _ := at(decode(t, document(t, newMapper(t, false), []byte(raw))), "sluice", "flags").([]any)
		if !strings.Contains(fmt.Sprint(flags), name) || !seen[name] {
			t.Errorf("%s: flags %v, known %v", raw, flags, seen[name])
		}
		delete(seen, name)
	}
	if len(seen) > 0 {
		t.Errorf("no event has the flags %v", seen)
	}
}

func TestNumbersThatWouldFillTheMemoryAreLeftAsTheyAre(t *testing.T) {
	raw := []byte(`{"log_id":"x","data":{"log_id":"x","type":"s","details":{"initiatedAt":1e999999999,"elapsedTime":1E+99999999999999999999,"stats":{"loginsCount":1e-999999999}}}}`)
	line := document(t, newMapper(t, false), raw)
	checkLine(t, raw, line)
	if login := at(decode(t, line), "auth0", "logs", "data", "login"); login != nil {
		t.Errorf("moved: %v", login)
	}
}
