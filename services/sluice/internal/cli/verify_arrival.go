package cli

import (
	"bytes"
	"context"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/sluicelog/sluice/shared/auth0"
)

// arrival is a delivery as it lies in the stream, read.
type arrival struct {
	seen
	kept   bool // it is still in the stream
	bytes  int  // as stored
	logIDs []string
	broken error // the body cannot be unpacked
	parts  []part
}

func (a *arrival) empty() bool { return a.Events == 0 && a.Broken == 0 && a.broken == nil }

// fetch finds a delivery in the stream and reads it. One that is not there any more is no error.
func (v *verifier) fetch(ctx context.Context, id string) (arrival, error) {
	out := arrival{seen: seen{ID: id, Received: v.status.LastDelivery}}
	at := v.status.LastDelivery
	if parsed, err := ulid.ParseStrict(id); err == nil {
		at = ulid.Time(parsed.Time())
	}
	parts, err := findDelivery(ctx, v.session.Conn, id, at)
	if err != nil || len(parts) == 0 {
		return out, err
	}
	out.kept, out.Received, out.parts = true, parts[0].Received, parts
	for i := range parts {
		out.bytes += len(parts[i].Body)
		out.read(&parts[i])
	}
	return out, nil
}

// read counts the events of one part of the delivery.
func (a *arrival) read(p *part) {
	if p.Fragment != "" { // a piece of an event that cannot become a document
		a.Broken++
		return
	}
	body, err := unpack(p.Encoding, p.Body)
	if err != nil {
		a.broken = err
		return
	}
	var event auth0.Event
	elements := 0
	for element := range auth0.Split(body) {
		elements++
		if element.Broken != nil || auth0.Parse(element.Raw, &event) != nil {
			a.Broken++
			continue
		}
		a.note(&event)
	}
	if a.Shape == "" && elements > 0 {
		a.Shape = shape(body, elements)
	}
}

// maxLogIDs is how many events of a delivery are followed one by one.
const maxLogIDs = 1000

func (a *arrival) note(e *auth0.Event) {
	a.Events++
	if a.FirstLogID == "" {
		a.FirstLogID = e.LogID
	}
	a.LastLogID = e.LogID
	if len(a.logIDs) < maxLogIDs && !slices.Contains(a.logIDs, e.LogID) {
		a.logIDs = append(a.logIDs, e.LogID)
	}
	if tenant := e.Tenant(); tenant != "" && !slices.Contains(a.Tenants, tenant) {
		a.Tenants = append(a.Tenants, tenant)
	}
}

// shape names the form of a body with so many elements, in the words of Auth0's form.
func shape(body []byte, elements int) string {
	start := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), " \t\r\n")
	if start[0] == '[' {
		return "JSON Array"
	}
	for element := range auth0.Split(body) {
		if element.At > len(body)-len(start) { // the first event lies inside of something
			return "JSON Object"
		}
		break
	}
	if elements == 1 {
		return "JSON Lines (one event)"
	}
	return "JSON Lines"
}
