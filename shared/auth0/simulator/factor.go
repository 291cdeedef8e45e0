package simulator

// factorKinds are the event types of multi-factor authentication.
func factorKinds() []kind {
	const parts = withUser | withAddress | withAgent | withReferences
	pushed := []next{{"gd_auth_succeed", 0.85}, {"gd_auth_rejected", 0.06}, {"gd_auth_failed", 0.05}}
	return []kind{
		{"gd_start_auth", 350, "Second factor authentication started", person, parts, (*draft).factorStart, []next{{"gd_send_pn", 0.6}, {"gd_send_sms", 0.2}, {"gd_send_email", 0.1}}},
		{"gd_send_pn", 300, "Push notification for MFA successfully sent", person, parts, (*draft).factorPush, pushed},
		{"gd_send_pn_failure", 40, "Push notification for MFA could not be sent", person, parts, (*draft).factorNotSent, nil},
		{"gd_send_sms", 200, "MFA SMS sent", person, parts | withClient, (*draft).factorText, pushed},
		{"gd_send_sms_failure", 40, "MFA SMS could not be sent", person, parts | withClient, (*draft).factorNotSent, nil},
		{"gd_send_voice", 50, "MFA voice call made", person, parts, (*draft).factorText, pushed},
		{"gd_send_email", 100, "MFA email sent", person, parts | withClient, (*draft).factorText, pushed},
		{"gd_auth_succeed", 300, "Second factor authentication succeeded", person, parts, (*draft).factorPassed, []next{{"s", 0.7}}},
		{"gd_auth_failed", 150, "Second factor authentication failed", person, parts | withClient, (*draft).factorFailed, nil},
		{"gd_auth_rejected", 50, "Push notification rejected by the user", person, parts, (*draft).factorPush, nil},
		{"gd_otp_rate_limit_exceed", 40, "Too many failed one-time password attempts", mistaken, parts | withClient, (*draft).factorFailed, nil},
		{"gd_start_enroll", 90, "Second factor enrollment started", person, parts, (*draft).factorStart, []next{{"gd_enrollment_complete", 0.8}}},
		{"gd_enrollment_complete", 60, "Second factor enrolled", person, parts, (*draft).factorPassed, nil},
		{"gd_unenroll", 50, "Second factor device removed", person, parts, (*draft).factorRemoved, nil},
		{"gd_update_device_account", 60, "Second factor device updated", person, parts, (*draft).factorPush, nil},
		{"gd_recovery_succeed", 40, "Recovery code accepted", person, parts, (*draft).factorPassed, nil},
		{"gd_recovery_failed", 40, "Recovery code rejected", mistaken, parts, (*draft).factorFailed, nil},
		{"gd_tenant_update", 30, "Guardian tenant settings updated", team, parts, (*draft).factorSettings, nil},
	}
}

// factor writes a call of the factor service for a device of the person.
func (d *draft) factor(path, authenticator, body string, status int64) {
	d.open("request")
	d.str("method", "POST")
	d.str("path", path)
	d.str("ip", d.address)
	d.str("userAgent", d.device.raw)
	d.str("query", "")
	d.raw("body", body)
	d.open("auth")
	d.str("strategy", "jwt_mfa")
	d.raw("scopes", `["enroll","authenticate"]`)
	d.end()
	d.end()
	d.open("response")
	d.num("statusCode", status)
	d.end()
	d.enrollment(authenticator)
	d.open("authenticator")
	d.str("id", authenticator+"|dev_"+d.user.factor[:16])
	d.str("type", authenticator)
	d.end()
	d.session()
}

func (d *draft) enrollment(authenticator string) {
	d.open("enrollment")
	d.str("_id", d.user.factor)
	d.str("tenant", d.tenant.opts.Name)
	d.str("user_id", d.user.id)
	if authenticator == "sms" {
		d.str("phone_number", d.user.phone)
	} else {
		d.str("name", d.user.handle+"'s phone")
	}
	d.end()
	d.str("device_id", d.user.factor[4:20])
}

func (d *draft) factorStart() {
	d.factor("/api/start-flow", "push-notification", `{"state_transport":"polling"}`, 201)
}

func (d *draft) factorPush() {
	d.factor("/api/send-push-notification", "push-notification", `{}`, 204)
}

func (d *draft) factorText() {
	d.factor("/api/send-sms", "sms", `{}`, 204)
}

func (d *draft) factorPassed() {
	d.factor("/api/verify-otp", "push-notification", `{"code":"*****"}`, 200)
	d.flag("remember_browser", false)
}

func (d *draft) factorRemoved() {
	d.factor("/api/device-accounts/"+d.user.factor+"/unenroll", "push-notification", `{}`, 204)
}

func (d *draft) failure(code, message string) {
	d.open("failure_details")
	d.str("errorCode", code)
	d.str("message", message)
	d.end()
}

func (d *draft) factorFailed() {
	d.factor("/api/verify-otp", "sms", `{"code":"*****"}`, 403)
	d.failure("invalid_otp", "Invalid OTP code")
}

func (d *draft) factorNotSent() {
	d.factor("/api/send-sms", "sms", `{}`, 500)
	d.open("provider_error")
	d.str("errorCode", "provider_unavailable")
	d.str("message", "The provider did not answer")
	d.end()
}

func (d *draft) factorSettings() {
	d.open("request")
	d.str("method", "PATCH")
	d.str("path", "/api/tenants/"+d.tenant.opts.Name)
	d.str("ip", d.address)
	d.str("userAgent", d.device.raw)
	d.raw("body", `{"friendly_name":"Acme"}`)
	d.end()
	d.open("response")
	d.num("statusCode", 200)
	d.end()
}
