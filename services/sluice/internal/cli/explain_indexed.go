package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/shared/elastic"
)

// explainedIndex is what is indexed of an event.
type explainedIndex struct {
	Index       string                `json:"index"`
	ID          string                `json:"id"`
	Differences []explainedDifference `json:"differences"`
}

// explainedDifference is a field that would be made otherwise now; a nil side has nothing there.
type explainedDifference struct {
	Field   string `json:"field"`
	Now     any    `json:"now"`
	Indexed any    `json:"indexed"`
}

// fromIndex explains an indexed event. It reports whether there is one that would become a document again.
func (x *explaining) fromIndex(ctx context.Context) (bool, error) {
	client, err := x.openElastic()
	if err != nil {
		return false, err
	}
	indexed, found, err := x.find(ctx, client)
	if err != nil || !found {
		return false, err
	}
	doc, err := decodeEvent(indexed.Source)
	if err != nil {
		return false, err
	}
	raw, err := enricher.Rebuild(indexed.Source)
	if err != nil {
		return false, fmt.Errorf("document %s in %s: %w", harmlessLine(indexed.ID), indexed.Index, err)
	}
	if x.rebuilt {
		_, err := fmt.Fprintf(x.Out, "%s\n", harmlessJSON(raw))
		return true, err
	}
	if err := x.prepare(valueAt(doc, "event.original") != nil); err != nil {
		return false, err
	}
	e := x.event(raw, 0, wayOf(doc))
	e.arrived = true
	e.Indexed = &explainedIndex{Index: indexed.Index, ID: indexed.ID, Differences: []explainedDifference{}}
	if e.Dead == nil {
		e.Indexed.compare(e, doc)
	}
	return e.Dead == nil, x.show(e)
}

// find looks for the event by its log id; of several documents it takes the one that came last.
func (x *explaining) find(ctx context.Context, client *elastic.Client) (elastic.Document, bool, error) {
	choice := eventChoice{namespaces: []string{x.namespace}}
	indices, err := choice.indices()
	if err != nil {
		return elastic.Document{}, false, err
	}
	page, err := client.Page(ctx, indices, map[string]any{
		"size": 1, "query": map[string]any{"term": map[string]any{fieldLogID: x.logID}},
		"sort": []any{map[string]any{fieldIngested: map[string]any{"order": "desc", "unmapped_type": "date"}}},
	})
	if err != nil {
		return elastic.Document{}, false, err
	}
	if len(page.Documents) == 0 {
		if err := incomplete(page); err != nil {
			return elastic.Document{}, false, err
		}
		where := strings.Join(indices, ", ")
		fmt.Fprintf(x.Err, "no event with this log id is indexed in %s of %s; --namespace all looks everywhere, and `%s` lists what was set aside\n",
			where, client.URL(), x.hint("deadletter list --all"))
		return elastic.Document{}, false, nil
	}
	if page.Total > 1 {
		fmt.Fprintf(x.Err, "%s documents have this log id; this is the one that was ingested last\n", thousands(page.Total))
	}
	return page.Documents[0], true, nil
}

// wayOf is how a document says that its event came, so that it is made again in the same way.
func wayOf(doc map[string]any) enricher.Way {
	text := func(path string) string { return plainValue(valueAt(doc, path)) }
	moment := func(path string) time.Time {
		at, _ := time.Parse(time.RFC3339Nano, text(path)) // what is no time is told as a difference
		return at
	}
	way := enricher.Way{
		Endpoint: text("sluice.endpoint"), Namespace: text("data_stream.namespace"), Delivery: text(fieldDelivery),
		Received: moment("event.created"), Ingested: moment(fieldIngested),
	}
	if number, ok := valueAt(doc, "sluice.item").(json.Number); ok {
		item, _ := number.Int64()
		way.Item = int(item)
	}
	return way
}

// compare lists the fields that differ between the document made now and the indexed one.
func (i *explainedIndex) compare(e *explanation, indexed map[string]any) {
	whole := map[string]bool{}
	for _, f := range e.Fields {
		whole[f.Field] = true
	}
	i.differ("", e.decoded, indexed, whole)
}

// differ walks two values at a path; a field that the explanation names is compared as a whole.
func (i *explainedIndex) differ(path string, now, then any, whole map[string]bool) {
	if reflect.DeepEqual(now, then) {
		return
	}
	ours, inNow := now.(map[string]any)
	theirs, inThen := then.(map[string]any)
	if whole[path] || !inNow && !inThen || !inNow && now != nil || !inThen && then != nil {
		i.Differences = append(i.Differences, explainedDifference{Field: path, Now: now, Indexed: then})
		return
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(ours)), maps.Keys(theirs))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		i.differ(strings.TrimPrefix(path+"."+key, "."), ours[key], theirs[key], whole)
	}
}
