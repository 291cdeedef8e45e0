package mapping

import "github.com/sluicelog/sluice/shared/auth0"

// web writes what the event tells of a request over HTTP, and the code of an error.
func (p *picked) web(b []byte) []byte {
	d := &p.detail
	status := whole3(member(d.response, "statusCode"))
	if d.method != nil || status != nil {
		b = append(b, `,"http":{`...)
		start := len(b)
		if d.method != nil {
			b = append(append(append(b, `"request":{"method":`...), d.method...), '}')
		}
		if status != nil {
			b = append(appendComma(b, start), `"response":{"status_code":`...)
			b = append(append(b, status...), '}')
		}
		b = append(b, '}')
	}
	query := plainText(member(d.request, "query"))
	original := d.url
	if original == nil {
		original = d.origin
	}
	if d.path != nil || query != nil || original != nil {
		b = append(b, `,"url":{`...)
		start := len(b)
		b = appendFirst(b, start, `"path":`, d.path)
		b = appendFirst(b, start, `"query":`, query)
		b = appendFirst(b, start, `"original":`, original)
		b = append(b, '}')
	}
	return appendSome(b, `,"error":{`, labelled{`"code":`, d.errorCode})
}

// whole3 is a status code: three digits, as a number or as a text.
func whole3(value []byte) []byte {
	if len(value) == 5 && value[0] == '"' {
		value = unquoted(value)
	}
	if len(value) == 3 && value[0] >= '1' && value[0] <= '9' {
		return whole(value, 3)
	}
	return nil
}

// auth0 writes what has no ECS field, under the names of Elastic's integration where it has one.
func (p *picked) auth0(b []byte, e *auth0.Event, f *facts) []byte {
	b = append(b, `,"auth0":{"logs":{"data":{`...)
	start := len(b)
	b = append(b, f.data...)
	for i := range p.plain {
		b = appendField(b, start, &p.plain[i])
	}
	b = p.detail.login(b, start)
	b = p.detail.append(b, start)
	b = append(b, '}')
	b = p.aside(b)
	b = appendObject(b, `,"envelope":{`, e.Outer)
	b = p.shape(b, e)
	b = append(b, '}')
	b = p.detail.security(b)
	b = p.api.append(b)
	return append(b, '}')
}

// login writes the times and counts of a login, as Elastic's integration names them.
func (d *detail) login(b []byte, start int) []byte {
	if d.initiated == nil && d.completed == nil && d.elapsed == nil && d.logins == nil {
		return b
	}
	b = append(appendComma(b, start), `"login":{`...)
	inner := len(b)
	b = appendFirst(b, inner, `"initiatedAt":`, d.initiated)
	b = appendFirst(b, inner, `"completedAt":`, d.completed)
	b = appendFirst(b, inner, `"elapsedTime":`, d.elapsed)
	if d.logins != nil {
		b = append(appendComma(b, inner), `"stats":{"loginsCount":`...)
		b = append(append(b, d.logins...), '}')
	}
	return append(b, '}')
}

// append writes what is left of details.
func (d *detail) append(b []byte, start int) []byte {
	return appendFirst(b, start, `"details":`, d.kept)
}

// aside writes what is kept and not indexed.
func (p *picked) aside(b []byte) []byte {
	if len(p.odd) == 0 && p.detail.aside == nil {
		return b
	}
	b = append(b, `,"odd":{`...)
	start := len(b)
	for i := range p.odd {
		b = appendField(b, start, &p.odd[i])
	}
	if p.detail.aside != nil {
		b = appendFirst(b, start, `"details":`, p.detail.aside)
	}
	return append(b, '}')
}

// The notes of auth0.logs.shape: what Rebuild could not tell from the fields alone.
const (
	shapeFlat    = "flat"         // the event had no `data`
	shapeNoInner = "no_inner_id"  // data did not repeat the log id
	shapeNoOuter = "no_outer_id"  // only data had the log id
	shapeActor   = "actor"        // all of user comes from details
	shapeNamed   = "actor_named"  // but for its id, user comes from details
	shapeRisk    = "risk_copy"    // the risk assessment is in details as well
	shapeSession = "session_copy" // the session is in details as well
)

// shape writes what is unusual about the form of an event.
func (p *picked) shape(b []byte, e *auth0.Event) []byte {
	open := len(b)
	b = append(b, `,"shape":[`...)
	start := len(b)
	note := func(unusual bool, name string) {
		if unusual {
			b = append(append(append(appendComma(b, start), '"'), name...), '"')
		}
	}
	note(e.Flat, shapeFlat)
	note(!p.innerID, shapeNoInner)
	note(!e.OuterID && !e.Flat, shapeNoOuter)
	note(p.fromActor() && p.userID == nil, shapeActor)
	note(p.fromActor() && p.userID != nil, shapeNamed)
	note(isRiskCopy(&p.detail), shapeRisk)
	note(p.detail.sessionID == nil && p.detail.refreshSession != nil, shapeSession)
	if len(b) == start {
		return b[:open]
	}
	return append(b, ']')
}

// security writes the session and Auth0's own assessment of the risk.
func (d *detail) security(b []byte) []byte {
	session := d.sessionID
	if session == nil {
		session = d.refreshSession
	}
	b = appendSome(b, `,"session":{`, labelled{`"id":`, session})
	switch {
	case d.risk != nil:
		b = appendMember(b, `"risk_assessment":`, d.risk)
	case isRiskCopy(d):
		b = appendSome(b, `,"risk_assessment":{`, labelled{`"confidence":`, d.confidence}, labelled{`"assessments":`, d.assessments})
	}
	return b
}

// isRiskCopy reports whether details itself is an assessment, as where a second factor is demanded because of one.
func isRiskCopy(d *detail) bool {
	return d.risk == nil && d.confidence != nil && d.assessments != nil && areAssessments(d.assessments)
}

// append writes what a management call did to what.
func (c *call) append(b []byte) []byte {
	if c.operation == nil {
		return b
	}
	b = append(b, `,"management":{"operation":`...)
	b = append(b, c.operation...)
	if c.kind != "" {
		b = append(append(b, `,"target":{"kind":"`...), c.kind...)
		b = append(b, '"')
		b = appendMember(b, `"id":`, c.id)
		b = append(b, '}')
	}
	return append(b, '}')
}

// sluice writes where the document came from.
func (p *picked) sluice(b []byte, r *Receipt) []byte {
	b = append(b, `,"sluice":{"endpoint":`...)
	b = appendText(b, r.Endpoint)
	b = append(b, `,"delivery":`...)
	b = appendText(b, r.Delivery)
	b = append(b, `,"item":`...)
	b = appendInt(b, r.Item)
	if p.flags != 0 {
		b = appendFlags(append(b, `,"flags":`...), p.flags)
	}
	return append(b, `}}`...)
}
