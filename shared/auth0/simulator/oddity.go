package simulator

// loginRarities are logins of products few tenants use, and what goes wrong
// around a login without being a wrong password.
func loginRarities() []rarity {
	const known = withUser | withClient | withConnection | withAddress | withAgent | withHost
	return []rarity{
		{"fc", "The directory did not accept the user name or password", mistaken, loginParts &^ withOrganization, `"error":{"message":"InvalidCredentialsError"}`, nil},
		{"fdelsa", "Login required", person, withUser | withClient | withAddress | withAgent | withHost | withAudience | withScope | withSDK, `"session":{"cookie":{"mode":"non-persistent"}},"triggered_by_session_transfer_token":false,` + supportActor, nil},
		{"passkey_challenge_failed", "The challenge has expired", person, known | withSDK | withReferences, `"purpose":"login","error":{"message":"The challenge has expired"}`, nil},
		{"rich_consents_access_error", "Rich consent record not found", person, withAddress | withAgent | withHost, `"error":{"message":"Rich consent record not found"},"requestedRichConsentId":"cns_$token22"`, nil},
		{"acul_sdk_notice", "The SDK of the custom login page is deprecated", person, withClient | withAddress | withAgent | withSDK, `"id":"acul-sdk-deprecation","message":"Version 0.1 ends soon","documentation":"https://auth0.com/docs/customize/login-pages/advanced-customizations","sdk_version":"0.1.0-beta.4","request":{"path":"/u/login/identifier"}`, nil},
		{"limit_delegation", "Too many calls to /delegation", mistaken, withUser | withConnection | withAddress | withAgent | withHost, "", nil},
		{"limit_phone", "Too many messages to one telephone number", mistaken, withUser | withClient | withConnection | withAddress | withAgent, `"type":"mfa","delivery_method":"sms","trigger_time":"$ago0","reset_time":"$in7200","body":{"phone_number":"$phone"}`, nil},
		{"federated_logout_failed", "Logout at the identity provider failed", person, withUser | withConnection | withAddress | withAgent, `"errors":["The end session endpoint of $con answered 500"]`, nil},
		{"universal_logout_succeeded", "Universal logout succeeded", person, withUser | withConnection | withAddress | withAgent, `"request":{"method":"POST","path":"/oauth/global-token-revocation/connection/$con"},"response":{"statusCode":204}`, []next{{"oidc_backchannel_logout_succeeded", 0.4}}},
		{"universal_logout_failed", "User not found", person, withConnection | withAddress | withAgent, `"error":"User not found","response":{"statusCode":404}`, nil},
		{"fapi", "Insufficient scope, expected any of: delete:users", machine, withClient | withAddress | withAgent | withReferences, `"request":{"method":"delete","path":"/api/v2/users/auth0%7C$hex24","query":{},"userAgent":"$agent","channel":"api","ip":"$ip","auth":{"user":{},"strategy":"jwt","credentials":{"jti":"$hex32"}},"body":{}},"response":{"statusCode":403,"body":{"statusCode":403,"error":"Forbidden","errorCode":"insufficient_scope","message":"Insufficient scope, expected any of: delete:users"}}`, nil},
	}
}

// delegatedKinds are logins whose details are those of ordinary ones.
func delegatedKinds() []kind {
	const passkey = withUser | withClient | withConnection | withAddress | withAgent | withHost | withSDK | withReferences
	const silent = withUser | withClient | withAddress | withAgent | withHost | withSDK | withSessionConnection
	return []kind{
		{"scv", 0, "Credentials are valid", person, plainLoginParts | withHost | withSDK | withReferences, (*draft).login, nil},
		{"sdel", 0, "Successful delegated login", person, loginParts | withHost | withSDK, (*draft).delegatedLogin, []next{{"sdeleacft", 0.8}}},
		{"sdelsa", 0, "", person, silent, (*draft).delegatedSilent, nil},
		{"passkey_challenge_started", 0, "Passkey challenge started", person, passkey, (*draft).passkey, []next{{"s", 0.7}, {"passkey_challenge_failed", 0.1}}},
	}
}

func (d *draft) delegatedLogin() {
	d.login()
	d.members(supportActor)
}

func (d *draft) delegatedSilent() {
	d.silent()
	d.executions()
	d.flag("triggered_by_session_transfer_token", false)
	d.members(supportActor)
}

func (d *draft) passkey() {
	d.str("purpose", "login")
	d.silent()
}

