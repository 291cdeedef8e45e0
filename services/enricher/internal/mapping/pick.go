package mapping

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/period"
)

// picked is an event sorted by where its members go. Its values share memory with the event.
type picked struct {
	date, code, description, ip, userAgent, userID, userName, orgID, orgName []byte
	traceID, correlationID, ja3, ja4                                         []byte
	innerID                                                                  bool // data repeats the log id

	detail detail
	api    call
	addr   netip.Addr
	at     time.Time
	flags  flag
	plain  []auth0.Field // under auth0.logs.data as they are
	odd    []auth0.Field // do not fit their field: kept beside, not indexed
	left   []byte        // room for what is left of details

	received, ingested stamp // of the last event
}

// maxRoom is how many bytes of room are kept for the next event.
const (
	maxRoom    = 64 << 10
	maxMembers = 1024 // and how many members
)

// forget makes p ready for another event. It must not hold the body of this one in memory.
func (p *picked) forget() {
	clear(p.plain)
	clear(p.odd)
	if cap(p.left) > maxRoom || cap(p.plain) > maxMembers || cap(p.odd) > maxMembers {
		*p = picked{received: p.received, ingested: p.ingested}
		return
	}
	*p = picked{plain: p.plain[:0], odd: p.odd[:0], left: p.left[:0], received: p.received, ingested: p.ingested}
}

// take sorts an event's members.
func (p *picked) take(e *auth0.Event) {
	for i := range e.Fields {
		p.pick(&e.Fields[i], e)
	}
}

// pick sorts one member of an event's data to its place.
func (p *picked) pick(f *auth0.Field, e *auth0.Event) { //nolint:funlen // one line per member that Auth0 publishes
	switch string(f.Key) {
	case "log_id":
		if isText(f.Value) && string(unquoted(f.Value)) == e.LogID { // event.id says it
			p.innerID = true
			return
		}
		p.keep(f)
	case "date":
		p.set(&p.date, f, isText(f.Value))
	case "type":
		p.set(&p.code, f, isText(f.Value))
	case "description":
		p.set(&p.description, f, isText(f.Value))
	case "ip":
		p.set(&p.ip, f, p.ip == nil && isText(f.Value) && p.address(f.Value))
	case "user_agent":
		p.set(&p.userAgent, f, isText(f.Value))
	case "user_id":
		p.set(&p.userID, f, isText(f.Value))
	case "user_name":
		p.name(f)
	case "organization_id":
		p.set(&p.orgID, f, isText(f.Value))
	case "organization_name":
		p.set(&p.orgName, f, isText(f.Value))
	case "references":
		p.pair(f, "trace_id", &p.traceID, "correlation_id", &p.correlationID)
	case "security_context":
		p.pair(f, "ja3", &p.ja3, "ja4", &p.ja4)
	case "details":
		p.details(f, &e.Details)
	case "client_ip":
		p.typed(f, isText(f.Value) && parsable(f.Value))
	case "is_mobile", "isMobile":
		p.typed(f, isBoolean(f.Value))
	case "auth0_client":
		p.client(f)
	case "body", "query": // what `details` has in all events but those about verification mails
		p.typed(f, flattens(f.Value))
	case "classification", "login", "type_id": // names that we or the index template give to something else
		p.keep(f)
	default:
		p.rest(f)
	}
}

// isBoolean reports whether a value is true or false, as a word or as a text: Elasticsearch takes both.
func isBoolean(value []byte) bool {
	switch string(value) {
	case "true", "false", `"true"`, `"false"`:
		return true
	}
	return false
}

// isText reports whether a value is a string that says something.
func isText(value []byte) bool { return len(value) > 2 && value[0] == '"' }

// set gives a value to its field, or keeps it beside when it is of another type.
func (p *picked) set(field *[]byte, f *auth0.Field, fits bool) {
	if fits && *field == nil {
		*field = f.Value
	} else {
		p.keep(f)
	}
}

// typed leaves a value under auth0.logs.data when it is of the type that its field has there.
func (p *picked) typed(f *auth0.Field, fits bool) {
	if fits || string(f.Value) == "null" {
		p.plain = append(p.plain, *f)
	} else {
		p.keep(f)
	}
}

// keep puts a member beside. It is a doubt only when the member says something.
func (p *picked) keep(f *auth0.Field) {
	p.odd = append(p.odd, *f)
	if !empty(f.Value) {
		p.flags |= flagMembersAside
	}
}

// empty reports whether a value says nothing.
func empty(value []byte) bool {
	switch string(value) {
	case "null", `""`, "{}", "[]":
		return true
	}
	return false
}

