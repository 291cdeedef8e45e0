package simulator

// mailKinds are the event types around messages that Auth0 sends people.
func mailKinds() []kind {
	const referred = accountParts | withReferences
	return []kind{
		{"scpr", 450, "Change password request", person, referred, (*draft).passwordRequest, []next{{"scp", 0.6}, {"fcp", 0.08}}},
		{"fcpr", 130, "The user does not exist", person, referred, (*draft).failedPasswordRequest, nil},
		{"svr", 250, "Verification email sent", person, referred, (*draft).verification, []next{{"sv", 0.7}}},
		{"fvr", 50, "Verification email request failed", person, referred, (*draft).verification, nil},
		{"sv", 110, "Your email was verified. You can continue using the application.", person, referred, (*draft).verified, nil},
		{"cs", 250, "Passwordless code sent", person, referred &^ withReferences, (*draft).codeSent, nil},
		{"cls", 350, "Passwordless code or link sent", person, referred &^ withReferences, (*draft).linkSent, nil},
		{"fn", 60, "Sending the notification was unsuccessful", person, withClient | withConnection | withAddress | withAgent | withReferences, (*draft).notSent, nil},
	}
}

func (d *draft) passwordRequest() {
	d.open("body")
	d.str("client_id", d.client.id)
	d.str("connection", d.user.connection.name)
	d.flag("debug", true)
	d.str("email", d.user.email)
	d.flag("includeEmailInRedirect", false)
	d.flag("markEmailAsVerified", true)
	d.flag("requiredCaptcha", false)
	d.str("resultUrl", d.client.origin)
	d.str("tenant", d.tenant.opts.Name)
	d.flag("verify", true)
	d.end()
	d.str("resetUrl", "https://"+d.tenant.world.host+"/u/reset-verify?ticket=*****")
}

func (d *draft) failedPasswordRequest() {
	d.open("body")
	d.str("client_id", d.client.id)
	d.str("connection", d.user.connection.name)
	d.flag("debug", true)
	d.str("email", d.user.email)
	d.str("tenant", d.tenant.opts.Name)
	d.flag("verify", true)
	d.end()
	d.tokenID("transaction_id", 32)
}

func (d *draft) verification() {
	d.open("body")
	d.str("client_id", d.client.id)
	d.str("connection", d.user.connection.name)
	d.str("email", d.user.email)
	d.str("idp_user_id", d.user.identity)
	d.flag("includeEmailInRedirect", false)
	d.str("provider", d.user.connection.strategy)
	d.str("resultUrl", d.client.origin)
	d.open("template")
	d.str("type", "verify_email")
	d.end()
	d.str("tenant", d.tenant.opts.Name)
	d.str("to", d.user.email)
	d.num("ttl_sec", 432_000)
	d.str("user_id", d.user.id)
	d.end()
}

func (d *draft) verified() {
	d.ticket(false)
	d.str("email", d.user.email)
	d.open("query")
	d.str("client_id", d.client.id)
	d.str("connection", d.user.connection.name)
	d.str("email", d.user.email)
	d.str("idp_user_id", d.user.identity)
	d.flag("includeEmailInRedirect", false)
	d.str("resultUrl", d.client.origin)
	d.str("tenant", d.tenant.opts.Name)
	d.str("user_id", d.user.id)
	d.end()
	d.str("title", "Email Verified")
}

func (d *draft) authParams() {
	d.open("authParams")
	d.str("audience", d.client.audience)
	d.str("redirect_uri", d.client.origin+"/callback")
	d.str("response_type", "code")
	d.str("scope", d.client.scope)
	d.tokenID("state", 32)
	d.end()
}

func (d *draft) codeSent() {
	d.open("body")
	d.authParams()
	d.str("client_id", d.client.id)
	d.str("connection", "sms")
	d.str("ip", d.address)
	d.str("phone_number", d.user.phone)
	d.str("request_language", "en-GB,en;q=0.9")
	d.str("send", "code")
	d.str("tenant", d.tenant.opts.Name)
	d.str("user-agent", d.device.raw)
	d.str("username", d.user.phone)
	d.end()
	d.tokenID("transaction_id", 32)
}

func (d *draft) linkSent() {
	d.open("body")
	d.authParams()
	d.str("client_id", d.client.id)
	d.str("connection", "email")
	d.str("email", d.user.email)
	d.str("send", "link")
	d.str("tenant", d.tenant.opts.Name)
	d.end()
	d.str("link", "https://"+d.tenant.world.host+"/passwordless/verify_redirect?scope=openid&verification_code=*****")
	d.tokenID("transaction_id", 32)
}

func (d *draft) notSent() {
	d.str("email_type", "verify_email")
	d.str("notification_type", "email")
	d.str("to", d.user.email)
	d.str("error", "Connection to the mail server timed out")
}
