package simulator

import "time"

const (
	plainLoginParts = withUser | withClient | withConnection | withStrategy | withAddress | withAgent
	loginParts      = plainLoginParts | withReferences | withTLS | withOrganization
	refusedLogin    = "Wrong email or password."
)

func loginKinds() []kind {
	return []kind{
		{"s", 13_000, "Successful login", person, loginParts | withHost | withSDK, (*draft).login, []next{{"seacft", 0.85}, {"w", 0.01}}},
		{"fp", 4_000, refusedLogin, mistaken, loginParts, (*draft).wrongPassword, []next{{"fp", 0.25}, {"limit_wc", 0.02}, {"scpr", 0.03}}},
		{"fu", 2_400, refusedLogin, stranger, loginParts, (*draft).unknownUser, []next{{"fu", 0.45}, {"limit_mu", 0.02}}},
		{"f", 1_200, "Unauthorized", person, loginParts | withHost | withSDK | withScope, (*draft).failedLogin, nil},
		{"scoa", 300, "Successful cross-origin authentication", person, plainLoginParts | withHost | withSDK, (*draft).crossOrigin, nil},
		{"fcoa", 90, "Cross origin authentication failed", mistaken, plainLoginParts | withSDK | withAudience | withScope, (*draft).failedCrossOrigin, nil},
		{"w", 200, "Unable to obtain user profile groups", person, plainLoginParts | withAudience | withScope, (*draft).warning, nil},
		{"slo", 3_600, "User successfully logged out", person, withUser | withClient | withConnection | withAddress | withAgent | withHost | withSDK, (*draft).logout, nil},
		{"flo", 120, "The \"returnTo\" query string parameter is not in the list of allowed logout URLs", person, withUser | withClient | withConnection | withAddress | withAgent | withHost | withSDK | withReferences, (*draft).failedLogout, nil},
	}
}

func silentKinds() []kind {
	const parts = withClient | withAddress | withAgent | withHost | withSDK | withOrganization
	return []kind{
		{"ssa", 8_500, "Successful silent authentication", person, parts | withUser, (*draft).silent, nil},
		{"fsa", 6_500, "Login required", person, parts | withAudience | withScope, (*draft).failedSilent, nil},
	}
}

// login writes the two prompts of a universal login and what they cost, and
// opens a new session every third time.
func (d *draft) login() {
	u, dice := d.user, d.tenant.dice
	u.logins++
	if !d.risky && dice.chance(0.35) {
		u.session, u.family, u.counter = dice.token(32), dice.hex(24), 1
	}
	spent := time.Duration(dice.between(2_500, 45_000)) * time.Millisecond
	d.list("prompts")
	d.promptAuthenticate(u)
	d.promptLogin(u, spent)
	if dice.chance(0.08) {
		d.promptConsent()
	}
	d.endList()
	d.num("initiatedAt", d.millis(spent))
	d.num("completedAt", d.millis(0))
	d.num("elapsedTime", spent.Milliseconds())
	d.session()
	d.open("stats")
	d.num("loginsCount", u.logins)
	d.end()
	d.tokenID("transaction_id", 32)
	d.executions()
	d.risk()
}

// executions names the run of the tenant's post-login Action.
func (d *draft) executions() {
	d.open("actions")
	d.list("executions")
	d.b = d.tenant.dice.appendToken(append(d.b, '"'), 56)
	d.b = append(d.b, '"')
	d.endList()
	d.end()
}

func (d *draft) promptAuthenticate(u *user) {
	d.item()
	d.str("name", "prompt-authenticate")
	d.num("completedAt", d.millis(220*time.Millisecond))
	d.members(u.connection.members)
	d.str("strategy", u.connection.strategy)
	d.str("identity", u.identity)
	d.open("stats")
	d.num("loginsCount", u.logins)
	d.end()
	d.promptSession()
	d.raw("elapsedTime", "null")
	d.end()
}

func (d *draft) promptLogin(u *user, spent time.Duration) {
	d.item()
	d.str("name", "login")
	d.str("flow", "universal-login")
	d.num("initiatedAt", d.millis(spent-9*time.Millisecond))
	d.num("completedAt", d.millis(195*time.Millisecond))
	d.open("timers")
	d.num("rules", int64(d.tenant.dice.between(2, 60)))
	d.end()
	d.members(u.members)
	d.promptSession()
	d.num("elapsedTime", (spent - 204*time.Millisecond).Milliseconds())
	d.end()
}

func (d *draft) promptConsent() {
	d.item()
	d.str("name", "consent")
	d.str("flow", "consent")
	d.num("initiatedAt", d.millis(180*time.Millisecond))
	d.num("completedAt", d.millis(20*time.Millisecond))
	d.open("grantInfo")
	d.hexID("id", 24)
	d.str("audience", d.client.audience)
	d.str("scope", d.client.scope)
	d.stamp("expiration", 90*24*time.Hour)
	d.end()
	d.promptSession()
	d.num("elapsedTime", 160)
	d.end()
}

