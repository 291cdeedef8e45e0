package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// logID names the event in an enricher's letter; empty where it is none.
func logID(body []byte) string {
	var event auth0.Event
	for element := range auth0.Split(body) {
		if element.Broken == nil && auth0.Parse(element.Raw, &event) == nil {
			return event.LogID
		}
	}
	return ""
}

// documentID reads the _id in the action line of an indexer's letter; empty where there is none.
func documentID(body []byte) string {
	line, _, _ := bytes.Cut(body, []byte("\n"))
	var action struct {
		Create struct {
			ID string `json:"_id"`
		} `json:"create"`
	}
	if json.Unmarshal(line, &action) != nil {
		return ""
	}
	return action.Create.ID
}

// follow waits, bounded, until every letter that was sent is searchable or dead again.
func (r *replay) follow(ctx context.Context, wait time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var away error
	_, err := poll(limited, func() (bool, error) {
		finished, err := r.finished(limited)
		if err == nil {
			err = r.findDead(limited)
		}
		if err != nil {
			return false, err
		}
		away = r.ask(limited, finished)
		return len(r.waiting()) == 0, nil
	})
	if err == nil {
		err = ctx.Err()
	}
	r.explain(away)
	return err
}

// finished returns, by namespace, what enricher and indexer are done with. It must come before the looks at dead letters
// and documents: what is done is in one of the two.
func (r *replay) finished(ctx context.Context) (map[string][]*replayed, error) {
	enriched, err := r.Conn.Overall(ctx, stream.Deliveries, stream.Enricher)
	if err != nil {
		return nil, err
	}
	all := map[string][]*replayed{}
	for namespace, items := range r.byNamespace() {
		indexed, err := r.Conn.Overall(ctx, stream.Documents, stream.Indexer(namespace))
		if err != nil {
			return nil, err
		}
		idle := indexed.Waiting == 0 && indexed.InFlight == 0
		for _, item := range items {
			indexer := item.Stage == deadletter.StageIndexer
			if indexer && item.stored <= indexed.Done || !indexer && item.stored <= enriched.Done && idle {
				all[namespace] = append(all[namespace], item)
			}
		}
	}
	return all, nil
}

