package simulator

const (
	grantParts   = withClient | withAddress | withAgent | withHost | withAudience | withScope | withTLS
	mfaParts     = tokenParts | grantParts
	mfaBare      = mfaParts | withoutDetails
	pastURN      = `"subject_token_type":"urn:acme:legacy-session"`
	accessURN    = `"subject_token_type":"urn:ietf:params:oauth:token-type:access_token","requested_token_type":"urn:ietf:params:oauth:token-type:access_token"`
	appleURN     = `"subject_token_type":"http://auth0.com/oauth/token-type/apple-authz-code"`
	issued       = `"access_token_jti":"$token22"`
	agentActor   = `"actor":{"sub":"agent|crm-helper-01","act":{"sub":"agent|planner-02","act":{"sub":"agent|router-03","act":{"sub":"agent|gateway-04","act":{"sub":"agent|edge-05"}}}}}`
	supportActor = `"actor":{"sub":"auth0|6459c1de4703f3a65dc25801"}`
)

// exchangeRarities are grants that few applications use.
func exchangeRarities() []rarity {
	return []rarity{
		{"success_on_behalf_of_token_exchange", "On-behalf-of token issued", person, grantParts&^withHost | withUser | withConnection, accessURN + "," + issued + "," + agentActor, nil},
		{"failed_on_behalf_of_token_exchange", "The subject token has expired", machine, grantParts, accessURN + `,"actor":{"sub":"agent|crm-helper-01","act":null}`, nil},
		{"secte", "Custom token exchanged", person, grantParts&^withHost | withUser | withConnection | withActingAgent, pastURN + "," + issued + "," + agentActor, nil},
		{"fecte", "The Action refused the subject token", machine, grantParts | withActingAgent, pastURN + `,"actor":{"sub":null,"act":{"sub":null,"act":null}}`, nil},
		{"sens", "Successful exchange of a native social profile", person, grantParts&^withHost | withUser | withConnection | withSDK, appleURN + "," + issued, nil},
		{"fens", "Invalid subject token", person, grantParts | withConnection | withSDK, appleURN, nil},
		{"idjag_exchange_succeeded", "Identity assertion exchanged for an access token", person, grantParts | withUser | withConnection | withClientAddress | withCertificate | withOrganization, issued + `,"actions":{"executions":["$token46"]},"requested_client_id":"$client"`, nil},
		{"idjag_exchange_failed", "The issuer of the assertion is not trusted", person, grantParts | withConnection | withClientAddress, `"requested_client_id":"$client"`, nil},
		{"jwt_bearer_exchange_failed", "The assertion is not valid", machine, grantParts | withClientAddress, `"error":{"message":"jwt expired"}`, nil},
		{"seta", "Token of the third party issued", person, plainLoginParts | withActingAgent | withIdentity, `"subject_token_type":"urn:ietf:params:oauth:token-type:refresh_token","issued_token_type":"http://auth0.com/oauth/token-type/federated-connection-access-token","expires_at":"$in3600","is_privileged_worker":false,"scope":"https://www.googleapis.com/auth/calendar.readonly","token_thumbprint":"$hex64","token_broker":"auth0"`, nil},
		{"feta", "Token of the third party not issued", person, plainLoginParts, `"subject_token_type":"urn:ietf:params:oauth:token-type:refresh_token","failure_reason":"federated_connection_refresh_token_not_found","is_privileged_worker":false,"enterprise_connection":"$con","enterprise_connection_id":"$conid","token_broker":"auth0"`, nil},
		{"sdeleacft", "Delegated authorization code exchanged", person, tokenParts | withHost | withAudience | withReferences | withTLS | withCertificate | withLinking, issued + `,"code":"*************$hex3","refresh_token":{"access":"offline","session_id":"$session"},"requested_client_id":"$client",` + supportActor, nil},
		{"fdeleacft", "Invalid authorization code", person, tokenParts | withHost | withReferences | withTLS | withLinking, `"code":null,"requested_client_id":"$client",` + supportActor, nil},
		{"sd", "Delegation token issued", person, withUser | withClient | withConnection | withAddress | withAgent | withHost | withSDK, `"grant_type":"urn:ietf:params:oauth:grant-type:jwt-bearer","api_type":"firebase","device":"browser","scope":"openid","target":"$other"`, nil},
		{"fd", "The application may not use delegation", person, withUser | withClient | withConnection | withAddress | withAgent | withHost | withSDK, `"grant_type":"urn:ietf:params:oauth:grant-type:jwt-bearer","api_type":"aws","device":"browser","scope":"openid","target":"$other"`, nil},
		{"fpar", "Parameter not supported: request_uri", machine, withClient | withAddress | withAgent | withHost | withScope, `"error":{"message":"Parameter not supported: request_uri","oauthError":"invalid_request","type":"request-error","payload":{"message":"Parameter not supported","name":"InvalidRequest","code":"invalid_request","status":"400","attempt":1,"clientID":"$client","authorized":["$audience"]}},"qs":{"client_id":"$client","request_uri":"urn:example:1"},"session_id":"$token32","riskAssessment":{"confidence":"neutral","version":"1","assessments":{"UntrustedIP":{"confidence":"high","code":"not_found_on_deny_list"}}}`, nil},
	}
}

