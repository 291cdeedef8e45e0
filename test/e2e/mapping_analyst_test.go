package e2e_test

import (
	"slices"
	"strings"
	"testing"
)

// question is what an analyst asks. The text means the same in KQL and in Lucene's query language.
type question struct {
	text string
	want func(s *sample) bool // of the published samples
	only string               // their names, where the question is about a few
}

// questions are asked about the day of the published samples.
func questions() []question {
	const (
		alice   = "auth0|66b1f0c2a4d5e6f708192a3b"
		lopez   = "auth0|66c2a1d3b5e6f7081a2b3c4d"
		grace   = "auth0|6459c1de4703f3a65dc25801"
		machine = "D4fGh7jKl0qWeRtY2uIoPaSzXcVbN9mE"
		session = "BAdF7i2pkVz0mMTJqE1RSSrIJPe2kLAt"
		acme    = "org_W3kZ8tRqLmYx5VnB"
		bot     = "624d7033084915cd1b3c1d5b4648f9de"
	)
	from := func(country string, codes ...string) func(s *sample) bool {
		return func(s *sample) bool {
			ip, _ := s.data["ip"].(string)
			return countries()[ip] == country && (len(codes) == 0 || slices.Contains(codes, s.code()))
		}
	}
	has := func(path string, texts ...string) func(s *sample) bool {
		return func(s *sample) bool { return s.is(path, texts...) }
	}
	failed := []string{"f", "fp", "fu", "fc", "fcoa", "fens"}
	return []question{
		// Failed logins of a user: by address, and by id, which also finds those whose address the log stream hides.
		{text: `auth0.logs.data.classification:"Login - Failure" AND user.email:"m.lopez@example.org"`, only: "conflict.08.object fp.blocked-user fp.password"},
		{text: `auth0.logs.data.classification:"Login - Failure" AND user.id:"` + lopez + `"`, only: "conflict.08.object fp.blocked-user fp.hashed fp.masked fp.password"},
		{text: `event.category:authentication AND event.outcome:failure AND event.code:(f OR fp OR fu OR fc OR fcoa OR fens)`, want: func(s *sample) bool { return slices.Contains(failed, s.code()) }},
		{text: `event.action:failed-login AND user.name:root AND user.domain:acme.example`, only: "f.grant-password"},
		{text: `event.outcome:failure AND user.name:"NORTHWIND\\nora.lind"`, only: "fc"},
		{text: `user.name:"NORTHWIND\\nora.lind"`, only: "fc s.directory"},
		// Whatever an administrator did, in the dashboard and with the Management API.
		{text: `user.email:"grace.hopkins@acme.example"`, want: func(s *sample) bool {
			return s.is("details.request.auth.user.email", "grace.hopkins@acme.example") || s.is("user_name", "grace.hopkins@acme.example")
		}},
		{text: `user.email:"heidi.brandt@acme.example" AND event.category:configuration AND event.type:deletion`, only: "sapi.client-delete sapi.connection-delete"},
		{text: `user.id:"` + grace + `"`, want: func(s *sample) bool {
			return s.is("user_id", grace) || s.data["user_id"] == nil && (s.is("details.request.auth.user.user_id", grace) || s.is("details.request.auth.user", grace))
		}},
		// Places.
		{text: `source.geo.country_iso_code:SE`, want: from("SE")},
		{text: `source.geo.country_iso_code:CN AND auth0.logs.data.classification:"Login - Failure"`, want: from("CN", failed...)},
		{text: `source.geo.country_iso_code:* AND NOT source.geo.country_iso_code:(SE OR GB OR NO) AND event.code:(f OR fp OR fu)`, want: from("CN", "f", "fp", "fu")},
		{text: `source.ip:"2a02:cf40:add:4002:91f2:a9b2:e09a:6fc6"`, want: from("NO")},
		{text: `source.ip:"175.16.0.0/16"`, want: from("CN")},
		// One session, one application, one organization, one fingerprint.
		{text: `auth0.session.id:"` + session + `"`, want: func(s *sample) bool {
			return s.is("details.session_id", session) || s.data["details"] != nil && s.at("details", "session_id") == nil && s.is("details.refresh_token.session_id", session)
		}},
		{text: `service.id:"` + machine + `"`, want: has("client_id", machine)},
		{text: `auth0.logs.data.client_id:"` + machine + `"`, want: has("client_id", machine)},
		{text: `service.name:Acme* AND event.code:s`, want: func(s *sample) bool {
			name, _ := s.data["client_name"].(string)
			return s.code() == "s" && strings.HasPrefix(name, "Acme")
		}},
		{text: `organization.id:"` + acme + `"`, want: has("organization_id", acme)},
		{text: `related.hash:"` + bot + `"`, want: has("security_context.ja3", bot)},
		{text: `tls.client.ja4:t13d1812h1*`, want: has("security_context.ja3", bot)},
		// Changes of the tenant.
		{text: `event.category:configuration AND event.type:change AND event.outcome:success`, only: `
			gd_tenant_update kms_key_management_success kms_key_state_changed ss_sso_success sapi.action-deploy sapi.bot-detection-off sapi.breached-password-off sapi.brute-force-off sapi.client-cross-origin
			sapi.client-rotate-secret sapi.client-update sapi.connection-update sapi.email-provider sapi.guardian-factor sapi.guardian-policies-off
			sapi.guardian-policies-on sapi.ip-throttling-allowlist sapi.log-stream-update sapi.resource-server-update sapi.risk-assessment
			sapi.tenant-settings sapi.trigger-bindings`},
		{text: `auth0.management.operation:"PATCH /tenants/settings"`, only: "sapi.tenant-settings"},
		{text: `auth0.management.target.kind:attack-protection*`, only: "sapi.bot-detection-off sapi.breached-password-off sapi.brute-force-off sapi.ip-throttling-allowlist"},
		{text: `auth0.management.target.kind:log-streams AND NOT event.type:access`, only: "sapi.log-stream-create sapi.log-stream-delete sapi.log-stream-update"},
		{text: `auth0.management.target.id:"Q6hWn2pYzJ8tRk4vXm0bLc7dSf3gUa9E"`, only: "sapi.client-delete sapi.client-update"},
		{text: `auth0.logs.data.details.request.auth.credentials.scopes:"delete:users"`, want: func(s *sample) bool {
			scopes, _ := s.at("details", "request", "auth", "credentials", "scopes").([]any)
			return slices.Contains(scopes, any("delete:users"))
		}},
		// Who did something to a user.
		{text: `user.target.id:"` + alice + `"`, only: "fapi sapi.password-ticket sapi.user-block-delete sapi.user-factor-delete sapi.user-update sapi.user-update-email ublkdu.api"},
		{text: `user.target.id:"` + lopez + `" AND event.type:deletion`, only: "sapi.user-delete"},
		{text: `event.category:iam AND event.type:(creation OR deletion) AND event.type:user AND event.code:sapi`, only: "sapi.tenant-member-delete sapi.user-create sapi.user-create-masked sapi.user-delete sapi.user-block-delete sapi.user-factor-delete"},
		// Attacks and protections.
		{text: `event.code:gd_* AND event.outcome:failure`, want: func(s *sample) bool {
			code := s.code()
			return strings.HasPrefix(code, "gd_") && (strings.Contains(code, "fail") || strings.HasSuffix(code, "rejected") || strings.HasSuffix(code, "exceed"))
		}},
		{text: `event.code:*pwd_leak`, only: "pwd_leak.blocked pwd_leak.unknown-user reset_pwd_leak signup_pwd_leak"},
		{text: `event.action:*breached-password`, only: "pwd_leak.blocked pwd_leak.unknown-user reset_pwd_leak signup_pwd_leak"},
		{text: `event.category:intrusion_detection AND event.type:denied AND event.action:*address-blocked`, only: "limit_mu.login limit_mu.signup limit_wc"},
		{text: `event.severity:4`, only: "gd_otp_rate_limit_exceed gd_recovery_rate_limit_exceed limit_delegation limit_mu.login limit_mu.signup limit_phone limit_sul limit_wc pwd_leak.blocked pwd_leak.unknown-user reset_pwd_leak signup_pwd_leak"},
		{text: `auth0.risk_assessment.confidence:low`, want: func(s *sample) bool {
			return s.is("details.riskAssessment.confidence", "low") || s.is("details.confidence", "low")
		}},
		{text: `auth0.logs.data.details.riskAssessment.confidence:*`, want: func(*sample) bool { return false }},
		// Words of the description, and doubts.
		{text: `message:"Update a Client"`, only: "sapi.client-cross-origin sapi.client-update"},
		{text: `sluice.flags:(pii_masked OR pii_hashed)`, want: func(s *sample) bool {
			name, _ := s.data["user_name"].(string)
			return strings.Contains(name, "***") || strings.HasSuffix(s.name, ".hashed")
		}},
		{text: `sluice.flags:unknown_code`, only: ""},
	}
}

