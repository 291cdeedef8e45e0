package enricher

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/services/enricher/internal/geo"
	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/services/enricher/internal/useragent"
	"github.com/sluicelog/sluice/shared/auth0"
)

// Origin says of one field of a document where its value came from.
type Origin = mapping.Origin

// Flag is one value of sluice.flags with its meaning.
type Flag = mapping.Flag

// Flags lists what sluice.flags may hold.
func Flags() []Flag { return mapping.Flags() }

// Explainer makes documents as an enricher does, outside the pipeline, and says where their fields came from.
type Explainer struct{ mapper *mapping.Mapper }

// NewExplainer prepares an explainer with the GeoIP database at a path; an empty path is none.
func NewExplainer(geoip string, keepOriginal bool) (*Explainer, error) {
	places, err := geo.Open(geoip, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	mapper, err := mapping.New(mapping.Options{Original: keepOriginal, Places: places, Agents: useragent.New()})
	if err != nil {
		return nil, err
	}
	return &Explainer{mapper: mapper}, nil
}

// Way is what a document says of the way of its event.
type Way struct {
	Endpoint, Namespace, Delivery string
	Item                          int
	Received, Ingested            time.Time
}

// Explain maps one event, `{"log_id": …, "data": {…}}`, and says of every field where it came from. The error says what
// is wrong with the event; in the pipeline it would be the reason of a dead letter.
func (x *Explainer) Explain(event []byte, way Way) (document []byte, origins []Origin, err error) {
	var e auth0.Event
	if err := auth0.Parse(event, &e); err != nil {
		return nil, nil, fmt.Errorf("this would become a dead letter: %w", err)
	}
	document, origins, err = x.mapper.Explain(&e, mapping.Receipt(way))
	if err != nil {
		return nil, nil, fmt.Errorf("this would become a dead letter: %w", err)
	}
	return document, origins, nil
}

// Rebuild makes the event again out of its document; the error says that it is no document of ours.
func Rebuild(document []byte) ([]byte, error) { return mapping.Rebuild(document) }