// rest handles members without a field of their own: those with a plain key and a plain value stay where Elastic's
// integration has them.
func (p *picked) rest(f *auth0.Field) {
	switch {
	case !plainKey(f.Key), string(f.Value) == `""`:
		p.odd = append(p.odd, *f)
	case string(f.Key) == "$event_schema" && isFlat(f.Value), !nested(f.Value):
		p.plain = append(p.plain, *f)
	default:
		p.keep(f)
	}
}

// name takes the user's name, unless the log stream hides it: what is hidden names nobody, so nobody should group by it.
func (p *picked) name(f *auth0.Field) {
	hidden := flag(0)
	if isText(f.Value) {
		hidden = hiding(unquoted(f.Value))
	}
	if hidden == 0 {
		p.set(&p.userName, f, isText(f.Value))
		return
	}
	p.flags |= hidden
	p.plain = append(p.plain, *f)
}

// pair takes two texts out of an object; whatever else it holds is kept beside.
func (p *picked) pair(f *auth0.Field, firstKey string, first *[]byte, secondKey string, second *[]byte) {
	if f.Value[0] != '{' || *first != nil || *second != nil {
		p.keep(f)
		return
	}
	rest := []byte(nil)
	for key, value := range members(f.Value) {
		switch {
		case string(key) == firstKey && *first == nil && isText(value):
			*first = value
		case string(key) == secondKey && *second == nil && isText(value):
			*second = value
		default:
			if rest == nil {
				rest = []byte{'{'}
			}
			if !empty(value) {
				p.flags |= flagMembersAside
			}
			rest = appendKeyed(rest, key, value)
		}
	}
	if rest != nil || *first == nil && *second == nil { // else nothing is left of it
		p.odd = append(p.odd, auth0.Field{Key: f.Key, Value: closed(rest)})
	}
}

// closed ends an object that is being written; nil is an empty one.
func closed(object []byte) []byte {
	if object == nil {
		return []byte("{}")
	}
	return append(object, '}')
}

// address notes an IP address that Elasticsearch takes.
func (p *picked) address(value []byte) bool {
	addr, err := netip.ParseAddr(string(unquoted(value)))
	if err != nil || addr.Zone() != "" {
		return false
	}
	p.addr = addr
	return true
}

func parsable(value []byte) bool {
	addr, err := netip.ParseAddr(string(unquoted(value)))
	return err == nil && addr.Zone() == ""
}

// client takes what the SDK says of itself. Auth0 also sends an array there, which is no doubt and fits no field.
func (p *picked) client(f *auth0.Field) {
	if f.Value[0] == '[' {
		p.odd = append(p.odd, *f)
		return
	}
	fits := f.Value[0] == '{'
	for key, value := range members(f.Value) {
		if string(key) != "env" || value[0] != '{' { // env is free, and not indexed
			fits = fits && plainKey(key) && !nested(value)
		}
	}
	p.typed(f, fits)
}

// flattens reports whether a value can go into a flattened field as it is.
func flattens(value []byte) bool {
	x := auth0.Measure(value)
	return value[0] == '{' && bearable(&x)
}

// isFlat reports whether a value is an object with plain keys and values.
func isFlat(value []byte) bool {
	if value[0] != '{' {
		return false
	}
	for key, inner := range members(value) {
		if !plainKey(key) || nested(inner) {
			return false
		}
	}
	return true
}

// plainKey reports whether a key can be a field's name: a dot would mean a path, and an empty part is refused.
func plainKey(key []byte) bool {
	if len(key) == 0 || len(key) > 255 {
		return false
	}
	for _, c := range key {
		switch {
		case c == '.' || c == '\\':
			return false
		case c > '~': // white space beyond ASCII counts as such, too
			return bytes.IndexByte(key, '.') < 0 && bytes.IndexByte(key, '\\') < 0 && len(bytes.TrimSpace(key)) == len(key)
		}
	}
	return key[0] != ' ' && key[len(key)-1] != ' '
}

// nested reports whether a value holds an object, which no keyword field takes.
func nested(value []byte) bool {
	return value[0] == '{' || value[0] == '[' && bytes.IndexByte(value, '{') >= 0
}

// timestamp decides when the event happened: data.date, else the log id's time, else when we got it; a flag says which
// doubt there is. A date that @timestamp does not carry to the letter stays beside the other data.
func (p *picked) timestamp(e *auth0.Event, r Receipt) {
	var exact [24]byte
	at, ok := auth0.ParseTime(string(unquoted(p.date)))
	ok = ok && !at.After(r.Ingested.Add(period.Horizon))
	if p.date != nil && (!ok || !bytes.Equal(appendTime(exact[:0], at), unquoted(p.date))) {
		p.plain = append(p.plain, auth0.Field{Key: []byte("date"), Value: p.date})
	}
	if p.at = at; ok {
		return
	}
	if p.at, ok = auth0.LogIDTime(e.LogID); ok {
		p.flags |= flagTimeFromLogID
		return
	}
	p.at = r.Received
	p.flags |= flagTimeFromReceipt
}
