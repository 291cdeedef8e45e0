package simulator

import "time"

// actor says who is behind an event.
type actor uint8

const (
	person    actor = iota // somebody the tenant knows, on a device of their own
	mistaken               // the same, but one in six is an attacker with a known name
	stranger               // an address that tries names the tenant does not know
	machine                // an application without a person
	team                   // a member of the tenant's own team
	directory              // a customer's directory that speaks SCIM
	platform               // Auth0 itself
)

// part is a group of members of data that an event type carries.
type part uint32

const (
	withUser part = 1 << iota
	withClient
	withConnection
	withStrategy
	withAddress
	withAgent
	withHost
	withSDK
	withReferences
	withTLS
	withOrganization
	withAudience
	withScope
	withClientAddress
	withActingAgent
	withCertificate
	withLinking
	withSessionConnection
	withIdentity
	withClientID
	withForm
	withoutDetails
)

// kind is one event type.
type kind struct {
	code   string
	weight int // of about 100,000
	text   string
	actor  actor
	parts  part
	// details writes the members of data.details; nil means that there are none.
	details func(*draft)
	then    []next
}

// next is what may follow an event in the same scene.
type next struct {
	code   string
	chance float64
}

// scene is who does something, where and with what.
type scene struct {
	user         *user
	client       *client
	device       *device
	connection   *connection
	admin        *admin
	address      string
	attempted    string // the name a stranger tried
	risky        bool
	counter      int64 // of a refresh token; zero takes the user's own
	reused       bool
	management   *operation
	organization *organization
}

// cast fills a scene for an actor.
func (t *Tenant) cast(who actor) scene {
	switch who {
	case machine:
		c := pickEarly(t.dice, t.world.machines)
		return scene{client: c, device: c.agent, address: c.address}
	case team:
		a := pickEarly(t.dice, t.world.admins)
		return scene{
			client: t.world.management, admin: a, user: pick(t.dice, t.world.users), connection: t.world.connections[0],
			device: a.device, address: a.address,
		}
	case directory:
		return scene{
			client: t.world.management, connection: t.world.scim, user: pick(t.dice, t.world.users),
			device: t.world.programs[0], address: pick(t.dice, serverAddresses()),
		}
	case platform:
		return scene{client: pickEarly(t.dice, t.world.clients), device: t.world.programs[0]}
	case stranger:
		return t.castStranger()
	case mistaken:
		if t.dice.chance(0.16) {
			return t.castAttack(pick(t.dice, t.world.users))
		}
		return t.castPerson(pickEarly(t.dice, t.world.users))
	default:
		return t.castPerson(pickEarly(t.dice, t.world.users))
	}
}

func (t *Tenant) castPerson(u *user) scene {
	return scene{
		user: u, client: pickEarly(t.dice, t.world.clients), device: pickEarly(t.dice, u.devices),
		connection: u.connection, address: u.home, organization: u.organization,
	}
}

func (t *Tenant) castStranger() scene {
	return scene{
		client: t.world.clients[0], device: pick(t.dice, t.world.tools), connection: t.world.connections[0],
		address: pickEarly(t.dice, t.world.attackers), attempted: t.opts.Privacy.cover(t.unknownName()),
	}
}

// castAttack is somebody else with a known person's name.
func (t *Tenant) castAttack(u *user) scene {
	s := t.castStranger()
	s.user, s.connection, s.organization, s.risky = u, u.connection, u.organization, true
	return s
}

// organizationOf is the scene's organization; who has none is invited to the
// tenant's largest.
func (t *Tenant) organizationOf(s scene) *organization {
	if s.organization != nil {
		return s.organization
	}
	return t.world.organizations[0]
}

func (t *Tenant) unknownName() string {
	return mailbox(pick(t.dice, givenNames())) + t.dice.digits(3) + "@" + pick(t.dice, mailDomains())
}

// draft is an event while it is written.
type draft struct {
	object
	scene
	tenant *Tenant
	kind   *kind
	at     time.Time
}

