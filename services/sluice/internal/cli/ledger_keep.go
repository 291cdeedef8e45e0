package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// entry is one event in the books.
type entry struct {
	*tracked
	delivery, endpoint, namespace string
	letter                        string // key of the enricher's letter, were there one
	sequence                      uint64
}

// bookkeeper goes through the deliveries, some thousand events at a time.
type bookkeeper struct {
	*Session
	progress *progress
	accounts map[string]*account
	open     []*entry         // not looked for yet
	absent   []*entry         // looked for, and not found: decided at the end, because the indexer works meanwhile
	fragment map[string]bool  // pieces of one event that were counted
	calls    map[string]bool  // deliveries that were counted
	letters  map[string][]int // items of the dead letters with a key
	result   ledger
}

func newBookkeeper(s *Session, p *progress) *bookkeeper {
	return &bookkeeper{
		Session: s, progress: p, accounts: map[string]*account{}, fragment: map[string]bool{}, calls: map[string]bool{}, letters: map[string][]int{},
		result: ledger{Endpoints: []*account{}, Wrong: []wrong{}},
	}
}

func (b *bookkeeper) account(id string) *account {
	if b.accounts[id] == nil {
		b.accounts[id] = &account{Endpoint: id}
	}
	return b.accounts[id]
}

// message takes one message of deliveries into the books.
func (b *bookkeeper) message(ctx context.Context, m stream.Stored) error {
	if b.result.From.IsZero() {
		b.result.From = m.Time
	}
	if all, err := delivery.Decode(m.Header, m.Data); err != nil {
		b.unreadable(m, err)
	} else {
		for i := range all {
			b.delivery(&part{Delivery: all[i], sequence: m.Sequence})
		}
	}
	for len(b.open) >= idsPerSearch {
		if err := b.settle(ctx, b.open[:idsPerSearch]); err != nil {
			return err
		}
		b.open = b.open[idsPerSearch:]
	}
	return ctx.Err()
}

// unreadable takes a message into the books that no receiver of ours wrote: the enricher sets it aside as a whole.
func (b *bookkeeper) unreadable(m stream.Stored, why error) {
	const nobody = "(unreadable)"
	b.account(nobody).Received++
	key := deadletter.KeyOf("", m.Data)
	b.absent = append(b.absent, &entry{tracked: &tracked{Why: why.Error(), key: key}, endpoint: nobody, sequence: m.Sequence})
}

// delivery takes one delivery, or a part of one, into the books.
func (b *bookkeeper) delivery(p *part) {
	t := b.account(p.Endpoint)
	if !b.calls[p.ID] {
		b.calls[p.ID] = true
		t.Deliveries++
	}
	if p.Fragment != "" {
		once := fmt.Sprintf("%s %d", p.ID, p.First)
		if b.fragment[once] {
			return
		}
		b.fragment[once] = true
	}
	key := p.key()
	events := []*tracked{p.piece()}
	if p.Fragment == "" {
		events = p.events()
	}
	for _, e := range events {
		t.Received++
		b.progress.add(1)
		next := &entry{tracked: e, delivery: p.ID, endpoint: p.Endpoint, namespace: p.Namespace, letter: key, sequence: p.sequence}
		if e.document == "" {
			b.absent = append(b.absent, next)
		} else {
			b.open = append(b.open, next)
		}
	}
}

// settle looks documents up and books those that are there.
func (b *bookkeeper) settle(ctx context.Context, entries []*entry) error {
	byNamespace := map[string][]*entry{}
	for _, e := range entries {
		byNamespace[e.namespace] = append(byNamespace[e.namespace], e)
	}
	for namespace, entries := range byNamespace {
		var ids []string
		for _, e := range entries {
			ids = append(ids, e.document)
		}
		slices.Sort(ids)
		hits, err := b.persist(ctx, namespace, slices.Compact(ids))
		if err != nil {
			return fmt.Errorf("looking for documents: %w", err)
		}
		there := byDocument(hits)
		for _, e := range entries {
			b.book(e, there[e.document])
		}
	}
	return nil
}

// tries is how often Elasticsearch is asked: an index that was made a moment ago answers with an error for a while.
const tries = 10

// persist looks documents up, and asks again while Elasticsearch has trouble of its own.
func (b *bookkeeper) persist(ctx context.Context, namespace string, ids []string) (hits []elastic.Hit, err error) {
	for try := range tries {
		if hits, err = b.lookUp(ctx, namespace, ids); err == nil || elastic.Status(err) > 0 && elastic.Status(err) < 500 && elastic.Status(err) != 429 {
			return hits, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(try+1) * 100 * time.Millisecond):
		}
	}
	return hits, err
}

// book writes down an event that was looked for.
func (b *bookkeeper) book(e *entry, hits []elastic.Hit) {
	t := b.account(e.endpoint)
	if len(hits) == 0 {
		b.absent = append(b.absent, e)
		return
	}
	settle(e.delivery, hits[0], []*tracked{e.tracked})
	if e.State == stateSearchable {
		t.Searchable++
	} else {
		t.Duplicate++
	}
	if len(hits) > 1 {
		t.Doubled++
		double := e.wrong("doubled")
		for _, hit := range hits {
			double.Indices = append(double.Indices, hit.Index)
		}
		b.result.Wrong = append(b.result.Wrong, double)
	}
}

