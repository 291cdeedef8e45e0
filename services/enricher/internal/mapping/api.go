package mapping

import (
	"bytes"
	"net/url"
	"strings"
)

// call is a call of Auth0's Management API, recognised by method and path: descriptions drift, paths do not.
type call struct {
	class     class  // zero when the event is no such call
	operation []byte // "PATCH /clients/{id}"
	kind      string // what was acted upon: "clients", "tenants/settings"
	id        []byte // which one, as JSON; nil when nothing says so
	target    person // when it is a user
	changes   person
	roles     []byte // role ids given or taken, as a JSON array
	actor     person // who called, as the request's token says
}

// person is what an event says about somebody, as JSON values.
type person struct{ id, name, email, fullName []byte }

func (p person) none() bool {
	return p.id == nil && p.name == nil && p.email == nil && p.fullName == nil
}

// api knows what the collections of the Management API are about.
type api struct {
	about map[string]string // a word in a path: whose identity or rights it is about, "user", "group" or ""
}

func newAPI() *api {
	a := &api{about: map[string]string{}}
	for about, words := range map[string]string{
		"user":  "users users-by-email user-blocks members authentication-methods authenticators enrollments device-credentials sessions",
		"group": "roles organizations groups",
		"":      "grants client-grants refresh-tokens tickets invitations scim-configuration anomaly blacklists user-attribute-profiles",
	} {
		for word := range strings.FieldsSeq(words) {
			a.about[word] = about
		}
	}
	return a
}

// recognise reads a call out of the request and the response in details; the zero call when there is none.
func (a *api) recognise(d *detail) (c call) {
	if len(d.request) == 0 || d.request[0] != '{' {
		return c
	}
	var body, auth, path []byte
	for key, value := range members(d.request) {
		switch string(key) {
		case "method":
			d.method = plainText(value)
		case "path":
			path, d.path = value, plainText(value)
		case "body":
			body = value
		case "auth":
			auth = value
		}
	}
	if path == nil {
		path = d.path
	}
	rest, ok := managementPath(decoded(path))
	verb := strings.ToUpper(string(unquoted(d.method)))
	if !ok || verb == "" || strings.Trim(verb, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return c
	}
	c.actor = actor(member(auth, "user"))
	a.locate(&c, verb, rest)
	answer := member(d.response, "body")
	if c.id == nil {
		c.id = idIn(answer, c.kind)
	}
	c.people(verb, body, answer)
	return c
}

// registration is the one path that makes applications outside of the Management API and is logged as if in it.
const registration = "/oidc/register"

// managementPath is what follows the version in a path of the Management API.
func managementPath(path string) (rest string, ok bool) {
	if path == registration {
		return path[1:], true
	}
	for _, prefix := range [...]string{"/api/v2/", "/v2/"} {
		if rest, ok = strings.CutPrefix(path, prefix); ok && rest != "" {
			rest, _, _ = strings.Cut(rest, "?")
			return rest, len(rest) <= maxCopy
		}
	}
	return "", false
}

// locate finds what a path acts upon: the words before the first id say what kind of thing, the id says which one.
func (a *api) locate(c *call, verb, path string) {
	operation := make([]byte, 0, len(verb)+len(path)+8)
	operation = append(append(append(operation, '"'), verb...), ' ')
	category, about, last := "configuration", "", ""
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" {
			continue
		}
		if !plainWord(segment) || last == "name" {
			operation = append(operation, "/{id}"...)
			if last = "{id}"; c.id == nil {
				c.id = idText(segment)
			}
			continue
		}
		operation = append(append(operation, '/'), segment...)
		if c.id == nil {
			c.kind = strings.TrimPrefix(c.kind+"/"+segment, "/")
		}
		if whose, ok := a.about[segment]; ok {
			category = "iam"
			if about == "" {
				about = whose
			}
		}
		last = segment
	}
	operation = append(operation, '"')
	c.operation = operation
	c.class = class{category, change(verb, c.id != nil, last == "{id}"), about}
}

// change is what a call does: a POST that names something changes that thing, and so does a DELETE below something.
func change(verb string, named, whole bool) string {
	switch {
	case verb == "POST" && !named:
		return "creation"
	case verb == "DELETE" && (whole || !named):
		return "deletion"
	case verb == "POST" || verb == "DELETE" || verb == "PUT" || verb == "PATCH":
		return "change"
	}
	return "access"
}

// plainWord reports whether a segment of a path is a fixed word of the API and no id: ids have digits or capitals.
func plainWord(segment string) bool {
	return len(segment) <= 40 && strings.Trim(segment, "abcdefghijklmnopqrstuvwxyz-_") == ""
}

// idText is an id in a path, which is URL-encoded there, as JSON; nil when it is hidden.
func idText(segment string) []byte {
	if plain, err := url.PathUnescape(segment); err == nil {
		segment = plain
	}
	if hiding([]byte(segment)) == flagPIIMasked {
		return nil
	}
	return appendValid(nil, segment)
}

// idIn is the id of what a call made, in the answer's body.
func idIn(answer []byte, kind string) []byte {
	key := "id"
	switch kind {
	case "clients", registration[1:]:
		key = "client_id"
	case "users":
		key = "user_id"
	}
	return plainText(member(answer, key))
}

// actor is who called. The token's user is an object, or only a text.
func actor(user []byte) (who person) {
	if isText(user) {
		who.id = visible(user)
		return who
	}
	for key, value := range members(user) {
		switch string(key) {
		case "user_id":
			who.id = visible(value)
		case "email":
			who.email = visible(value)
		case "name":
			who.fullName = visible(value)
		}
	}
	return who
}

// people notes whom a call was about, and what it changed of them.
func (c *call) people(verb string, body, answer []byte) {
	switch c.kind {
	case "tenants/members", "user-blocks":
		c.target.id = c.id
	case "users":
		c.target.id, c.roles = c.id, texts(member(body, "roles"))
		if below := bytes.Count(c.operation, []byte{'/'}); below <= 2 { // else the body is about something of the user's
			c.person(verb, body, answer)
		}
	case "roles":
		c.target.id = texts(member(body, "users"))
	case "organizations":
		c.target.id, c.roles = texts(member(body, "members")), texts(member(body, "roles"))
		c.target.email = visible(member(member(body, "invitee"), "email"))
	default: // tickets and jobs name their user in the body
		c.target.id = visible(member(body, "user_id"))
	}
}

// person notes what a call says of the user in its path, and what it changed.
func (c *call) person(verb string, body, answer []byte) {
	id := c.target.id
	if c.target = named(answer); c.target.none() {
		c.target = named(body)
	}
	c.target.id = id
	if verb == "PATCH" {
		c.changes = named(body)
	}
}

// named is what a user object says of its user.
func named(user []byte) (who person) {
	for key, value := range members(user) {
		switch string(key) {
		case "email":
			who.email = visible(value)
		case "username":
			who.name = visible(value)
		case "name":
			who.fullName = visible(value)
		}
	}
	return who
}

// visible is a text about a person that is not hidden; else nil.
func visible(value []byte) []byte {
	if value = plainText(value); value != nil && hiding(unquoted(value)) == 0 {
		return value
	}
	return nil
}

// maxTexts bounds how many ids of one call are repeated in a field of their own.
const maxTexts = 50

// texts is an array of texts; nil for anything else and when it is too long.
func texts(array []byte) []byte {
	n := 0
	for value := range elements(array) {
		if n++; !isText(value) || n > maxTexts {
			return nil
		}
	}
	if n == 0 || len(array) > 4*maxCopy {
		return nil
	}
	return array
}
