package mapping

import "bytes"

// user writes who acted, upon whom, and what changed of them.
func (p *picked) user(b []byte) []byte {
	who, local, domain := p.who()
	target, changes := p.api.target, p.changes()
	if who.none() && target.none() && changes.none() && p.api.roles == nil {
		return b
	}
	b = append(b, `,"user":{`...)
	start := len(b)
	b = appendPerson(b, start, who)
	if local != nil {
		b = appendComma(b, start)
		b = append(append(append(b, `"name":"`...), local...), `","domain":"`...)
		b = append(append(b, domain...), '"')
	}
	b = appendInner(b, start, `"target":{`, target, nil)
	b = appendInner(b, start, `"changes":{`, changes, p.api.roles)
	return append(b, '}')
}

// who is the user that acted: the event's own, else the one in the Management API's token. local and domain are the parts
// of a user name that is an address.
func (p *picked) who() (who person, local, domain []byte) {
	who = person{id: p.userID, name: p.userName}
	actor := p.api.actor
	switch {
	case p.userID == nil && p.userName == nil:
		who = actor
	case p.userName == nil && bytes.Equal(p.userID, actor.id):
		who.email, who.fullName = actor.email, actor.fullName
	}
	if local, domain = splitAddress(who.name); domain != nil {
		who.email, who.name = who.name, nil
	} else if who.name == nil {
		local, domain = splitAddress(who.email)
	}
	return who, local, domain
}

// fromActor reports whether `user` says what the event's own members do not: Rebuild must not take it for theirs.
func (p *picked) fromActor() bool {
	return p.userName == nil && !p.api.actor.none() && (p.userID == nil || bytes.Equal(p.userID, p.api.actor.id))
}

// changes is what an event says has changed of a user: by the Management API, or by the user.
func (p *picked) changes() person {
	changes := p.api.changes
	switch string(unquoted(p.code)) {
	case "sce":
		changes.email = visible(member(p.detail.body, "newEmail"))
	case "scu":
		changes.name = visible(member(p.detail.body, "newUsername"))
	}
	return changes
}

// splitAddress splits a quoted e-mail address at its @; domain is nil when the name is no address.
func splitAddress(name []byte) (local, domain []byte) {
	inner := unquoted(name)
	at := bytes.LastIndexByte(inner, '@')
	if at < 1 || at == len(inner)-1 || bytes.IndexByte(inner, '\\') >= 0 {
		return nil, nil
	}
	return inner[:at], inner[at+1:]
}

func appendPerson(b []byte, start int, who person) []byte {
	b = appendFirst(b, start, `"id":`, who.id)
	b = appendFirst(b, start, `"email":`, who.email)
	b = appendFirst(b, start, `"name":`, who.name)
	return appendFirst(b, start, `"full_name":`, who.fullName)
}

// appendInner writes a person inside `user`, nothing when there is nothing to say.
func appendInner(b []byte, start int, open string, who person, roles []byte) []byte {
	if who.none() && roles == nil {
		return b
	}
	b = append(appendComma(b, start), open...)
	inner := len(b)
	b = appendPerson(b, inner, who)
	b = appendFirst(b, inner, `"roles":`, roles)
	return append(b, '}')
}