// findings asks each question twice: as Kibana sends KQL, and as a query string.
func findings(t *testing.T, d *desk, all []sample) {
	t.Helper()
	published := slices.DeleteFunc(slices.Clone(all), func(s sample) bool { return strings.HasPrefix(s.name, "odd/") })
	for _, q := range questions() {
		want := strings.Fields(q.only)
		slices.Sort(want)
		if q.want != nil {
			want = names(published, q.want)
		}
		for language, query := range map[string]object{
			"KQL":    kql(t, q.text),
			"Lucene": {"query_string": object{"query": q.text, "analyze_wildcard": true}},
		} {
			answer := d.search(t, object{
				"size": 1000, "_source": false, "fields": []string{"event.id"},
				"query": object{"bool": object{"filter": []any{query, object{"range": object{"@timestamp": object{"gte": "2026-09-14", "lt": "2026-09-15"}}}}}},
			})
			var got []string
			for _, hit := range answer.Hits.Hits {
				id, _ := hit.Fields["event.id"][0].(string)
				got = append(got, nameOf(all, id))
			}
			if extra, missing := difference(got, want); len(extra)+len(missing) > 0 {
				t.Errorf("%s: %s\n%d found, too many: %v; missing: %v", language, q.text, len(got), extra, missing)
			}
		}
	}
}
