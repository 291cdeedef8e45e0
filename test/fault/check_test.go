package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// verdict is what a run came to.
type verdict struct {
	sent, acked, searchable, missing, doubled int
	dead, deadWanted                          int
	refused, unsure                           int // events that were never acknowledged, by what the sender knows
	problems                                  []string
	lost, twice, altered                      []string // ids of missing, doubled and changed events
}

func (v *verdict) problem(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

// settled reports whether nobody has anything left to do.
func (r *rig) settled(ctx context.Context) error {
	for _, c := range [][2]string{{stream.Deliveries, stream.Enricher}, {stream.Documents, stream.Indexer(r.namespace)}} {
		p, err := r.conn.Overall(ctx, c[0], c[1])
		if err != nil {
			return err
		}
		if p.Waiting > 0 || p.InFlight > 0 {
			return fmt.Errorf("%s: %d messages wait and %d have no verdict", c[1], p.Waiting, p.InFlight)
		}
	}
	return nil
}

// quiet waits until all is settled, twice in a row: what left the first consumer may not have reached the second.
func (r *rig) quiet(ctx context.Context, limit time.Duration) error {
	rounds := 0
	return within(limit, "quiet", func() error {
		if err := r.settled(ctx); err != nil {
			rounds = 0
			return err
		}
		if rounds++; rounds < 3 {
			return errors.New("settled just now")
		}
		return nil
	})
}

// caughtUp waits until everything is indexed that was acknowledged before it was called.
func (r *rig) caughtUp(ctx context.Context, limit time.Duration) (time.Duration, error) {
	begin := time.Now()
	for _, c := range [][2]string{{stream.Deliveries, stream.Enricher}, {stream.Documents, stream.Indexer(r.namespace)}} {
		last := uint64(0)
		err := within(limit-time.Since(begin), "what was acknowledged before the fault ended", func() error {
			if last == 0 {
				state, err := r.conn.State(ctx, c[0])
				if err != nil {
					return err
				}
				last = state.Last
			}
			p, err := r.conn.Overall(ctx, c[0], c[1])
			if err == nil && p.Done < last && p.Waiting+uint64(p.InFlight) > 0 {
				err = fmt.Errorf("%s is at %d, not at %d", c[1], p.Done, last)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(begin), nil
}

// found reads what is searchable of all events of an endpoint, by their ids.
func (r *rig) found(ctx context.Context, endpoint string) (map[string][]claims, error) {
	alias := period.Alias(r.namespace)
	if err := r.client.Refresh(ctx, alias); err != nil {
		return nil, err
	}
	all, after := map[string][]claims{}, json.RawMessage(nil)
	for {
		search := map[string]any{
			"size": 5000, "_source": []string{"event.code", "@timestamp"}, "track_total_hits": false,
			"query": map[string]any{"term": map[string]any{"sluice.endpoint": endpoint}},
			"sort":  []any{map[string]any{"event.id": "asc"}, map[string]any{"sluice.delivery": "asc"}, map[string]any{"sluice.item": "asc"}},
		}
		if after != nil {
			search["search_after"] = after
		}
		page, err := r.client.Page(ctx, []string{alias}, search)
		if err != nil {
			return nil, err
		}
		if page.Failed > 0 {
			return nil, fmt.Errorf("%d shards did not answer: %s", page.Failed, page.Failure)
		}
		for _, d := range page.Documents {
			var keys []any
			if err := json.Unmarshal(d.Sort, &keys); err != nil {
				return nil, err
			}
			id, _ := keys[0].(string)
			all[id] = append(all[id], documentClaims(d.Source))
			after = d.Sort
		}
		if len(page.Documents) < 5000 {
			return all, nil
		}
	}
}

// letters counts the dead letters by what they are about: the mark of rubbish, or the event's id. flaws names those that
// do not say what an operator needs.
func (r *rig) letters(ctx context.Context) (counts map[string]int, flaws []string, err error) {
	all := map[string]int{}
	for l, err := range deadletter.Open(r.conn).All(ctx) {
		if err != nil {
			return nil, nil, err
		}
		id := markPattern.FindString(string(l.Body))
		if id == "" {
			id = eventID(l.Body)
		}
		all[id]++
		if l.Stage != deadletter.StageEnricher && l.Stage != deadletter.StageIndexer || l.Reason == "" || l.Attempts < 1 || l.FirstSeen.IsZero() {
			flaws = append(flaws, fmt.Sprintf("the letter of %s has stage %q, reason %q, %d attempts, first seen %s", id, l.Stage, l.Reason, l.Attempts, l.FirstSeen))
		}
	}
	return all, flaws, nil
}

// eventID reads the event's id from a document's bulk lines, or from the event itself.
func eventID(body []byte) string {
	_, second, two := strings.Cut(string(body), "\n")
	if !two {
		second = string(body)
	}
	var doc struct {
		LogID string `json:"log_id"`
		Event struct {
			ID string `json:"id"`
		} `json:"event"`
	}
	if json.Unmarshal([]byte(second), &doc) != nil {
		return fmt.Sprintf("unknown: %.80q", body)
	}
	return doc.LogID + doc.Event.ID
}

// outcome is what became of one event: how often it is searchable, as what, and how often a dead letter.
type outcome struct {
	found []claims
	dead  int
}

// check compares the book with what is searchable and what lies among the dead letters.
func (x *trial) check(ctx context.Context) (*verdict, error) {
	var found map[string][]claims
	var letters map[string]int
	var flaws []string
	err := within(time.Minute, "reading what became of the events", func() (err error) { // a cluster may still be settling
		if found, err = x.found(ctx, x.endpoint); err == nil {
			letters, flaws, err = x.letters(ctx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	v := &verdict{searchable: len(found)}
	x.book.mu.Lock()
	defer x.book.mu.Unlock()
	v.sent = len(x.book.events)
	for _, id := range slices.Sorted(maps.Keys(x.book.events)) {
		v.judge(id, x.book.events[id], outcome{found[id], letters[id]}, x.fault.deadly)
	}
	for id := range found {
		if x.book.events[id] == nil {
			v.problem("%s is searchable and was never sent", id)
		}
	}
	for mark := range x.poison {
		v.deadWanted++
		v.dead += letters[mark]
		if letters[mark] != 1 {
			v.problem("%s has %d dead letters", mark, letters[mark])
		}
	}
	v.missing, v.doubled = len(v.lost), len(v.twice)
	v.some("missing", v.lost)
	v.some("doubled", v.twice)
	v.some("other content than was sent", v.altered)
	v.some("incomplete dead letters", flaws)
	return v, x.holes(ctx, v)
}

// some says what is wrong in one way, with some of it.
func (v *verdict) some(what string, all []string) {
	if len(all) > 0 {
		v.problem("%s: %d, such as %v", what, len(all), all[:min(len(all), 5)])
	}
}

// judge compares one event with what became of it. Whether it may be a document is told by the event, never by what
// Sluice made of it: deadly names the good events that Elasticsearch can only refuse; nil: there are none.
func (v *verdict) judge(id string, f *fate, o outcome, deadly func(event []byte) bool) {
	doomed := f.broken || deadly != nil && deadly(f.event)
	v.dead += o.dead
	if doomed && f.acked {
		v.deadWanted++
	}
	switch {
	case f.acked:
		v.acked++
	case f.unsure > 0:
		v.unsure++
	case f.refused > 0:
		v.refused++
	}
	n := len(o.found)
	switch {
	case n+o.dead > 1:
		v.twice = append(v.twice, id)
	case f.acked && n+o.dead == 0:
		v.lost = append(v.lost, id)
	case doomed && n > 0:
		v.problem("%s can be no document and is searchable", id)
	case !doomed && o.dead > 0:
		v.problem("event %s is a dead letter", id)
	case !f.acked && f.unsure == 0 && n+o.dead > 0:
		v.problem("event %s was only refused and is there", id)
	}
	if !f.broken && f.event != nil { // a brief book keeps no events, and says nothing of what they held
		v.compare(id, f.event, o.found)
	}
}

// compare looks whether documents say what their event said.
func (v *verdict) compare(id string, event []byte, found []claims) {
	if len(found) == 0 {
		return
	}
	want := eventClaims(event)
	if !want.whole() {
		v.altered = append(v.altered, fmt.Sprintf("%s as sent has no type or no readable date: nothing to compare with", id))
	}
	for _, is := range found {
		if is != want {
			v.altered = append(v.altered, fmt.Sprintf("%s is %s, was sent as %s", id, is, want))
		}
	}
}

// holes looks for messages that vanished from the middle of a stream.
func (r *rig) holes(ctx context.Context, v *verdict) error {
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		state, err := r.conn.State(ctx, name)
		if err != nil {
			return err
		}
		if state.Holes > 0 {
			v.problem("%s has %d holes", name, state.Holes)
		}
	}
	return nil
}

// age renders a time span for a table.
func age(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
