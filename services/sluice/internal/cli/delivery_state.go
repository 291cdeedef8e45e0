package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// idsPerSearch is how many documents are asked for at once.
const idsPerSearch = 1000

// searchLimit bounds one question to Elasticsearch.
const searchLimit = 10 * time.Second

// origin is what a document says about where it came from.
type origin struct {
	Sluice struct {
		Delivery string `json:"delivery"`
		Item     int    `json:"item"`
	} `json:"sluice"`
	Event struct {
		ID   string `json:"id"`
		Code string `json:"code"`
	} `json:"event"`
}

// bury marks the events that were set aside, and adds those that are in the dead letters only. Letters are looked up by
// what they are, because they name the delivery that brought them first; of a delivery that is not on the stream any
// more nothing is known but its id.
func (s *Session) bury(ctx context.Context, h *history, parts []part) (letters int, err error) {
	byItem := make(map[int]*tracked, len(h.Events))
	for _, e := range h.Events {
		byItem[e.Item] = e
	}
	for l, err := range s.lettersOf(ctx, h.ID, parts) {
		if err != nil {
			return letters, err
		}
		letters++
		e := byItem[l.Item]
		if e == nil {
			e = &tracked{Item: l.Item}
			byItem[l.Item], h.Events = e, append(h.Events, e)
		}
		e.die(l)
		h.Endpoint, h.Namespace = orText(h.Endpoint, l.Endpoint), orText(h.Namespace, l.Namespace)
	}
	return letters, nil
}

// lettersOf yields the enricher's letters of the parts, or without parts all letters that name the delivery.
func (s *Session) lettersOf(ctx context.Context, id string, parts []part) iter.Seq2[*deadletter.Letter, error] {
	if len(parts) == 0 {
		return s.Letters.OfDelivery(ctx, id)
	}
	return func(yield func(*deadletter.Letter, error) bool) {
		for i := range parts {
			for l, err := range s.Letters.OfKey(ctx, parts[i].key()) {
				if !yield(l, err) || err != nil {
					return
				}
			}
		}
	}
}

// key names the letters of a part, as the enricher does.
func (p *part) key() string {
	body := p.Body
	if p.Fragment == "" {
		if plain, err := unpack(p.Encoding, p.Body); err == nil {
			body = plain
		}
	}
	return deadletter.KeyOf(p.Endpoint, body)
}

// die marks an event as set aside.
func (t *tracked) die(l *deadletter.Letter) {
	t.State, t.Why = stateDead, fmt.Sprintf("%s: %s (dead letter %d)", l.Stage, l.Reason, l.Sequence)
	if l.Detail != "" {
		t.Why += ": " + l.Detail
	}
	if t.Line == 0 {
		t.Line = l.Line
	}
}

func orText(value, otherwise string) string {
	if value != "" {
		return value
	}
	return otherwise
}

// search looks the documents up; an error leaves the states of the rest unknown.
func (s *Session) search(ctx context.Context, h *history) error {
	wanted := map[string][]*tracked{}
	var ids []string
	for _, e := range h.Events {
		if e.document == "" {
			continue
		}
		if wanted[e.document] == nil {
			ids = append(ids, e.document)
		}
		wanted[e.document] = append(wanted[e.document], e)
	}
	for len(ids) > 0 {
		page := ids[:min(idsPerSearch, len(ids))]
		hits, err := s.lookUp(ctx, h.Namespace, page)
		if err != nil {
			for _, id := range ids {
				unknown(wanted[id])
			}
			return err
		}
		for _, hit := range hits {
			settle(h.ID, hit, wanted[hit.ID])
		}
		ids = ids[len(page):]
	}
	return nil
}

func unknown(events []*tracked) {
	for _, e := range events {
		if e.State == stateWaiting {
			e.State, e.Why = stateUnknown, "Elasticsearch does not answer"
		}
	}
}

func (s *Session) lookUp(ctx context.Context, namespace string, ids []string) ([]elastic.Hit, error) {
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	defer cancel()
	found, err := s.Elastic.Search(ctx, period.Alias(namespace), map[string]any{
		"query": map[string]any{"ids": map[string]any{"values": ids}}, "size": 2 * len(ids),
		"_source": []string{"sluice.delivery", "sluice.item"},
	})
	return found.Hits, err
}