// backchannelRarities are logins on one device that another device confirms.
func backchannelRarities() []rarity {
	const started = withClient | withAddress | withAgent | withHost | withSDK | withCertificate
	const linked = `"transaction_linking_id":"cns_$token22"`
	return []rarity{
		{"ciba_start_succeeded", "Backchannel login started", person, started | withUser, `"body":{"login_hint":"{\"format\":\"iss_sub\",\"iss\":\"https://$host/\",\"sub\":\"$user\"}","scope":"openid transfer:funds","audience":"$audience"},"notification_channel":"guardian-push",` + linked, []next{{"ciba_exchange_succeeded", 0.6}, {"ciba_exchange_failed", 0.1}}},
		{"ciba_start_failed", "User does not have push notifications enabled", person, started, `"body":{"login_hint":"{\"format\":\"iss_sub\",\"sub\":\"$user\"}","scope":"openid","audience":"$audience"},"error":{"message":"User does not have push notifications enabled"}`, nil},
		{"ciba_exchange_succeeded", "Backchannel login exchanged for tokens", person, started | withUser | withAudience | withActingAgent, `"notification_channel":"guardian-push",` + linked, nil},
		{"ciba_exchange_failed", "Client authentication failed", person, started, `"error":{"message":"Client authentication failed"},"client_authentication_error":"mtls_certificate_mismatch"`, nil},
		{"fede", "The device code has expired", machine, withClient | withAddress | withAgent | withHost | withTLS | withClientAddress | withActingAgent, `"device_code":"*****"`, nil},
		{"fdeac", "The user code is not valid", person, plainLoginParts | withAudience | withScope, `"code":"BDWP-HQPK","connection":"$con","session_id":"$session","error":{"type":"invalid_code"}`, nil},
		{"fdeaz", "Unauthorized client", machine, withClient | withAddress | withAgent | withHost, `"body":{"client_id":"$client","audience":"$audience","scope":"openid profile"},"qs":{},"error":{"message":"Unauthorized client","oauthError":"unauthorized_client","type":"oauth-device","uri":"https://auth0.com/docs","payload":{"message":"Unauthorized client","name":"ClientError","code":"unauthorized_client","status":"403","attempt":1,"clientID":"$client","authorized":["authorization_code"]}}`, nil},
		{"fdecc", "User cancelled the confirmation of the device", person, withUser | withClient | withAddress | withAgent, `"session_id":"$session"`, nil},
	}
}

// factorExchangeRarities are grants of applications that ask for the second
// factor themselves. Auth0 leaves the description of most successes empty.
func factorExchangeRarities() []rarity {
	const grant = `"grant_type":"http://auth0.com/oauth/grant-type/`
	return []rarity{
		{"seoobft", "", person, mfaParts, `"actions":{"executions":["$token46"]}`, nil},
		{"feoobft", "Authorization pending: please repeat the request in a few seconds.", person, mfaBare &^ withSDK, "", []next{{"seoobft", 0.7}}},
		{"seotpft", "", person, mfaParts, grant + `mfa-otp"`, nil},
		{"feotpft", "Invalid otp_code.", person, mfaBare, "", []next{{"seotpft", 0.6}}},
		{"sepkoobft", "", person, mfaParts, grant + `mfa-oob"`, nil},
		{"sepkotpft", "", person, mfaParts, grant + `mfa-otp"`, nil},
		{"sepkrcft", "", person, mfaParts, grant + `mfa-recovery-code"`, nil},
		{"sercft", "", person, mfaParts &^ withSDK, grant + `mfa-recovery-code"`, nil},
		{"fercft", "MFA Authorization rejected.", mistaken, mfaBare &^ withSDK, "", nil},
		{"fepotpft", "Wrong phone number or verification code.", mistaken, mfaBare, "", nil},
	}
}
