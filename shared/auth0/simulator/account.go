package simulator

import "time"

const accountParts = withUser | withClient | withConnection | withStrategy | withAddress | withAgent

// accountKinds are sign-up, change and end of an account.
func accountKinds() []kind {
	const referred = accountParts | withReferences
	return []kind{
		{"ss", 700, "Successful signup", person, referred | withHost | withSDK | withTLS | withOrganization, (*draft).signup, []next{{"svr", 0.8}, {"s", 0.7}}},
		{"fs", 300, "The user already exists.", mistaken, referred | withTLS, (*draft).failedSignup, nil},
		{"scp", 150, "You can now login to the application with the new password.", person, referred, (*draft).newPassword, nil},
		{"fcp", 110, "Password is too weak", person, referred, (*draft).failedNewPassword, nil},
		{"sce", 110, "Successful email change", person, accountParts, (*draft).newEmail, []next{{"svr", 0.8}}},
		{"scu", 50, "Successful username change", person, accountParts, (*draft).newUsername, nil},
		{"sdu", 80, "User successfully deleted", person, accountParts &^ withClient, (*draft).deleted, nil},
		{"si", 60, "Successfully accepted a user invitation", person, invitationParts, (*draft).invitation, []next{{"organization_member_added", 0.9}}},
		{"fi", 40, "User not found or email does not match the invitation", person, invitationParts, (*draft).invitation, nil},
		{"organization_member_added", 90, "Organization member added", person, withUser | withClient | withConnection | withAddress | withAgent | withHost | withOrganization, (*draft).member, nil},
	}
}

const invitationParts = withUser | withClient | withConnection | withAddress | withAgent | withHost | withOrganization

func (d *draft) signup() {
	u := d.user
	d.open("body")
	d.str("client_id", d.client.id)
	d.str("connection", u.connection.name)
	d.str("email", u.email)
	d.flag("email_verified", false)
	d.str("name", u.full)
	d.str("password", "*****")
	d.str("tenant", d.tenant.opts.Name)
	d.str("user_id", u.identity)
	d.str("request_language", "en-GB,en;q=0.9")
	d.open("user_metadata")
	d.str("newsletter", "no")
	d.end()
	d.end()
	spent := time.Duration(d.tenant.dice.between(4_000, 90_000)) * time.Millisecond
	d.num("initiatedAt", d.millis(spent))
	d.num("completedAt", d.millis(0))
	d.num("elapsedTime", spent.Milliseconds())
	d.session()
	d.risk()
}

func (d *draft) failedSignup() {
	d.str("grant_type", "password")
	d.risk()
}

// ticket writes the form that a person sent from a page of Auth0.
func (d *draft) ticket(withPassword bool) {
	d.open("body")
	if withPassword {
		d.tokenID("_csrf", 32)
		d.str("newPassword", "*****")
		d.str("confirmNewPassword", "*****")
	} else {
		d.str("tenant", d.tenant.opts.Name)
	}
	d.tokenID("ticket", 32)
	d.end()
}

func (d *draft) newPassword() {
	d.ticket(true)
	d.open("query")
	d.str("client_id", d.client.id)
	d.str("connection", d.user.connection.name)
	d.str("email", d.user.email)
	d.str("tenant", d.tenant.opts.Name)
	d.str("user_id", d.user.id)
	d.str("username", d.user.login)
	d.end()
	d.str("email", d.user.email)
	d.str("title", "Password Changed")
}

func (d *draft) failedNewPassword() {
	d.ticket(true)
	d.str("description", "Password is too weak")
	d.open("query")
	d.str("client_id", d.client.id)
	d.str("connection", d.user.connection.name)
	d.str("email", d.user.email)
	d.flag("includeEmailInRedirect", false)
	d.flag("markEmailAsVerified", false)
	d.str("newPassword", "*****")
	d.str("resultUrl", d.client.origin)
	d.str("tenant", d.tenant.opts.Name)
	d.str("user_id", d.user.id)
	d.str("username", d.user.login)
	d.end()
}

func (d *draft) newEmail() {
	d.open("body")
	d.str("client_id", d.client.id)
	d.str("connection", d.user.connection.name)
	d.str("email", d.user.email)
	d.str("email_verified", "false")
	d.str("newEmail", "new."+d.user.email)
	d.str("tenant", d.tenant.opts.Name)
	d.str("user_id", d.user.id)
	d.flag("verify", true)
	d.end()
}

func (d *draft) newUsername() {
	d.open("body")
	d.str("clientId", d.client.id)
	d.str("connection", d.user.connection.name)
	d.str("email", d.user.email)
	d.str("oldUsername", d.user.handle)
	d.str("newUsername", d.user.handle+"1")
	d.str("tenant", d.tenant.opts.Name)
	d.str("user_id", d.user.id)
	d.end()
}

func (d *draft) deleted() {
	d.open("body")
	d.str("connection", d.user.connection.name)
	d.str("tenant", d.tenant.opts.Name)
	d.end()
}

func (d *draft) invitation() {
	d.open("invitation")
	d.tokenID("id", 24)
	d.str("client_id", d.client.id)
	d.stamp("created_at", -36*time.Hour)
	d.stamp("expires_at", 5*24*time.Hour)
	d.open("invitee")
	d.str("email", d.user.email)
	d.end()
	d.open("inviter")
	d.str("name", d.tenant.world.admins[0].name)
	d.str("organization_id", d.tenant.organizationOf(d.scene).id)
	d.end()
	d.list("roles")
	d.endList()
	d.tokenID("ticket_id", 32)
	d.end()
}

func (d *draft) stamp(name string, after time.Duration) {
	d.key(name)
	d.b = append(d.b, '"')
	d.b = d.at.Add(after).AppendFormat(d.b, "2006-01-02T15:04:05.000Z")
	d.b = append(d.b, '"')
}

func (d *draft) member() {
	d.str("reason", "invitation")
}