// element writes the whole event.
func (d *draft) element(id string) {
	d.b = append(d.b, `{"log_id":"`...)
	d.b = append(d.b, id...)
	d.b = append(d.b, `","data":{"date":"`...)
	d.b = d.at.AppendFormat(d.b, "2006-01-02T15:04:05.000Z")
	d.b = append(d.b, '"')
	d.str("type", d.kind.code)
	d.str("description", d.description())
	d.who()
	d.where()
	if d.kind.details != nil {
		d.open("details")
		d.kind.details(d)
		d.end()
	}
	d.traces()
	if d.has(seldomParts) {
		d.seldom()
	}
	d.members(d.tenant.world.tail)
	d.str("log_id", id)
	d.b = append(d.b, '}', '}')
}

// description is the event type's own, or the management call's.
func (d *draft) description() string {
	if d.management != nil {
		return d.management.text
	}
	return d.kind.text
}

func (k *kind) has(p part) bool { return k.parts&p != 0 }

func (d *draft) has(p part) bool { return d.kind.has(p) }

func (d *draft) who() {
	if d.has(withConnection) && d.connection != nil {
		d.members(d.connection.members)
	}
	if d.has(withClient) {
		d.members(d.client.members)
	}
	if d.has(withUser) {
		d.person()
	}
	if d.has(withStrategy) {
		d.members(d.connection.strategyMembers)
	}
	if d.has(withOrganization) && d.organization != nil {
		d.members(d.organization.members)
	}
	if d.has(withAudience) {
		d.str("audience", d.client.audience)
	}
	if d.has(withScope) {
		d.str("scope", d.client.scope)
	}
}

func (d *draft) person() {
	switch {
	case d.admin != nil:
		d.str("user_id", d.admin.id)
	case d.user != nil:
		d.members(d.user.members)
	case d.attempted != "":
		d.str("user_name", d.attempted)
	}
}

func (d *draft) where() {
	if d.has(withAddress) {
		d.str("ip", d.address)
	}
	if d.has(withClientAddress) {
		d.str("client_ip", orElse(d.client.address, d.address))
	}
	if d.has(withAgent) {
		d.members(d.device.members)
	}
	if d.has(withHost) {
		d.str("hostname", d.tenant.world.host)
	}
}

func (d *draft) traces() {
	if d.has(withSDK) && d.client.sdk != "" {
		d.raw("auth0_client", d.client.sdk)
	}
	if d.has(withReferences) {
		d.open("references")
		d.hexID("correlation_id", 32)
		d.hexID("trace_id", 32)
		d.end()
	}
	if d.has(withTLS) {
		d.open("security_context")
		d.str("ja3", d.device.ja3)
		d.str("ja4", d.device.ja4)
		d.end()
	}
}

// seldomParts are the groups that hardly any event has.
const seldomParts = withActingAgent | withCertificate | withLinking | withSessionConnection | withIdentity | withClientID | withForm

func (d *draft) seldom() {
	w := &d.tenant.world
	if d.has(withActingAgent) {
		d.members(w.assistant)
	}
	if d.has(withCertificate) {
		d.str("mtls_thumbprint_sha256", w.thumbprint)
	}
	if d.has(withLinking) {
		d.comma()
		d.form(`"transaction_linking_id":"$token27"`)
	}
	if d.has(withSessionConnection) {
		d.str("session_connection", d.connection.name)
	}
	if d.has(withIdentity) {
		d.str("identity_user_id", d.user.identity)
	}
	if d.has(withClientID) {
		d.str("client_id", d.client.id)
	}
	if d.has(withForm) {
		d.comma()
		d.form(`"body":{"ticket":"*****","tenant":"$tenant"},"email":"$mail",` + verifyQuery + `,"title":"Email not verified"`)
	}
}

// hexID and tokenID write ids that nothing else refers to.
func (d *draft) hexID(name string, n int) {
	d.key(name)
	d.b = append(d.b, '"')
	d.b = d.tenant.dice.appendHex(d.b, n)
	d.b = append(d.b, '"')
}

func (d *draft) tokenID(name string, n int) {
	d.key(name)
	d.b = append(d.b, '"')
	d.b = d.tenant.dice.appendToken(d.b, n)
	d.b = append(d.b, '"')
}

// millis is a time before the event, in milliseconds since 1970.
func (d *draft) millis(before time.Duration) int64 {
	return d.at.Add(-before).UnixMilli()
}

// session is the person's, or one that nobody knows.
func (d *draft) session() {
	if d.user != nil && !d.risky {
		d.str("session_id", d.user.session)
		return
	}
	d.tokenID("session_id", 32)
}