func (e *entry) wrong(what string) wrong {
	return wrong{What: what, Endpoint: e.endpoint, Delivery: e.delivery, Item: e.Item, LogID: e.LogID, Sequence: e.sequence}
}

// patience is how long an event may take from the indexer's verdict to being searchable, beyond one refresh.
const ledgerPatience = 5 * time.Second

// close settles the rest and decides what became of the events that were not found.
func (b *bookkeeper) close(ctx context.Context) (*ledger, error) {
	if err := b.settle(ctx, b.open); err != nil {
		return nil, err
	}
	b.open = nil
	work, err := b.work(ctx)
	if err != nil {
		return nil, err
	}
	// What was finished before this question is searchable after a refresh, if it ever is.
	if err := b.again(ctx); err != nil {
		return nil, err
	}
	for _, e := range b.absent {
		if err := b.decide(ctx, e, work); err != nil {
			return nil, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.accounts)) {
		b.result.Endpoints = append(b.result.Endpoints, b.accounts[id])
		b.result.Total.add(b.accounts[id])
	}
	slices.SortStableFunc(b.result.Wrong, func(x, y wrong) int { return cmp.Compare(x.Sequence, y.Sequence) })
	return &b.result, nil
}

// again looks once more for what was not found.
func (b *bookkeeper) again(ctx context.Context) error {
	absent := b.absent
	b.absent = nil
	namespaces := map[string]bool{}
	for _, e := range absent {
		if e.document != "" {
			namespaces[e.namespace] = true
		}
	}
	for namespace := range namespaces {
		limit, cancel := context.WithTimeout(ctx, ledgerPatience)
		_ = b.Elastic.Refresh(limit, period.Alias(namespace)) // a reader may not refresh; then the second look is all there is
		cancel()
	}
	for chunk := range slices.Chunk(absent, idsPerSearch) {
		var events []*entry
		for _, e := range chunk {
			if e.document == "" {
				b.absent = append(b.absent, e)
			} else {
				events = append(events, e)
			}
		}
		if err := b.settle(ctx, events); err != nil {
			return err
		}
	}
	return nil
}

// work is how far the services are.
type work struct {
	enriched uint64                        // deliveries up to this sequence are finished
	busy     map[string]bool               // namespaces whose indexer has something left
	kept     map[string]endpoint.Namespace // by name
}

func (b *bookkeeper) work(ctx context.Context) (*work, error) {
	p, err := b.Conn.Overall(ctx, stream.Deliveries, stream.Enricher)
	if err != nil {
		return nil, err
	}
	w := &work{enriched: p.Done, busy: map[string]bool{}, kept: map[string]endpoint.Namespace{}}
	all, err := b.Registry.Namespaces(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		w.kept[n.Name] = n
		p, err := b.Conn.Overall(ctx, stream.Documents, stream.Indexer(n.Name))
		w.busy[n.Name] = err != nil || p.Waiting > 0 || p.InFlight > 0
	}
	return w, nil
}

// decide books an event that is in no index.
func (b *bookkeeper) decide(ctx context.Context, e *entry, w *work) error {
	t := b.account(e.endpoint)
	if e.sequence > w.enriched || e.document != "" && w.busy[e.namespace] {
		t.Waiting++
		return nil
	}
	dead, err := b.dead(ctx, e)
	switch {
	case err != nil:
		return err
	case dead:
		t.Dead++
	case w.expired(e):
		t.Expired++
	default:
		t.Missing++
		b.result.Wrong = append(b.result.Wrong, e.wrong("missing"))
	}
	return nil
}

// dead reports whether an event is a dead letter: the enricher's are named after the delivery's body and the number of
// the element, the indexer's after the document, that of a replay after the element alone.
func (b *bookkeeper) dead(ctx context.Context, e *entry) (bool, error) {
	for _, key := range []string{e.letter, e.document, e.key} {
		if key == "" {
			continue
		}
		items, err := b.lettersWith(ctx, key)
		if err != nil {
			return false, err
		}
		if len(items) > 0 && (key != e.letter || slices.Contains(items, e.Item)) {
			return true, nil
		}
	}
	return false, nil
}

func (b *bookkeeper) lettersWith(ctx context.Context, key string) ([]int, error) {
	if items, known := b.letters[key]; known {
		return items, nil
	}
	items := []int{}
	for l, err := range b.Letters.OfKey(ctx, key) {
		if err != nil {
			return nil, err
		}
		items = append(items, l.Item)
	}
	b.letters[key] = items
	return items, nil
}

// expired reports whether an event is from before its namespace's retention, so that it was never stored.
func (w *work) expired(e *entry) bool {
	retention := w.kept[e.namespace].Retention
	at, ok := auth0.LogIDTime(e.LogID)
	return ok && retention > 0 && at.Before(time.Now().Add(-retention))
}
