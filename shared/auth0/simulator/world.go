package simulator

import (
	"fmt"
	"strings"
)

// user is a person the tenant knows. The prepared members save the hot path
// from quoting the same strings again for every event.
type user struct {
	id, login, email, full, handle, phone string
	identity                              string
	connection                            *connection
	organization                          *organization
	devices                               []*device
	home                                  string
	session, family, factor               string
	logins, counter                       int64
	members                               string
}

type connection struct {
	id, name, strategy, kind string
	members, strategyMembers string
}

type organization struct {
	id, name, members string
}

// client is an application of the tenant.
type client struct {
	id, name, kind, origin, audience, scope, address string
	agent                                            *device
	members, sdk                                     string
}

// device is a browser, an app or a program, with the text it sends and the
// short form Auth0 gives it in newer logs.
type device struct {
	members, ja3, ja4, raw string
}

// admin is a member of the tenant's own team.
type admin struct {
	id, name, email, address string
	device                   *device
}

type world struct {
	host, tail    string
	connections   []*connection
	organizations []*organization
	clients       []*client
	machines      []*client
	devices       []*device
	programs      []*device
	users         []*user
	admins        []*admin
	attackers     []string
	tools         []*device
	management    *client
	scim          *connection
	writes, reads []*operation
	// An agent that acts for people, and the certificate of applications that have one.
	assistant, thumbprint string
}

func newWorld(opts TenantOptions, d *dice) world {
	w := world{host: opts.Name + ".eu.auth0.com"}
	w.tail = `"tenant_name":"` + opts.Name + `","environment_name":"prod-eu-2","$event_schema":{"version":"1.0.0"}`
	w.connections = newConnections(d)
	w.scim = w.connections[len(w.connections)-1]
	w.organizations = newOrganizations(d)
	w.devices = newDevices(d, browsers())
	w.programs = newDevices(d, programs())
	w.tools = newDevices(d, attackTools())
	w.clients = newClients(d, applications(), nil, nil)
	for i, c := range w.clients {
		if c.kind == "regular_web" {
			c.address = serverAddresses()[i%len(serverAddresses())] // its server fetches the tokens
		}
	}
	w.machines = newClients(d, machineApplications(), w.programs, serverAddresses())
	w.management = newClients(d, managementApplication(w.host), nil, nil)[0]
	for _, network := range attackNetworks() {
		for range 4 {
			w.attackers = append(w.attackers, host(d, network))
		}
	}
	for i := range opts.Users {
		w.users = append(w.users, w.newUser(d, i, opts.Privacy))
	}
	w.admins = w.newAdmins(d, opts.Privacy)
	w.assistant = `"agent_id":"agt_` + alphanumeric(d.token(16)) + `","external_agent_id":"crm-helper-01"`
	w.thumbprint = d.hex(64)
	w.writes, w.reads = pointers(writes()), pointers(reads())
	return w
}

func pointers(operations []operation) []*operation {
	all := make([]*operation, 0, len(operations))
	for i := range operations {
		all = append(all, &operations[i])
	}
	return all
}

func newConnections(d *dice) []*connection {
	made := make([]*connection, 0, 6)
	for _, c := range connectionKinds() {
		c.id = "con_" + alphanumeric(d.token(16))
		c.members = `"connection":` + quoted(c.name) + `,"connection_id":"` + c.id + `"`
		c.strategyMembers = `"strategy":"` + c.strategy + `","strategy_type":"` + c.kind + `"`
		made = append(made, &c)
	}
	return made
}

func newOrganizations(d *dice) []*organization {
	var made []*organization
	for _, name := range organizationNames() {
		o := &organization{id: "org_" + alphanumeric(d.token(16)), name: name}
		o.members = `"organization_id":"` + o.id + `","organization_name":"` + o.name + `"`
		made = append(made, o)
	}
	return made
}

