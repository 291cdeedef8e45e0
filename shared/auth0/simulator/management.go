package simulator

// operation is a call of the Management API. Its path and bodies
// are forms, see draft.form.
type operation struct {
	method, path, text string
	body, answer       string
	status             int64
	scope              string
	secrets            string // names what the answer or the body held
}

func managementKinds() []kind {
	const parts = withUser | withClient | withAddress | withAgent | withReferences
	return []kind{
		{"sapi", 1_300, "", team, parts, (*draft).call, nil},
		{"mgmt_api_read", 300, "", team, parts, (*draft).call, nil},
	}
}

// writes are what a team changes in daily work.
func writes() []operation {
	return []operation{
		{"patch", "/api/v2/users/$user", "Update a User", `{"app_metadata":{"plan":"gold"}}`, `{"user_id":"$user","email":"$mail","email_verified":true,"app_metadata":{"plan":"gold"},"logins_count":41}`, 200, "update:users", ""},
		{"post", "/api/v2/users", "Create a User", `{"email":"$mail","connection":"Username-Password-Authentication","password":"*****"}`, `{"user_id":"$user","email":"$mail","email_verified":false,"blocked":false}`, 201, "create:users", ""},
		{"delete", "/api/v2/users/$user", "Delete a User", `{}`, `{}`, 204, "delete:users", ""},
		{"patch", "/api/v2/clients/$other", "Update a Client", `{"callbacks":["https://portal.acme.example/callback"],"grant_types":["authorization_code","refresh_token"]}`, `{"client_id":"$other","name":"$othername","app_type":"spa","client_secret":"*****","callbacks":["https://portal.acme.example/callback"],"grant_types":["authorization_code","refresh_token"]}`, 200, "update:clients", "client_secret"},
		{"post", "/api/v2/clients", "Create a Client", `{"name":"$othername staging","app_type":"regular_web"}`, `{"client_id":"$other","name":"$othername staging","client_secret":"*****","app_type":"regular_web"}`, 201, "create:clients", "client_secret"},
		{"post", "/api/v2/organizations/$org/invitations", "Create invitations to organization", `{"inviter":{"name":"Acme"},"invitee":{"email":"$mail"},"client_id":"$other","roles":[]}`, `{"id":"uinv_4ZrXJb5yQyq1wM0H","invitee":{"email":"$mail"},"client_id":"$other"}`, 200, "create:organization_invitations", ""},
		{"post", "/api/v2/organizations/$org/members", "Add members to an organization", `{"members":["$user"]}`, `{}`, 204, "create:organization_members", ""},
		{"post", "/api/v2/users/$user/roles", "Assign roles to a user", `{"roles":["rol_0a7fMcW1zT9bQd3X"]}`, `{}`, 204, "update:users", ""},
		{"post", "/api/v2/roles", "Create a role", `{"name":"support","description":"May read tickets"}`, `{"id":"rol_0a7fMcW1zT9bQd3X","name":"support","description":"May read tickets"}`, 200, "create:roles", ""},
		{"patch", "/api/v2/connections/$conid", "Update a connection", `{"options":{"brute_force_protection":true,"passwordPolicy":"good"}}`, `{"id":"$conid","strategy":"auth0","options":{"brute_force_protection":true,"passwordPolicy":"good"}}`, 200, "update:connections", ""},
		{"patch", "/api/v2/tenants/settings", "Update tenant settings", `{"session_lifetime":72,"idle_session_lifetime":24}`, `{"friendly_name":"Acme","session_lifetime":72,"idle_session_lifetime":24,"flags":{"enable_client_connections":false}}`, 200, "update:tenant_settings", ""},
		{"post", "/api/v2/actions/actions/4b1f6c0e-7a6b-4a8b-9d43-0c1d6a6f2a11/deploy", "Deploy an action", `{}`, `{"id":"8e0e1c52-6f0f-4bd5-8f6f-0f2f6dbd7d10","number":12,"deployed":true,"status":"built"}`, 200, "update:actions", ""},
		{"post", "/api/v2/tickets/password-change", "Create a password change ticket", `{"user_id":"$user","result_url":"https://portal.acme.example"}`, `{"ticket":"*****"}`, 201, "create:user_tickets", ""},
	}
}

