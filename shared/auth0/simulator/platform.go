package simulator

import "time"

// platformKinds are what Auth0 tells about itself and about directories.
func platformKinds() []kind {
	const called = withClient | withAddress | withAgent
	const known = withUser | withClient | withConnection
	return []kind{
		{"sscim", 450, "Successful SCIM operation", directory, called, (*draft).provision, nil},
		{"fscim", 60, "Failed SCIM operation", directory, called, (*draft).failedProvision, nil},
		{"depnote", 120, "Legacy Lock API: this feature is being deprecated. Please refer to our documentation to learn how to migrate your application.", person, known | withAddress | withAgent | withSDK, (*draft).deprecated, nil},
		{"api_limit", 80, "You have reached the rate limit of this endpoint", machine, withClient | withAgent | withHost, (*draft).limited, nil},
		{"api_limit_warning", 60, "The rate limit of this endpoint is about to be reached", machine, withClient | withAgent | withHost, (*draft).nearlyLimited, nil},
		{"actions_execution_failed", 70, "Action execution failed", person, known | withStrategy | withAddress | withAgent | withHost | withOrganization, (*draft).actionFailed, nil},
		{"resource_cleanup", 60, "Excess refresh tokens removed", person, withUser | withClient | withAgent, (*draft).cleanup, nil},
		{"acls_summary", 60, "Tenant ACL summary", platform, 0, (*draft).aclSummary, nil},
		{"sui", 30, "Users import finished", platform, 0, (*draft).imported, nil},
		{"oidc_backchannel_logout_succeeded", 120, "OIDC back-channel logout succeeded", person, withUser | withClient, (*draft).backchannel, nil},
		{"oidc_backchannel_logout_failed", 40, "OIDC back-channel logout failed", person, withUser | withClient, (*draft).failedBackchannel, nil},
		{"fco", 40, "Origin is not in the list of allowed origins", person, known | withAddress | withAgent | withHost | withSDK, (*draft).foreignOrigin, nil},
	}
}

func (d *draft) scim(action, method string, status int64) {
	d.str("action", action)
	d.str("connection_id", d.connection.id)
	d.open("request")
	d.str("method", method)
	d.str("path", "/scim/v2/connections/"+d.connection.id+"/Users")
	d.raw("query", "{}")
	d.str("ip", d.address)
	d.str("userAgent", d.device.raw)
	d.open("body")
	d.raw("schemas", `["urn:ietf:params:scim:schemas:core:2.0:User"]`)
	d.str("userName", d.user.email)
	d.str("displayName", d.user.full)
	d.str("externalId", d.user.identity)
	d.flag("active", true)
	d.end()
	d.end()
	d.open("response")
	d.num("statusCode", status)
	d.end()
}

func (d *draft) provision() { d.scim("create_user", "POST", 201) }

func (d *draft) failedProvision() { d.scim("create_user", "POST", 409) }

func (d *draft) deprecated() {
	d.open("feature")
	d.str("id", "legacy_lock_api_user_info_with_id_token")
	d.str("description", "A request used an ID token where an access token is needed.")
	d.str("name", "Legacy Lock API: user info with an ID token")
	d.str("documentation", "https://auth0.com/docs/troubleshoot/product-lifecycle/deprecations-and-migrations")
	d.end()
	d.str("method", "POST")
	d.str("path", "/tokeninfo")
}

func (d *draft) limit(usage int64) {
	d.open("limit")
	d.str("bucket", "global")
	d.flag("global", true)
	d.num("size", 100)
	if usage > 0 {
		d.num("usage", usage)
	}
	d.end()
	d.open("request")
	d.str("method", "POST")
	d.str("path", "/oauth/token")
	d.end()
}

func (d *draft) limited() { d.limit(0) }

func (d *draft) nearlyLimited() { d.limit(int64(d.tenant.dice.between(80, 99))) }

func (d *draft) actionFailed() {
	d.str("action_id", "4b1f6c0e-7a6b-4a8b-9d43-0c1d6a6f2a11")
	d.str("action_name", "Add claims")
	d.str("trigger_id", "post-login")
	d.hexID("binding_id", 32)
	d.hexID("version_id", 32)
	d.tokenID("execution_id", 56)
	d.str("error_class", "action_error")
	d.open("action_error")
	d.str("code", "ERR_ACTION")
	d.str("name", "TypeError")
	d.str("message", "Cannot read properties of undefined (reading 'roles')")
	d.str("stack", "TypeError: Cannot read properties of undefined (reading 'roles')\n    at exports.onExecutePostLogin (/data/action.js:12:41)")
	d.end()
}

func (d *draft) cleanup() {
	d.str("resource", "refresh_token")
	d.num("start", 201)
	d.num("removedCount", 1)
	d.num("endCount", 200)
}

func (d *draft) aclSummary() {
	d.stamp("start_time", -time.Hour)
	d.stamp("end_time", 0)
	d.list("stats")
	d.item()
	d.str("acl_id", "acl_3hZ7p1kQyLr8sVwT")
	d.str("action", "block")
	d.str("description", "Countries without customers")
	d.num("priority", 1)
	d.open("match")
	d.num("successes", int64(d.tenant.dice.IntN(400)))
	d.end()
	d.open("total_request_count")
	d.num("successes", int64(d.tenant.dice.between(10_000, 90_000)))
	d.end()
	d.end()
	d.endList()
}

func (d *draft) imported() {
	d.str("connection", d.tenant.world.connections[0].name)
	d.str("tenant", d.tenant.opts.Name)
}

func (d *draft) logoutCall(status int64) {
	d.str("initiator", "session-revoked")
	d.open("request")
	d.str("method", "POST")
	d.str("backchannel_logout_uri", d.client.origin+"/backchannel-logout")
	d.end()
	d.open("response")
	d.num("statusCode", status)
	d.end()
}

func (d *draft) backchannel() { d.logoutCall(204) }

func (d *draft) failedBackchannel() { d.logoutCall(504) }

func (d *draft) foreignOrigin() {
	d.str("method", "POST")
	d.str("origin", "https://old.acme.example")
	d.str("host", d.tenant.world.host)
	d.flag("xhr", true)
	d.open("headers")
	d.str("content-type", "application/json")
	d.str("referer", "https://old.acme.example/")
	d.end()
	d.list("allowedOrigins")
	d.comma()
	d.b = appendQuoted(d.b, d.client.origin)
	d.endList()
	d.str("originalUrl", "/co/authenticate")
}