func newDevices(d *dice, agents []agent) []*device {
	var made []*device
	for i, a := range agents {
		text := a.raw
		if i%2 == 1 && a.short != "" {
			text = a.short
		}
		made = append(made, &device{
			raw:     a.raw,
			members: fmt.Sprintf(`"user_agent":%s,"is_mobile":%t`, quoted(text), a.mobile),
			ja3:     d.hex(32),
			ja4:     fmt.Sprintf("t13d%02d%02dh2_%s_%s", d.between(13, 17), d.between(10, 18), d.hex(12), d.hex(12)),
		})
	}
	return made
}

func newClients(d *dice, from []client, agents []*device, addresses []string) []*client {
	var made []*client
	for i, c := range from {
		c.id = alphanumeric(d.token(32))
		c.members = `"client_id":"` + c.id + `","client_name":` + quoted(c.name)
		if len(agents) > 0 {
			c.agent = agents[i%len(agents)]
			c.address = addresses[i%len(addresses)]
		}
		made = append(made, &c)
	}
	return made
}

// newUser makes a person with one to three devices and a home address. Four
// of ten belong to an organization.
func (w *world) newUser(d *dice, number int, privacy Privacy) *user {
	given, family := pick(d, givenNames()), pick(d, familyNames())
	u := &user{
		full:       given + " " + family,
		handle:     mailbox(given) + mailbox(family),
		email:      fmt.Sprintf("%s.%s%d@%s", mailbox(given), mailbox(family), number, pick(d, mailDomains())),
		phone:      "+4477009" + d.digits(5),
		connection: pickEarly(d, w.connections),
		home:       host(d, pickEarly(d, homeNetworks())),
		session:    d.token(32),
		family:     d.hex(24),
		factor:     d.hex(24),
		logins:     int64(d.between(1, 400)),
		counter:    int64(d.between(1, 60)),
	}
	u.cover(privacy)
	u.identity = identityOf(d, u.connection)
	u.id = u.connection.strategy + "|" + u.identity
	if u.connection.kind == "enterprise" {
		u.id = u.connection.strategy + "|" + u.connection.name + "|" + u.identity
	}
	u.login = u.email
	if u.connection.strategy == "sms" {
		u.login = u.phone
	}
	if d.chance(0.4) {
		u.organization = pickEarly(d, w.organizations)
	}
	for range d.between(1, 3) {
		u.devices = append(u.devices, pickEarly(d, w.devices))
	}
	u.members = `"user_id":` + quoted(u.id) + `,"user_name":` + quoted(u.login)
	return u
}

func identityOf(d *dice, c *connection) string {
	switch {
	case c.strategy == "google-oauth2":
		return "1" + d.digits(20)
	case c.kind == "enterprise":
		return d.token(22)
	default:
		return d.hex(24)
	}
}

func (w *world) newAdmins(d *dice, privacy Privacy) []*admin {
	var made []*admin
	for _, name := range adminNames() {
		given, _, _ := strings.Cut(name, " ")
		a := &admin{
			id:      "google-oauth2|1" + d.digits(20),
			name:    name,
			email:   mailbox(given) + "@acme.example",
			address: host(d, homeNetworks()[0]),
			device:  w.devices[d.IntN(4)],
		}
		a.cover(privacy)
		made = append(made, a)
	}
	return made
}

// host completes a network prefix such as "81.2.69." or "2001:218:" to an
// address.
func host(d *dice, network string) string {
	if strings.Contains(network, ":") {
		return fmt.Sprintf("%s%x::%x", network, d.between(1, 0xffff), d.between(1, 0xffff))
	}
	return fmt.Sprintf("%s%d", network, d.between(1, 254))
}

// mailbox makes an ASCII local part of a name.
func mailbox(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		default:
			return -1
		}
	}, name)
}

// alphanumeric replaces what a token may hold and a client id may not.
func alphanumeric(token string) string {
	return strings.NewReplacer("-", "q", "_", "Z").Replace(token)
}