// accountRarities are changes of an account that databases of a tenant's own
// make, and those people make themselves.
func accountRarities() []rarity {
	const called = withUser | withClientID | withConnection | withAddress | withAgent | withHost | withReferences
	const deleted = `"body":{"tenant":"$tenant","connection":"$con"}`
	const owner = `"body":{"tenant":"$tenant","client_id":"$client","connection":"$con","user_id":"$user"`
	const request = `"request":{"method":`
	return []rarity{
		{"du", "User deleted", person, accountParts &^ withClient, deleted, nil},
		{"fdu", "The user could not be deleted from the custom database", person, accountParts &^ withClient, deleted, nil},
		{"fce", "The email is already in use", person, accountParts &^ withAddress, owner + `,"email":"$mail","newEmail":"taken.$mail","verify":true,"email_verified":false}`, nil},
		{"fcu", "The user name is already in use", person, accountParts, owner + `,"email":"$mail","oldUsername":"$handle","newUername":"admin"}`, nil}, // Auth0's own spelling
		{"scpn", "", person, accountParts, owner + `,"old_phone_number":"$phone","new_phone_number":"+447700900$roll9","verify":true,"phone_verified":false}`, nil},
		{"fcpn", "The phone number is already in use", person, accountParts, owner + `,"old_phone_number":"$phone","new_phone_number":"+447700900$roll9","verify":false,"phone_verified":"false"}`, nil},
		{"scph", "The hook after the password change ran", person, accountParts, `"actions":{"executions":["$token46"]}`, nil},
		{"fcph", "The hook after the password change failed", person, accountParts, `"actions":{"executions":["$token46"]}`, nil},
		{"fpurh", "The hook after the registration failed", person, accountParts | withReferences, `"error":{"message":"ETIMEDOUT","type":"hook"}`, nil},
		{"fui", "The import has rows with errors", team, withClient | withConnection | withStrategy | withAddress | withAgent, `"tenant":"$tenant","connection":"$con"`, nil},
		{"fv", "This URL can be used only once", person, accountParts | withReferences | withForm, `"body":{"ticket":"*****","tenant":"$tenant"},"email":"$mail",` + verifyQuery + `,"title":"Email not verified"`, nil},
		{"wn", "The message was sent late", person, withUser | withClient | withConnection, `"notification_channel":"sms","notification_type":"otp_verify","to":"$phone","warning":"The provider asked to try again after 2 s"`, nil},
		{"wum", "The profile is larger than what is kept", person, withUser, `"tenant":"$tenant","user_id":"$user"`, nil},
		{"connected_accounts_connection_succeeded", "Connected account created", person, called, `"connected_account":{"id":"cac_$token22","idp_user_id":"$identity"},` + request + `"POST","path":"/me/v1/connected-accounts/complete"}`, []next{{"seta", 0.3}}},
		{"connected_accounts_connection_failed", "The connect code has expired", person, called, `"error":{"status":400,"title":"Bad Request","detail":"The connect code has expired","type":"https://auth0.com/api-errors#A0E-400-0011"},` + request + `"POST","path":"/me/v1/connected-accounts/complete"}`, nil},
		{"connected_accounts_delete_succeeded", "Connected account deleted", person, called, `"connected_account":{"id":"cac_$hex22"},` + request + `"DELETE","path":"/me/v1/connected-accounts/accounts/cac_$hex22"}`, nil},
		{"connected_accounts_delete_failed", "There is no connected account with this id", person, called, `"connected_account":{"id":"cac_unknown"},"error":{"status":404,"title":"Not Found","detail":"There is no connected account with this id","type":"https://auth0.com/api-errors#A0E-404-0001"},` + request + `"DELETE","path":"/me/v1/connected-accounts/accounts/cac_unknown"}`, nil},
		{"my_account_authentication_method_succeeded", "Authentication method created", person, called | withSDK, `"operation":"create","authentication_method":"passkey","authentication_method_id":"passkey|dev_$token16",` + request + `"POST","path":"/me/v1/authentication-methods"},"session_id":"$session"`, nil},
		{"my_account_authentication_method_failed", "The one-time code does not match", person, called | withSDK, `"operation":"create","authentication_method":"totp","authentication_method_id":"totp|dev_$token16",` + request + `"POST","path":"/me/v1/authentication-methods"},"session_id":"$session","error":{"status":400,"title":"Bad Request","detail":"The one-time code does not match","type":"https://auth0.com/api-errors#A0E-400-0003"}`, nil},
	}
}

// verifyQuery is the query of a link in a message, which fv shows twice.
const verifyQuery = `"query":{"user_id":"$user","client_id":"$client","tenant":"$tenant","connection":"$con","email":"$mail","resultUrl":"$origin/done","idp_user_id":"$identity","includeEmailInRedirect":"false"}`
