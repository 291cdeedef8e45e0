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
		if len(r.waiting()) == 0 {
			return true, nil
		}
		if err := r.findDead(limited); err != nil {
			return false, err
		}
		away = r.ask(limited)
		return len(r.waiting()) == 0, nil
	})
	if err == nil {
		err = ctx.Err()
	}
	r.explain(away)
	return err
}

// ask looks into Elasticsearch once; its error says that no answer came.
func (r *replay) ask(ctx context.Context) error {
	for namespace, items := range r.byNamespace() {
		if err := r.searchAll(ctx, namespace, items); err != nil {
			return err
		}
		if err := r.findRefused(ctx, namespace, items); err != nil {
			return err
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
		item.Outcome, item.Why = outcomeDead, fmt.Sprintf("%s (dead letter %d)", l.Reason, l.Sequence)
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

func (r *replay) searchAll(ctx context.Context, namespace string, items []*replayed) error {
	for some := range slices.Chunk(items, lettersPerSearch) {
		if err := r.search(ctx, namespace, some); err != nil {
			return err
		}
	}
	return nil
}

// findRefused looks for documents that the indexer is done with and no search finds: Elasticsearch refused them again.
// Their new letter is not seen, because it has the old one's place.
func (r *replay) findRefused(ctx context.Context, namespace string, items []*replayed) error {
	progress, err := r.Conn.Progress(ctx, stream.Documents, stream.Indexer(namespace))
	if err != nil {
		return err
	}
	var finished []*replayed
	for _, item := range items {
		if item.Outcome == outcomeWaiting && item.Stage == deadletter.StageIndexer && item.stored <= progress.Done {
			finished = append(finished, item)
		}
	}
	if len(finished) == 0 {
		return nil
	}
	if err := r.Elastic.Refresh(ctx, period.Alias(namespace)); err != nil {
		return err
	}
	if err := r.searchAll(ctx, namespace, finished); err != nil {
		return err
	}
	for _, item := range finished {
		if item.Outcome == outcomeWaiting {
			item.Outcome, item.Why = outcomeDead, "Elasticsearch refuses the document as before; the letter is kept"
		}
	}
	return nil
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

// arrived closes a letter's case; the indexer's is removed only now.
func (r *replay) arrived(ctx context.Context, item *replayed) error {
	if item.Outcome != outcomeWaiting {
		return nil
	}
	if item.Stage == deadletter.StageIndexer {
		if err := r.Letters.Discard(ctx, item.Sequence); err != nil && !errors.Is(err, stream.ErrNotFound) {
			return err
		}
	}
	item.Outcome = outcomeSearchable
	return nil
}

// explain says where the events are that are neither searchable nor dead again.
func (r *replay) explain(away error) {
	for _, item := range r.waiting() {
		item.Why = "it is on disk as a new delivery; `sluice delivery show " + item.Delivery + "` tells more later"
		if item.Stage == deadletter.StageIndexer {
			item.Why = "it is on disk; the letter is kept until the document is searchable: replay it again"
		}
		if away != nil {
			item.Why += " (Elasticsearch does not answer)"
		}
	}
}
