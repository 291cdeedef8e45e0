package simulator

// guardKinds are the event types of attack protection.
func guardKinds() []kind {
	const parts = withUser | withClient | withConnection | withAddress | withAgent | withHost
	return []kind{
		{"pla", 3_000, "Pre-login assessment", person, parts | withSDK, (*draft).preLogin, []next{{"s", 0.6}, {"fp", 0.08}}},
		{"limit_wc", 70, "Too many failed login attempts into a single account", mistaken, parts | withTLS, (*draft).blockedAccount, []next{{"ublkdu", 0.2}}},
		{"limit_mu", 60, "An IP address is blocked with 100 failed login attempts", stranger, parts | withTLS, (*draft).blockedAddress, nil},
		{"limit_sul", 50, "Too many logins for the same user from one IP address", mistaken, parts | withTLS, (*draft).blockedAccount, nil},
		{"pwd_leak", 60, "Someone attempted to log in with a leaked password", mistaken, parts | withTLS, (*draft).leakedPassword, nil},
		{"signup_pwd_leak", 40, "Someone attempted to sign up with a leaked password", stranger, parts | withTLS, (*draft).leakedPassword, nil},
		{"reset_pwd_leak", 40, "Someone attempted to reset with a leaked password", mistaken, parts | withTLS, (*draft).leakedPassword, nil},
		{"ublkdu", 40, "User block has been released", person, parts&^withHost | withStrategy, (*draft).released, nil},
		{"mfar", 500, "MFA required", person, parts | withStrategy | withOrganization, (*draft).secondFactorRequired, []next{{"gd_start_auth", 0.8}}},
	}
}

func (d *draft) preLogin() {
	d.flag("requiresVerification", d.risky || d.tenant.dice.chance(0.05))
	d.flag("ipOnAllowlist", false)
	d.session()
}

func (d *draft) blockedAccount() {
	d.open("shield")
	d.str("name", "brute-force-protection")
	d.str("action", "block")
	d.end()
}

func (d *draft) blockedAddress() {
	d.str("flow", "login")
}

func (d *draft) leakedPassword() {
	d.open("shield")
	d.str("name", "breached-password-detection")
	d.str("action", "block")
	d.end()
}

func (d *draft) released() {
	d.str("title", "Account unblocked")
	d.str("email", d.user.email)
	d.open("query")
	d.str("connection", d.user.connection.name)
	d.str("client_id", d.client.id)
	d.end()
}

func (d *draft) secondFactorRequired() {
	d.assessments(false)
}