func (d *draft) promptSession() {
	d.flag("requiredCaptcha", d.risky)
	d.str("session_id", d.user.session)
}

// risk writes Auth0's assessment: all well for a person at home, and a far
// place with a new device for somebody else.
func (d *draft) risk() {
	d.open("riskAssessment")
	d.assessments(true)
	d.end()
}

func (d *draft) assessments(withDevice bool) {
	confidence, travel, device, known := "high", "minimal_travel_from_last_login", "match", "known"
	if d.risky {
		confidence, travel, device, known = "low", "impossible_travel_from_last_login", "no_match", "unknown"
	}
	d.str("confidence", confidence)
	d.str("version", "1")
	d.open("assessments")
	d.open("UntrustedIP")
	d.str("confidence", "high")
	d.str("code", "not_found_on_deny_list")
	if !withDevice {
		d.open("details")
		d.str("ip", d.address)
		d.str("matches", "")
		d.str("source", "STOPFORUMSPAM-1")
		d.end()
	}
	d.end()
	if withDevice {
		d.open("NewDevice")
		d.str("confidence", confidence)
		d.str("code", device)
		d.open("details")
		d.str("device", known)
		d.str("useragent", known)
		d.end()
		d.end()
	}
	d.open("ImpossibleTravel")
	d.str("confidence", confidence)
	d.str("code", travel)
	d.end()
	d.end()
}

func (d *draft) wrongPassword() {
	d.open("error")
	d.str("message", refusedLogin)
	d.str("reason", "invalid_password")
	d.end()
	d.tokenID("transaction_id", 32)
}

func (d *draft) unknownUser() {
	d.open("error")
	d.str("message", refusedLogin)
	d.end()
	d.tokenID("transaction_id", 32)
}

func (d *draft) failedLogin() {
	d.open("error")
	d.str("message", "user is blocked")
	d.str("oauthError", "unauthorized")
	d.str("type", "request-error")
	d.end()
	d.open("qs")
	d.str("client_id", d.client.id)
	d.str("response_type", "code")
	d.str("redirect_uri", d.client.origin+"/callback")
	d.str("scope", d.client.scope)
	d.end()
	d.session()
	d.open("stats")
	d.num("loginsCount", d.user.logins)
	d.end()
	d.risk()
}

func (d *draft) crossOrigin() {
	d.user.logins++
	spent := time.Duration(d.tenant.dice.between(300, 2_000)) * time.Millisecond
	d.num("initiatedAt", d.millis(spent))
	d.num("completedAt", d.millis(0))
	d.num("elapsedTime", spent.Milliseconds())
	d.session()
	d.tokenID("transaction_id", 32)
}

func (d *draft) failedCrossOrigin() {
	d.open("body")
	d.str("client_id", d.client.id)
	d.str("username", d.user.login)
	d.str("password", "*****")
	d.str("realm", d.user.connection.name)
	d.str("credential_type", "http://auth0.com/oauth/grant-type/password-realm")
	d.end()
	d.str("connection", d.user.connection.name)
	d.open("error")
	d.str("message", refusedLogin)
	d.str("oauthError", "access_denied")
	d.str("type", "oauth-authorization")
	d.end()
}

func (d *draft) warning() {
	d.open("request")
	d.str("method", "GET")
	d.str("url", "https://"+d.tenant.world.host+"/login/callback")
	d.end()
	d.open("response")
	d.num("statusCode", 403)
	d.str("body", "Insufficient privileges to complete the operation.")
	d.end()
	d.session()
}

func (d *draft) logout() {
	d.str("return_to", d.client.origin)
	d.list("allowed_logout_url")
	d.comma()
	d.b = appendQuoted(d.b, d.client.origin)
	d.endList()
	d.session()
	d.str("initiated_by", "rp-logout")
}

func (d *draft) failedLogout() {
	d.str("return_to", d.client.origin+"/goodbye")
	d.list("allowed_logout_url")
	d.comma()
	d.b = appendQuoted(d.b, d.client.origin)
	d.endList()
	d.session()
}

func (d *draft) silent() {
	d.list("prompts")
	d.endList()
	d.num("initiatedAt", d.millis(18*time.Millisecond))
	d.num("completedAt", d.millis(0))
	d.num("elapsedTime", 18)
	d.session()
	d.risk()
}

func (d *draft) failedSilent() {
	d.open("body")
	d.end()
	d.open("qs")
	d.str("client_id", d.client.id)
	d.str("redirect_uri", d.client.origin)
	d.str("scope", d.client.scope)
	d.str("audience", d.client.audience)
	d.str("response_type", "code")
	d.str("response_mode", "web_message")
	d.str("prompt", "none")
	d.tokenID("state", 32)
	d.tokenID("nonce", 43)
	d.tokenID("code_challenge", 43)
	d.str("code_challenge_method", "S256")
	d.raw("auth0Client", quoted(d.client.sdk))
	d.end()
	d.raw("connection", "null")
	d.open("error")
	d.str("message", "Login required")
	d.str("oauthError", "login_required")
	d.str("type", "oauth-authorization")
	d.end()
}