// settle says which event became the document; the others with its id are duplicates of it. An event that is also in
// the dead letters was replayed: being searchable wins.
func settle(id string, hit elastic.Hit, events []*tracked) {
	var from origin
	_ = json.Unmarshal(hit.Source, &from) // a document of another schema names no delivery
	for _, e := range events {
		switch {
		case from.Sluice.Delivery == id && from.Sluice.Item == e.Item:
			e.State, e.Why = stateSearchable, ""
		case from.Sluice.Delivery == id:
			e.State, e.Why = stateDuplicate, fmt.Sprintf("of item %d of this delivery", from.Sluice.Item)
		default:
			e.State, e.Why = stateDuplicate, "of delivery "+orText(from.Sluice.Delivery, "(not named)")
		}
	}
}

// explain says where the waiting events are.
func (s *Session) explain(ctx context.Context, h *history, last uint64) {
	why, enriched := "waits for the enricher", false
	if p, err := s.Conn.Overall(ctx, stream.Deliveries, stream.Enricher); err != nil {
		why = "the enricher cannot be asked: " + err.Error()
	} else if enriched = p.Done >= last; enriched {
		why = s.behindEnricher(ctx, h.Namespace)
	}
	looks := 0
	for _, e := range h.Events {
		if e.State != stateWaiting {
			continue
		}
		if looks++; enriched && looks <= maxLooks {
			s.exhume(ctx, e)
		}
		if e.State == stateWaiting {
			e.Why = orText(e.Why, why)
		}
	}
}

// maxLooks is how many events of a delivery are looked up in the dead letters one by one.
const maxLooks = 500

// exhume looks for the letter of one event: the indexer's is named after the document, that of a replay after the event
// alone. An element that is no event and has no letter was discarded, or replayed in another form.
func (s *Session) exhume(ctx context.Context, e *tracked) {
	for l, err := range s.Letters.OfKey(ctx, orText(e.document, e.key)) {
		if err != nil {
			return
		}
		e.die(l)
	}
	if e.document == "" && e.State == stateWaiting {
		e.State, e.Why = stateDead, orText(e.Why, "it is no event")+"; its dead letter was discarded"
	}
}

// behindEnricher says what an enriched event may wait for.
func (s *Session) behindEnricher(ctx context.Context, namespace string) string {
	p, err := s.Conn.Overall(ctx, stream.Documents, stream.Indexer(namespace))
	switch {
	case err != nil:
		return "enriched; the indexer cannot be asked: " + err.Error()
	case p.Waiting > 0 || p.InFlight > 0:
		return "enriched; the indexer still has " + counted(p.Waiting+uint64(max(p.InFlight, 0)), "message") + " to do"
	default:
		return "enriched and taken by the indexer, yet not found: indexed this second, older than the retention, or deleted"
	}
}

// remember tells the history of a delivery that is no longer on the stream from what it became.
func (s *Session) remember(ctx context.Context, h *history) error {
	h.note("the delivery is no longer on the stream: what became of it is known, but not which of its events were duplicates")
	letters, err := s.bury(ctx, h, nil)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, searchLimit)
	defer cancel()
	found, err := s.Elastic.Search(limit, period.Alias("*"), map[string]any{
		"query": map[string]any{"term": map[string]any{"sluice.delivery": h.ID}}, "size": 10_000,
		"sort":    []any{map[string]any{"sluice.item": "asc"}},
		"_source": []string{"sluice.delivery", "sluice.item", "event.id", "event.code"},
	})
	if err != nil {
		if letters == 0 {
			return fmt.Errorf("delivery %s is not on the stream and not in the dead letters, and Elasticsearch cannot be asked: %w", h.ID, err)
		}
		h.note("Elasticsearch does not answer: %v", err)
		return nil
	}
	if letters == 0 && len(found.Hits) == 0 {
		return fmt.Errorf("delivery %s is unknown: it is not on the stream, in Elasticsearch or in the dead letters; compare the id with the receiver's answer", h.ID)
	}
	if found.Total > int64(len(found.Hits)) {
		h.note("%d of its events are searchable; the first %d are listed", found.Total, len(found.Hits))
	}
	h.add(found.Hits)
	return nil
}

// add lists found documents as events.
func (h *history) add(hits []elastic.Hit) {
	for _, hit := range hits {
		var from origin
		_ = json.Unmarshal(hit.Source, &from) // the query matched sluice.delivery, so it is ours
		h.Events = append(h.Events, &tracked{
			Item: from.Sluice.Item, LogID: from.Event.ID, Code: from.Event.Code, State: stateSearchable,
		})
		if namespace, _, ok := period.Split(hit.Index); ok {
			h.Namespace = orText(h.Namespace, namespace)
		}
	}
}
