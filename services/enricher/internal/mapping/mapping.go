// Package mapping turns an Auth0 event into an ECS document.
//
// Its promise: whatever a JSON object holds, the result is one line of JSON that Elasticsearch takes under our index
// template, or an error with a reason. A member that does not fit its field's type is kept beside, never dropped. Only a
// key that an object has twice is left to Elasticsearch, which refuses such a document.
package mapping

import (
	"bytes"
	"errors"
	"net/netip"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
	"github.com/sluicelog/sluice/shared/period"
)

// ECSVersion is the version of the Elastic Common Schema that documents follow.
const ECSVersion = "8.17.0"

// ErrFuture says that an event claims to be from later than tomorrow. The text is a dead-letter reason.
var ErrFuture = errors.New("time_in_future")

// horizon is how far an event may lie ahead of our clock.
const horizon = 24 * time.Hour

// Receipt is what the way of an event adds to it.
type Receipt struct {
	Endpoint  string
	Namespace string
	Delivery  string
	Item      int
	Received  time.Time // when the receiver had the delivery
	Ingested  time.Time // when the enricher mapped it
}

// Mapper makes documents. It never changes after New and is safe for concurrent use.
type Mapper struct {
	codes    *catalogue.Catalogue
	facts    map[string][]byte // per code: its part of `event`, ready to copy
	original bool
}

// New prepares a mapper; original keeps the event as received in event.original too.
func New(original bool) (*Mapper, error) {
	codes, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	m := &Mapper{codes: codes, facts: map[string][]byte{}, original: original}
	for _, code := range codes.Codes() {
		m.facts[code.ID] = appendFacts(nil, code)
	}
	return m, nil
}

// appendFacts writes what a code says about every event that has it.
func appendFacts(b []byte, code catalogue.Code) []byte {
	b = append(b, `"kind":`...)
	b = appendText(b, code.Kind)
	if len(code.Category) > 0 {
		b = append(b, `,"category":`...)
		b = appendTexts(b, code.Category)
	}
	if len(code.Type) > 0 {
		b = append(b, `,"type":`...)
		b = appendTexts(b, code.Type)
	}
	b = append(b, `,"action":`...)
	b = appendText(b, code.Action)
	b = append(b, `,"outcome":`...)
	return appendText(b, code.Outcome)
}

// picked are the members of data that have a field of their own.
type picked struct {
	date, code, description, ip, userAgent, userID, userName, orgID, orgName []byte
	details                                                                  []byte
	plain                                                                    []auth0.Field // under auth0.logs.data as they are
	odd                                                                      []auth0.Field // do not fit their field: kept beside, not indexed
}

// Document appends the document of an event as one line without its newline. known is false when nobody has published
// the event's code.
func (m *Mapper) Document(b []byte, e *auth0.Event, r Receipt) (line []byte, known bool, err error) {
	if e.Period().After(r.Ingested.Add(horizon)) {
		return b, true, ErrFuture
	}
	var p picked
	for i := range e.Fields {
		p.pick(&e.Fields[i], e.LogID)
	}
	at, flag := p.timestamp(e, r)
	b = append(b, `{"@timestamp":"`...)
	b = appendTime(b, at)
	b = append(b, `","ecs":{"version":"`+ECSVersion+`"},"data_stream":{"type":"logs","dataset":"`+period.Dataset+`","namespace":"`...)
	b = append(b, r.Namespace...)
	b = append(b, `"},"event":{`...)
	b, known = m.event(b, e, &p, r)
	b = append(b, '}')
	b = appendMember(b, `"message":`, p.description)
	b = appendUser(b, &p)
	b = appendSource(b, &p)
	if p.userAgent != nil {
		b = append(b, `,"user_agent":{"original":`...)
		b = append(append(b, p.userAgent...), '}')
	}
	b = appendOrganization(b, &p)
	b = appendAuth0(b, e, &p)
	return appendSluice(b, r, flag), known, nil
}

// event writes the inside of `event`.
func (m *Mapper) event(b []byte, e *auth0.Event, p *picked, r Receipt) (_ []byte, known bool) {
	b = append(b, `"id":`...)
	b = appendText(b, e.LogID)
	b = append(b, `,"module":"auth0","provider":"auth0","dataset":"`+period.Dataset+`","created":"`...)
	b = appendTime(b, r.Received)
	b = append(b, `","ingested":"`...)
	b = appendTime(b, r.Ingested)
	b = append(b, '"')
	if p.code != nil {
		b = append(b, `,"code":`...)
		b = append(b, p.code...)
	}
	b = append(b, ',')
	facts, known := m.facts[string(unquoted(p.code))]
	if known {
		b = append(b, facts...)
	} else {
		b = appendFacts(b, m.codes.Unknown(string(unquoted(p.code))))
	}
	if m.original {
		b = append(b, `,"original":`...)
		b = appendQuoted(b, e.Raw)
	}
	return b, known
}