// ask looks into Elasticsearch once; its error says that no answer came.
func (r *replay) ask(ctx context.Context, finished map[string][]*replayed) error {
	for namespace, items := range r.byNamespace() {
		if len(finished[namespace]) > 0 {
			if err := r.Elastic.Refresh(ctx, period.Alias(namespace)); err != nil {
				return err
			}
		}
		for some := range slices.Chunk(items, lettersPerSearch) {
			if err := r.search(ctx, namespace, some); err != nil {
				return err
			}
		}
	}
	for _, items := range finished {
		for _, item := range items {
			if err := r.refuse(ctx, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuse marks what is done and neither searchable nor in a new letter: one for the very same thing lay there already.
// Where that is another letter than the replayed one, one of the two is enough.
func (r *replay) refuse(ctx context.Context, item *replayed) error {
	if item.Outcome != outcomeWaiting {
		return nil
	}
	item.Outcome, item.Why = outcomeKept, "it is older than the retention, and nothing was stored"
	for l, err := range r.Letters.OfKey(ctx, orText(item.docID, item.key)) {
		if err != nil {
			return err
		}
		item.Outcome, item.Why = outcomeDead, l.Reason+", as before"
		if l.Sequence != item.Sequence {
			item.Why = fmt.Sprintf("%s (dead letter %d)", l.Reason, l.Sequence)
			return r.remove(ctx, item)
		}
	}
	return nil
}

func (r *replay) waiting() []*replayed {
	var open []*replayed
	for _, item := range r.items {
		if item.Outcome == outcomeWaiting {
			open = append(open, item)
		}
	}
	return open
}

// findDead looks at the letters that came after the run began.
func (r *replay) findDead(ctx context.Context) error {
	byDelivery := map[string]*replayed{}
	for _, item := range r.waiting() {
		if item.Delivery != "" {
			byDelivery[item.Delivery] = item
		}
	}
	if len(byDelivery) == 0 {
		return nil
	}
	fresh := stream.Range{From: r.before + 1, HeadersOnly: true}
	for message, err := range r.Conn.Scan(ctx, stream.DeadLetters, fresh) {
		if err != nil {
			return err
		}
		item := byDelivery[message.Header[delivery.HeaderID]]
		if item == nil {
			continue
		}
		l, err := r.Letters.Get(ctx, message.Sequence)
		if err != nil {
			return err
		}
		if err := r.remove(ctx, item); err != nil {
			return err
		}
		item.Outcome, item.Why = outcomeDead, fmt.Sprintf("%s (dead letter %d)", l.Reason, l.Sequence)
	}
	return nil
}

// remove takes the old letter away, once its event is safe elsewhere.
func (r *replay) remove(ctx context.Context, item *replayed) error {
	if err := r.Letters.Discard(ctx, item.Sequence); err != nil && !errors.Is(err, stream.ErrNotFound) {
		return err
	}
	return nil
}

// lettersPerSearch is how many letters one search looks for.
const lettersPerSearch = 200

// byNamespace groups what still waits.
func (r *replay) byNamespace() map[string][]*replayed {
	spaces := map[string][]*replayed{}
	for _, item := range r.waiting() {
		spaces[item.letter.Namespace] = append(spaces[item.letter.Namespace], item)
	}
	return spaces
}

// search marks which of some letters a search finds: by document, by event, by the new delivery.
func (r *replay) search(ctx context.Context, namespace string, some []*replayed) error {
	documents, events, deliveries := map[string][]*replayed{}, map[string][]*replayed{}, map[string][]*replayed{}
	for _, item := range some {
		documents[item.docID] = append(documents[item.docID], item)
		events[item.logID] = append(events[item.logID], item)
		deliveries[item.Delivery] = append(deliveries[item.Delivery], item)
	}
	result, err := r.Elastic.Search(ctx, period.Alias(namespace), map[string]any{
		"size": 5 * lettersPerSearch, "_source": []string{fieldLogID, fieldDelivery},
		"query": map[string]any{"bool": map[string]any{"minimum_should_match": 1, "should": []any{
			map[string]any{"ids": map[string]any{"values": names(documents)}},
			map[string]any{"terms": map[string]any{fieldLogID: names(events)}},
			map[string]any{"terms": map[string]any{fieldDelivery: names(deliveries)}},
		}}},
	})
	if err != nil {
		return err
	}
	for _, hit := range result.Hits {
		event, from := hitFacts(hit.Source)
		for _, item := range slices.Concat(documents[hit.ID], events[event], deliveries[from]) {
			if err := r.arrived(ctx, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// names are the keys to look for. An item has an empty key where it has none of the kind; nothing may be found by that.
func names(items map[string][]*replayed) []string {
	delete(items, "")
	return slices.AppendSeq([]string{}, maps.Keys(items)) // never nil: a query needs a list
}

// hitFacts reads the two facts of a found document by which a letter knows it.
func hitFacts(source json.RawMessage) (event, delivery string) {
	var doc struct {
		Event struct {
			ID string `json:"id"`
		} `json:"event"`
		Sluice struct {
			Delivery string `json:"delivery"`
		} `json:"sluice"`
	}
	if json.Unmarshal(source, &doc) != nil {
		return "", ""
	}
	return doc.Event.ID, doc.Sluice.Delivery
}

// arrived closes the case of a letter whose event is searchable.
func (r *replay) arrived(ctx context.Context, item *replayed) error {
	if item.Outcome != outcomeWaiting {
		return nil
	}
	if err := r.remove(ctx, item); err != nil {
		return err
	}
	item.Outcome = outcomeSearchable
	return nil
}

// explain says where the events are that are neither searchable nor dead again.
func (r *replay) explain(away error) {
	for _, item := range r.waiting() {
		item.Why = "still on its way; the letter is kept until it is searchable"
		if away != nil {
			item.Why = "Elasticsearch does not answer; the letter is kept until it is searchable"
		}
	}
}
