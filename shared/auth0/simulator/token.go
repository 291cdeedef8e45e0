package simulator

const tokenParts = withUser | withClient | withConnection | withAddress | withAgent | withSDK | withClientAddress

func tokenKinds() []kind {
	return []kind{
		{"seacft", 3_000, "Authorization Code for Access Token", person, tokenParts | withHost | withReferences | withTLS | withOrganization | withAudience, (*draft).codeExchange, nil},
		{"feacft", 450, "Invalid authorization code", person, tokenParts | withHost | withReferences | withTLS, (*draft).maskedCode, nil},
		{"sertft", 17_000, "Refresh Token for Access Token", person, tokenParts | withAudience | withScope | withOrganization, (*draft).refresh, nil},
		{"fertft", 700, "Unknown or invalid refresh token.", person, tokenParts | withHost | withAudience | withScope, (*draft).failedRefresh, nil},
		{"ferrt", 160, "Refresh token reuse detected", mistaken, tokenParts | withHost | withTLS | withAudience | withScope, (*draft).reuse, []next{{"fertft", 0.5}}},
		{"srrt", 500, "Refresh token revoked", person, withUser | withClient | withConnection | withAddress | withAgent | withHost, (*draft).revoked, nil},
		{"sepft", 500, "Password for Access Token", person, tokenParts | withTLS | withAudience | withScope, (*draft).passwordGrant, nil},
		{"fepft", 260, refusedLogin, mistaken, tokenParts | withHost | withTLS | withAudience | withScope, nil, nil},
		{"sede", 90, "Device code for Access Token", person, tokenParts&^withSDK | withHost | withTLS | withAudience | withScope, (*draft).deviceGrant, nil},
	}
}

func machineTokenKinds() []kind {
	const parts = withClient | withAddress | withAgent | withHost | withTLS | withAudience | withScope | withClientAddress
	return []kind{
		{"seccft", 6_000, "Client Credentials for Access Token", machine, parts, (*draft).clientCredentials, nil},
		{"feccft", 350, "Unauthorized", machine, parts, (*draft).failedClientCredentials, nil},
	}
}

func (d *draft) maskedCode() {
	d.key("code")
	d.b = append(d.b, `"*************************************************`...)
	d.b = d.tenant.dice.appendHex(d.b, 3)
	d.b = append(d.b, '"')
}

func (d *draft) codeExchange() {
	d.maskedCode()
	d.tokenID("access_token_jti", 22)
	d.open("refresh_token")
	d.session()
	d.str("access", "offline")
	d.end()
}

func (d *draft) refresh() {
	counter := d.counter
	if counter == 0 {
		d.user.counter++
		counter = d.user.counter
	}
	d.str("familyId", d.user.family)
	d.num("tokenCounter", counter)
	d.tokenID("access_token_jti", 22)
	d.open("refresh_token")
	d.str("session_id", d.user.session)
	d.str("access", "offline")
	d.end()
	d.executions()
	d.str("requested_audience", d.client.audience)
	d.str("requested_scope", d.client.scope)
}

func (d *draft) failedRefresh() {
	reason := "invalid_token"
	if d.reused {
		reason = "grant_revoked"
	}
	d.str("failure_reason", reason)
	d.open("refresh_token")
	d.str("session_id", d.user.session)
	d.str("access", "offline")
	d.end()
}

func (d *draft) reuse() {
	used := d.counter
	if used == 0 {
		used = max(0, d.user.counter-1)
	}
	d.str("familyId", d.user.family)
	d.num("tokenCounter", used)
	d.num("latestCounter", max(d.user.counter, used+1))
}

func (d *draft) revoked() {
	d.hexID("credential_id", 24)
	d.hexID("grant_id", 24)
	d.str("audience", d.client.audience)
	d.str("method", "POST")
	d.str("host", d.tenant.world.host)
	d.str("originalUrl", "/oauth/revoke")
	d.session()
}

func (d *draft) passwordGrant() {
	d.tokenID("access_token_jti", 22)
	d.executions()
}

func (d *draft) deviceGrant() {
	d.tokenID("access_token_jti", 22)
}

func (d *draft) clientCredentials() {
	d.tokenID("access_token_jti", 22)
	d.executions()
}

func (d *draft) failedClientCredentials() {
	d.str("client_authentoication_error", "invalid_client_secret") // Auth0's own spelling
}
