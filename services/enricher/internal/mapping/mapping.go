// Package mapping turns an Auth0 event into an ECS document.
//
// Its promise: whatever a JSON object holds, the result is one line of JSON that Elasticsearch takes under our index
// template, or an error with a reason; and Rebuild makes the event again out of the document. A member that does not fit
// its field's type is kept beside, never dropped. Only what its JSON parser refuses everywhere is left to Elasticsearch: a
// key that an object has twice, and a number of more than 1,000 digits.
package mapping

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/auth0/catalogue"
	"github.com/sluicelog/sluice/shared/period"
)

// ECSVersion is the version of the Elastic Common Schema that documents follow.
const ECSVersion = "8.17.0"

// ErrFuture says that an event claims to be from later than tomorrow. The text is a dead-letter reason.
var ErrFuture = errors.New("time_in_future")

// Receipt is what the way of an event adds to it.
type Receipt struct {
	Endpoint  string
	Namespace string
	Delivery  string
	Item      int
	Received  time.Time // when the receiver had the delivery
	Ingested  time.Time // when the enricher mapped it
}

// places knows where an address is: members of an ECS `source` object, without braces; nil when it knows nothing.
type places interface {
	Lookup(addr netip.Addr) []byte
}

// agents knows what a user agent says: members of an ECS `user_agent` object, without braces; nil when it says nothing.
type agents interface {
	Lookup(text []byte) []byte
}

// Options are what documents are enriched with. Places and Agents must be safe for concurrent use.
type Options struct {
	Original bool   // keep the event as received in event.original too
	Places   places // nil: documents have no place
	Agents   agents // nil: user agents are kept as they are
}

// Mapper makes documents. It never changes after New and is safe for concurrent use.
type Mapper struct {
	options Options
	codes   *catalogue.Catalogue
	facts   map[string]*facts // per code
	api     *api
	scratch sync.Pool // of *picked
}

// New prepares a mapper.
func New(o Options) (*Mapper, error) {
	codes, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	m := &Mapper{options: o, codes: codes, facts: map[string]*facts{}, api: newAPI()}
	for _, code := range codes.Codes() {
		m.facts[code.ID] = newFacts(code)
	}
	m.scratch.New = func() any { return &picked{} }
	return m, nil
}

// Document appends the document of an event as one line without its newline. known is false when nobody has published
// the event's code.
func (m *Mapper) Document(b []byte, e *auth0.Event, r Receipt) (line []byte, known bool, err error) {
	if e.Period().After(r.Ingested.Add(period.Horizon)) {
		return b, true, ErrFuture
	}
	p, ok := m.scratch.Get().(*picked)
	if !ok {
		p = &picked{}
	}
	p.take(e)
	f, known := m.lookup(p.code)
	if !known {
		p.flags |= flagUnknownCode
	}
	p.timestamp(e, r)
	p.api = m.api.recognise(&p.detail)
	line = m.write(b, e, p, f, &r)
	p.forget()
	m.scratch.Put(p)
	return line, known, nil
}

// write is the document, in the order in which people read it.
func (m *Mapper) write(b []byte, e *auth0.Event, p *picked, f *facts, r *Receipt) []byte {
	b = append(b, `{"@timestamp":"`...)
	b = appendTime(b, p.at)
	b = append(b, `","ecs":{"version":"`+ECSVersion+`"},"data_stream":{"type":"logs","dataset":"`+period.Dataset+`","namespace":"`...)
	b = append(b, r.Namespace...)
	b = append(b, `"},"event":{`...)
	b = m.event(b, e, p, f, r)
	b = append(b, '}')
	b = appendMember(b, `"message":`, p.description)
	b = append(append(append(b, `,"log":{"level":"`...), p.level(f)...), `"}`...)
	b = p.user(b)
	b = m.source(b, p)
	b = m.agent(b, p)
	b = appendSome(b, `,"organization":{`, labelled{`"id":`, p.orgID}, labelled{`"name":`, p.orgName})
	b = appendSome(b, `,"trace":{`, labelled{`"id":`, p.traceID})
	b = appendSome(b, `,"transaction":{`, labelled{`"id":`, p.correlationID})
	b = appendSome(b, `,"tls":{"client":{`, labelled{`"ja3":`, p.ja3}, labelled{`"ja4":`, p.ja4})
	if p.ja3 != nil || p.ja4 != nil {
		b = append(b, '}')
	}
	b = p.web(b)
	b = p.auth0(b, e, f)
	return p.sluice(b, r)
}

// event writes the inside of `event`.
func (m *Mapper) event(b []byte, e *auth0.Event, p *picked, f *facts, r *Receipt) []byte {
	b = append(b, `"id":`...)
	b = appendText(b, e.LogID)
	b = append(b, `,"module":"auth0","created":"`...)
	b = p.received.append(b, r.Received)
	b = append(b, `","ingested":"`...)
	b = p.ingested.append(b, r.Ingested)
	b = append(b, '"')
	b = appendMember(b, `"code":`, p.code)
	b = append(b, f.event(&p.api)...)
	b = appendMember(b, `"reason":`, p.reason(f))
	if p.detail.elapsed != nil && string(p.detail.elapsed) != "0" {
		b = append(append(append(b, `,"duration":`...), p.detail.elapsed...), "000000"...)
	}
	if m.options.Original {
		b = append(b, `,"original":`...)
		b = appendQuoted(b, e.Raw)
	}
	return b
}

// source writes the end user's address and what is known of it.
func (m *Mapper) source(b []byte, p *picked) []byte {
	if p.ip == nil {
		return b
	}
	b = append(b, `,"source":{"ip":`...)
	b = append(b, p.ip...)
	if m.options.Places != nil {
		if known := m.options.Places.Lookup(p.addr); known != nil {
			b = append(append(b, ','), known...)
		}
	}
	kind := "ipv4"
	if p.addr.Unmap().Is6() {
		kind = "ipv6"
	}
	return append(append(append(b, `},"network":{"type":"`...), kind...), `"}`...)
}

// agent writes the user agent and what it says.
func (m *Mapper) agent(b []byte, p *picked) []byte {
	if p.userAgent == nil {
		return b
	}
	b = append(b, `,"user_agent":{"original":`...)
	b = append(b, p.userAgent...)
	if m.options.Agents != nil {
		if known := m.options.Agents.Lookup(unquoted(p.userAgent)); known != nil {
			b = append(append(b, ','), known...)
		}
	}
	return append(b, '}')
}

// reason is why something failed; where details do not say so, the description does.
func (p *picked) reason(f *facts) []byte {
	if p.detail.reason == nil && f.failure {
		return plainText(p.description)
	}
	return p.detail.reason
}

// level is Elastic's rule, error where the event tells an error, and warning where the code deserves a look by itself.
func (p *picked) level(f *facts) string {
	switch {
	case p.detail.failed:
		return "error"
	case f.severity >= catalogue.SeverityWarning:
		return "warning"
	}
	return "info"
}