// reads are calls whose answer held a secret: no other read is logged.
func reads() []operation {
	return []operation{
		{"get", "/api/v2/clients/$other", "Get a client", "", `{"client_id":"$other","name":"$othername","client_secret":"*****","app_type":"regular_web","grant_types":["authorization_code","refresh_token"]}`, 200, "read:clients", "client_secret"},
		{"get", "/api/v2/clients", "Get clients", "", `[{"client_id":"$other","name":"$othername","client_secret":"*****"}]`, 200, "read:clients", "client_secret"},
		{"get", "/api/v2/connections/$conid", "Get a connection", "", `{"id":"$conid","strategy":"google-oauth2","options":{"client_id":"acme","client_secret":"*****"}}`, 200, "read:connections", "options.client_secret"},
		{"get", "/api/v2/emails/provider", "Get email provider", "", `{"name":"smtp","enabled":true,"credentials":{"smtp_host":"mail.acme.example","smtp_port":587,"smtp_pass":"*****"}}`, 200, "read:email_provider", "credentials.smtp_pass"},
	}
}

// weakenings are the calls by which somebody takes a tenant's protection away.
func weakenings() []operation {
	const noShields = `{"enabled":false,"shields":[],"mode":"count_per_identifier_and_ip","allowlist":[],"max_attempts":10}`
	return []operation{
		{"patch", "/api/v2/attack-protection/brute-force-protection", "Update the brute force configuration", `{"enabled":false}`, noShields, 200, "update:attack_protection", ""},
		{"patch", "/api/v2/attack-protection/breached-password-detection", "Update the breached password detection settings", `{"enabled":false}`, `{"enabled":false,"shields":[],"admin_notification_frequency":[],"method":"standard"}`, 200, "update:attack_protection", ""},
		{"patch", "/api/v2/attack-protection/suspicious-ip-throttling", "Update the suspicious IP throttling configuration", `{"enabled":true,"allowlist":["175.16.199.0/24"]}`, `{"enabled":true,"shields":["admin_notification"],"allowlist":["175.16.199.0/24"]}`, 200, "update:attack_protection", ""},
		{"patch", "/api/v2/attack-protection/bot-detection", "Create or update the anomaly detection captcha", `{"bot_detection_level":"off","challenge_password_policy":"never"}`, `{"policy":"off","password_reset_policy":"off","passwordless_policy":"off"}`, 200, "update:attack_protection", ""},
		{"put", "/api/v2/guardian/policies", "Set the Multi-factor Authentication policies", `[]`, `[]`, 200, "update:mfa_policies", ""},
		{"put", "/api/v2/guardian/factors/push-notification", "Update a Multi-factor Authentication factor", `{"enabled":false}`, `{"enabled":false}`, 200, "update:guardian_factors", ""},
		{"patch", "/api/v2/risk-assessment/config", "Updates risk assessment configs", `{"AfterAuthentication":false}`, `{"AfterAuthentication":false,"BeforeLoginPrompt":false,"BeforeLoginPromptMonitoring":false}`, 200, "update:tenant_settings", ""},
		{"patch", "/api/v2/clients/$other", "Update a client", `{"grant_types":["authorization_code","implicit","password","refresh_token"]}`, `{"client_id":"$other","name":"$othername","client_secret":"*****","grant_types":["authorization_code","implicit","password","refresh_token"]}`, 200, "update:clients", "client_secret"},
		{"delete", "/api/v2/log-streams/lst_0000000000016743", "Delete log stream", `{}`, `{}`, 204, "delete:log_streams", ""},
	}
}

// call writes a Management API call from the dashboard.
func (d *draft) call() {
	o := d.management
	if o.secrets != "" {
		d.list("accessedSecrets")
		d.comma()
		d.b = appendQuoted(d.b, o.secrets)
		d.endList()
	}
	d.open("request")
	d.str("method", o.method)
	d.filled("path", `"`+o.path+`"`)
	d.raw("query", "{}")
	d.str("userAgent", d.device.raw)
	if o.body != "" {
		d.filled("body", o.body)
	}
	d.str("channel", "https://manage.auth0.com/")
	d.str("ip", d.address)
	d.caller(o.scope)
	d.end()
	d.open("response")
	d.num("statusCode", o.status)
	d.filled("body", o.answer)
	d.end()
}

func (d *draft) caller(scope string) {
	d.open("auth")
	d.open("user")
	d.str("user_id", d.admin.id)
	d.str("name", d.admin.name)
	d.str("email", d.admin.email)
	d.end()
	d.str("strategy", "jwt")
	d.open("credentials")
	d.hexID("jti", 32)
	d.raw("scopes", `["read:clients","read:client_grants","read:connections","read:logs","read:roles","read:tenant_settings","read:users","`+scope+`"]`)
	d.end()
	d.end()
}
