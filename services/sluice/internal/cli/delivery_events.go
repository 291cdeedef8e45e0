package cli

import (
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/deadletter"
)

// eventsOf takes the bodies apart as the enricher does.
func eventsOf(parts []part) []*tracked {
	var events []*tracked
	for i := range parts {
		p := &parts[i]
		if p.Fragment == "" {
			events = append(events, p.events()...)
		} else if i == 0 || parts[i-1].Fragment == "" || parts[i-1].First != p.First {
			events = append(events, p.piece())
		}
	}
	return events
}

// piece is the one event that a part holds a piece of.
func (p *part) piece() *tracked {
	return &tracked{Item: p.First, State: stateWaiting, Why: p.Fragment, key: p.key()}
}

// events are those of one part.
func (p *part) events() []*tracked {
	body, err := unpack(p.Encoding, p.Body)
	if err != nil {
		return []*tracked{{Item: p.First, State: stateWaiting, Why: err.Error(), key: p.key()}}
	}
	var events []*tracked
	var parsed auth0.Event
	for element := range auth0.Split(body) {
		event := &tracked{Item: p.First + element.Index, State: stateWaiting}
		if p.Parts == 0 {
			event.Line = element.Line // parts of a delivery are written anew, without its lines
		}
		if err = element.Broken; err == nil {
			err = auth0.Parse(element.Raw, &parsed)
		}
		if err != nil {
			event.Why, event.key = err.Error(), deadletter.KeyOf(p.Endpoint, element.Raw)
		} else {
			event.describe(&parsed, p.Endpoint)
		}
		events = append(events, event)
	}
	return events
}

// describe names the event and the document it becomes.
func (t *tracked) describe(e *auth0.Event, endpoint string) {
	tenant := e.Tenant()
	if tenant == "" {
		tenant = endpoint
	}
	t.LogID, t.Code, t.document = e.LogID, e.Text("type"), auth0.DocumentID(tenant, e.LogID)
}
