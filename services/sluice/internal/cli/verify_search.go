package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluicelog/sluice/shared/period"
)

// found is what a search for a delivery's events gave.
type found struct {
	total       int64
	first, last time.Time // @timestamp
}

// checkSearchable waits until every event of the delivery is searchable or a dead letter.
func (v *verifier) checkSearchable(ctx context.Context) (string, error) {
	d := v.report.Delivery
	var got found
	var problem error
	rounds := 0
	done, err := poll(ctx, func() (bool, error) {
		rounds++
		got, problem = v.search(ctx)
		if problem != nil {
			return false, nil //nolint:nilerr // an Elasticsearch that is away may come back; the report says so if it does not
		}
		dead, err := v.countDead(ctx)
		d.Searchable, d.DeadLetters = got.total, dead
		return got.total+int64(dead) >= v.expected(), err
	})
	d.FirstEvent, d.LastEvent = got.first, got.last
	if err != nil {
		return "", err
	}
	if !done {
		return "", v.notSearchable(problem)
	}
	if d.Searchable == 0 {
		return "", fmt.Errorf("no event is searchable, %s set aside: `%s` says why", were(d.DeadLetters), v.hint("delivery show "+d.ID))
	}
	if rounds > 1 {
		d.LagSeconds = time.Since(d.Received).Seconds()
	}
	return v.sawSearchable(d), nil
}

func (v *verifier) sawSearchable(d *seen) string {
	saw := fmt.Sprintf("%s in %s, from %s to %s", counted(d.Searchable, "event"), period.Alias(v.endpoint.Namespace), moment(d.FirstEvent), moment(d.LastEvent))
	if d.Events > maxLogIDs {
		saw = fmt.Sprintf("of the first %d: ", maxLogIDs) + saw
	}
	if d.LagSeconds > 0 {
		saw += fmt.Sprintf(", %.1f s after they were received", d.LagSeconds)
	}
	if d.DeadLetters > 0 {
		saw += fmt.Sprintf("; %s set aside (`%s` says why)", were(d.DeadLetters), v.hint("delivery show "+d.ID))
	}
	return saw
}

// were counts what was set aside.
func were(n int) string {
	if n == 1 {
		return "1 was"
	}
	return fmt.Sprintf("%d were", n)
}

// expected is how many events must turn up: all that are followed one by one, or any where the delivery is gone.
func (v *verifier) expected() int64 {
	return max(1, int64(len(v.arrived.logIDs)))
}

func (v *verifier) notSearchable(problem error) error {
	if problem != nil {
		return fmt.Errorf("elasticsearch does not answer; the events wait in the stream until it does: %w", problem)
	}
	d := v.report.Delivery
	return fmt.Errorf("%d of %s searchable, the others still wait: `%s` says what holds them up", d.Searchable, counted(v.expected(), "event"), v.hint("doctor"))
}

// countDead counts the events of the delivery that the enricher or the indexer set aside, also with an earlier delivery.
func (v *verifier) countDead(ctx context.Context) (int, error) {
	if !v.arrived.kept {
		return 0, nil
	}
	h := &history{ID: v.arrived.ID, Namespace: v.endpoint.Namespace, Events: eventsOf(v.arrived.parts)}
	h.Events = h.Events[:min(len(h.Events), maxLogIDs)]
	if err := v.session.trace(ctx, h, v.arrived.parts); err != nil {
		return 0, err
	}
	dead := map[string]bool{}
	for _, e := range h.Events {
		if e.State == stateDead && e.document != "" {
			dead[e.document] = true
		}
	}
	return len(dead), nil
}

// search looks for the delivery's events by its id and by their own: one that came earlier bears another delivery's id.
func (v *verifier) search(ctx context.Context) (found, error) {
	either := []any{map[string]any{"term": map[string]any{fieldDelivery: v.arrived.ID}}}
	if len(v.arrived.logIDs) > 0 {
		either = []any{map[string]any{"terms": map[string]any{fieldLogID: v.arrived.logIDs}}}
	}
	edge := func(kind string) any { return map[string]any{kind: map[string]any{"field": "@timestamp"}} }
	result, err := v.session.Elastic.Search(ctx, period.Alias(v.endpoint.Namespace), map[string]any{
		"size": 0, "query": map[string]any{"bool": map[string]any{"should": either, "minimum_should_match": 1}},
		"aggs": map[string]any{"first": edge("min"), "last": edge("max")},
	})
	if err != nil || result.Total == 0 {
		return found{}, err
	}
	out := found{total: result.Total}
	var aggs struct {
		First, Last struct {
			Value float64 `json:"value"` // milliseconds since 1970
		}
	}
	if err := json.Unmarshal(result.Aggregations, &aggs); err != nil {
		return out, fmt.Errorf("reading elasticsearch's answer: %w", err)
	}
	out.first, out.last = time.UnixMilli(int64(aggs.First.Value)).UTC(), time.UnixMilli(int64(aggs.Last.Value)).UTC()
	return out, nil
}

// Fields of a document by which it is found again.
const (
	fieldDelivery = "sluice.delivery"
	fieldLogID    = "event.id"
)
