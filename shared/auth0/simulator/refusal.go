package simulator

// factorRarityKinds are what seldom happens with second factors.
func factorRarityKinds() []kind {
	const parts = withUser | withAddress | withAgent | withReferences
	return []kind{
		{"gd_send_email_verification", 0, "Guardian - Email verification sent", person, parts, factorCall("/api/send-email-verification", "email", `{}`, 204), []next{{"gd_auth_email_verification", 0.8}}},
		{"gd_send_email_verification_failure", 0, "Guardian - Email verification could not be sent", person, parts, refusedProvider("/api/send-email-verification", "email", "EAUTH", "The mail server refused the credentials"), nil},
		{"gd_auth_email_verification", 0, "Guardian - Email verification confirmed", person, parts, factorCall("/api/verify-email", "email", `{"code":"*****"}`, 200), nil},
		{"gd_auth_fail_email_verification", 0, "Guardian - Email verification failed", person, parts, refusedFactor(factorCall("/api/verify-email", "email", `{"code":"*****"}`, 403), "invalid_otp", "Invalid code"), nil},
		{"gd_recovery_rate_limit_exceed", 0, "Guardian - Too many failed recovery codes", mistaken, parts, refusedFactor(factorCall("/api/recover-account", "recovery-code", `{"recovery_code":"*****"}`, 429), "too_many_failures", "Too many failed recovery codes"), nil},
		{"gd_send_voice_failure", 0, "Guardian - Second factor voice call failed", person, parts, refusedProvider("/api/send-voice", "voice", "13223", "The number is not reachable"), nil},
		{"gd_start_enroll_failed", 0, "Guardian - Enrollment could not start", person, parts, refusedFactor(factorCall("/api/start-flow", "push-notification", `{}`, 403), "enrollment_transaction_not_found", "The enrolment transaction has expired"), nil},
		{"gd_webauthn_challenge_failed", 0, "Guardian - WebAuthn challenge failed", person, parts | withConnection, refusedFactor(factorCall("/api/webauthn/verify", "webauthn-roaming", `{}`, 403), "invalid_assertion", "The signature does not match"), nil},
		{"gd_webauthn_enrollment_failed", 0, "Guardian - WebAuthn enrolment failed", person, parts | withConnection, refusedFactor(factorCall("/api/webauthn/enroll", "webauthn-platform", `{}`, 400), "user_verification_missing", "The device did not verify the user"), nil},
		{"too_many_records", 0, "The user has as many authenticators as allowed", person, parts, refusedFactor(factorCall("/api/enroll", "sms", `{}`, 403), "too_many_records", "Remove an authenticator first"), nil},
	}
}

func factorCall(path, authenticator, body string, status int64) func(*draft) {
	return func(d *draft) { d.factor(path, authenticator, body, status) }
}

func refusedFactor(call func(*draft), code, message string) func(*draft) {
	return func(d *draft) {
		call(d)
		d.failure(code, message)
	}
}

// refusedProvider is a message or call that whoever sends them did not take.
func refusedProvider(path, authenticator, code, message string) func(*draft) {
	return func(d *draft) {
		d.factor(path, authenticator, `{}`, 500)
		d.open("provider_error")
		d.str("errorCode", code)
		d.str("message", message)
		d.end()
	}
}
