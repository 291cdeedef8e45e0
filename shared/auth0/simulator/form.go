package simulator

import (
	"strconv"
	"strings"
	"time"
)

// form writes JSON in which a dollar sign with a name, and often a number,
// stands for something of the scene: $user, $ago3600, $hex24.
func (d *draft) form(text string) {
	for {
		before, rest, more := strings.Cut(text, "$")
		d.b = append(d.b, before...)
		if !more {
			return
		}
		name := rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz"))]
		text = strings.TrimLeft(rest[len(name):], "0123456789")
		number, _ := strconv.Atoi(rest[len(name) : len(rest)-len(text)]) // none is zero
		d.blank(name, number)
	}
}

// filled writes a member whose value is a form.
func (d *draft) filled(name, text string) {
	d.key(name)
	d.form(text)
}

// blank fills one place of a form. A name that means nothing stays as it is,
// where a test sees it.
func (d *draft) blank(name string, number int) {
	if d.moment(name, number) || d.chance(name, number) {
		return
	}
	text := d.ofPerson(name)
	if text == "" {
		text = d.ofPlace(name)
	}
	if text == "" {
		text = "$" + name
	}
	d.b = append(d.b, text...)
}

// moment writes a time so many seconds before or after the event.
func (d *draft) moment(name string, seconds int) bool {
	switch name {
	case "ago":
		seconds = -seconds
	case "in":
	default:
		return false
	}
	d.b = d.at.Add(time.Duration(seconds)*time.Second).AppendFormat(d.b, "2006-01-02T15:04:05.000Z")
	return true
}

// chance writes what nothing else refers to.
func (d *draft) chance(name string, number int) bool {
	dice := d.tenant.dice
	switch name {
	case "hex":
		d.b = dice.appendHex(d.b, number)
	case "token":
		d.b = dice.appendToken(d.b, number)
	case "roll":
		d.b = strconv.AppendInt(d.b, int64(dice.between(1, number)), 10)
	case "uuid":
		for i, width := range [...]int{8, 4, 4, 4, 12} {
			if i > 0 {
				d.b = append(d.b, '-')
			}
			d.b = dice.appendHex(d.b, width)
		}
	default:
		return false
	}
	return true
}

// ofPerson is empty for a name that says nothing of the person.
func (d *draft) ofPerson(name string) string {
	if d.user == nil {
		return ""
	}
	switch name {
	case "user":
		return d.user.id
	case "identity":
		return d.user.identity
	case "login":
		return d.user.login
	case "mail":
		return d.user.email
	case "phone":
		return d.user.phone
	case "handle":
		return d.user.handle
	case "session":
		return d.user.session
	case "factor":
		return d.user.factor
	}
	return ""
}

// ofPlace is empty for a name that says nothing of the application or the tenant.
func (d *draft) ofPlace(name string) string {
	w := &d.tenant.world
	switch name {
	case "client":
		return d.client.id
	case "origin":
		return d.client.origin
	case "audience":
		return d.client.audience
	case "scope":
		return d.client.scope
	case "other":
		return w.clients[1].id
	case "othername":
		return w.clients[1].name
	case "con":
		return d.connection.name
	case "conid":
		return d.connection.id
	case "org":
		return d.tenant.organizationOf(d.scene).id
	case "tenant":
		return d.tenant.opts.Name
	case "host":
		return w.host
	case "ip":
		return d.address
	case "agent":
		return d.device.raw
	}
	return ""
}