// timestamp is when the event happened: data.date, else the log id's time, else when we got it; flag says which doubt
// there is. A date that @timestamp does not carry to the letter stays beside the other data.
func (p *picked) timestamp(e *auth0.Event, r Receipt) (at time.Time, flag string) {
	at, ok := auth0.ParseTime(string(unquoted(p.date)))
	ok = ok && !at.After(r.Ingested.Add(horizon))
	if p.date != nil && (!ok || !bytes.Equal(appendTime(nil, at), unquoted(p.date))) {
		p.plain = append(p.plain, auth0.Field{Key: []byte("date"), Value: p.date})
	}
	if ok {
		return at, ""
	}
	if at, ok := auth0.LogIDTime(e.LogID); ok {
		return at, "time_from_log_id"
	}
	return r.Received, "time_from_receipt"
}

func appendUser(b []byte, p *picked) []byte {
	if p.userID == nil && p.userName == nil {
		return b
	}
	b = append(b, `,"user":{`...)
	start := len(b)
	b = appendFirst(b, start, `"id":`, p.userID)
	local, domain := splitAddress(p.userName)
	switch {
	case domain != nil:
		b = appendFirst(b, start, `"email":`, p.userName)
		b = append(append(append(b, `,"name":"`...), local...), `","domain":"`...)
		b = append(append(b, domain...), '"')
	case p.userName != nil:
		b = appendFirst(b, start, `"name":`, p.userName)
	}
	return append(b, '}')
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

// appendSource writes the end user's address and everything related that people pivot on.
func appendSource(b []byte, p *picked) []byte {
	if p.ip != nil {
		b = append(b, `,"source":{"ip":`...)
		b = append(append(b, p.ip...), '}')
		kind := "ipv4"
		if bytes.IndexByte(p.ip, ':') >= 0 {
			kind = "ipv6"
		}
		b = append(append(append(b, `,"network":{"type":"`...), kind...), `"}`...)
	}
	if p.ip == nil && p.userID == nil && p.userName == nil {
		return b
	}
	b = append(b, `,"related":{`...)
	start := len(b)
	if p.ip != nil {
		b = append(append(append(b, `"ip":[`...), p.ip...), ']')
	}
	if p.userID != nil || p.userName != nil {
		if len(b) > start {
			b = append(b, ',')
		}
		b = append(b, `"user":[`...)
		first := len(b)
		b = appendFirst(b, first, "", p.userID)
		b = appendFirst(b, first, "", p.userName)
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendOrganization(b []byte, p *picked) []byte {
	if p.orgID == nil && p.orgName == nil {
		return b
	}
	b = append(b, `,"organization":{`...)
	start := len(b)
	b = appendFirst(b, start, `"id":`, p.orgID)
	b = appendFirst(b, start, `"name":`, p.orgName)
	return append(b, '}')
}

// appendAuth0 writes what has no ECS field, under the names of Elastic's integration.
func appendAuth0(b []byte, e *auth0.Event, p *picked) []byte {
	b = append(b, `,"auth0":{"logs":{"data":{`...)
	start := len(b)
	b = appendFirst(b, start, `"type":`, p.code)
	for i := range p.plain {
		b = appendField(b, start, &p.plain[i])
	}
	b = appendFirst(b, start, `"details":`, p.details)
	b = append(b, '}')
	b = appendObject(b, `,"odd":{`, p.odd)
	b = appendObject(b, `,"envelope":{`, e.Outer)
	return append(b, `}}`...)
}

// appendSluice writes where the document came from.
func appendSluice(b []byte, r Receipt, flag string) []byte {
	b = append(b, `,"sluice":{"endpoint":`...)
	b = appendText(b, r.Endpoint)
	b = append(b, `,"delivery":`...)
	b = appendText(b, r.Delivery)
	b = append(b, `,"item":`...)
	b = appendInt(b, r.Item)
	if flag != "" {
		b = append(append(append(b, `,"flags":["`...), flag...), `"]`...)
	}
	return append(b, `}}`...)
}

// address reports whether a quoted value is an IP address that Elasticsearch takes.
func address(value []byte) bool {
	addr, err := netip.ParseAddr(string(unquoted(value)))
	return err == nil && addr.Zone() == ""
}
