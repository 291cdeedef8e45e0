package stream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// LedgerEntry is what became of the events of one endpoint, since counting began:
//
//	Received = Indexed + Duplicate + Dead + Expired + InFlight
//
// A dead letter that was replayed was received twice: it stays among the dead, and what became of it now is counted, too.
type LedgerEntry struct {
	Endpoint  string `json:"endpoint"`
	Received  uint64 `json:"received"`
	Indexed   uint64 `json:"indexed"`
	Duplicate uint64 `json:"duplicate"` // was there already
	Dead      uint64 `json:"dead"`
	Expired   uint64 `json:"expired"`
	InFlight  int64  `json:"in_flight"` // made into documents, and not finished; below 0 for moments in which the indexer was counted first
	Repeated  uint64 `json:"repeated"`  // documents that were stored twice because a worker died; not among the others
	Documents uint64 `json:"documents"` // that were made, or replayed and finished
}

// finished is how many of the documents came to an end.
func (e *LedgerEntry) finished() uint64 { return e.Documents - uint64(e.InFlight) }

// Ledger is what both streams' accounts say.
type Ledger struct {
	Since     time.Time     `json:"since,omitzero"`
	Entries   []LedgerEntry `json:"endpoints"`
	Uncounted uint64        `json:"uncounted"` // messages that were finished without a count
	// Deliveries and Documents say how far each is accounted for, and what the last message is.
	Deliveries Reach `json:"deliveries"`
	Documents  Reach `json:"documents"`
}

// Reach is how far a stream is accounted for.
type Reach struct {
	Covered uint64 `json:"covered"`
	Last    uint64 `json:"last"`
}

// Drained reports whether nothing is on its way.
func (l *Ledger) Drained() bool {
	return l.Deliveries.Covered >= l.Deliveries.Last && l.Documents.Covered >= l.Documents.Last
}

// Ledger adds up what is accounted for. The deliveries' account is read first, so that every document it tells of lies
// within Documents.Last, and every document that came to an end comes from within Deliveries.Last.
func (c *Conn) Ledger(ctx context.Context) (Ledger, error) {
	l := Ledger{Entries: []LedgerEntry{}}
	in, err := c.reach(ctx, Deliveries, &l.Deliveries)
	if err != nil {
		return l, err
	}
	out, err := c.reach(ctx, Documents, &l.Documents)
	if err != nil {
		return l, err
	}
	after, err := c.State(ctx, Deliveries)
	if err != nil {
		return l, err
	}
	l.Deliveries.Last = after.Last // as of after both accounts: whatever they tell of comes from before it
	l.Since, l.Uncounted = in.Since, in.Uncounted+out.Uncounted
	known := maps.Clone(in.Events)
	if known == nil {
		known = map[string]map[string]uint64{}
	}
	for endpoint := range out.Events {
		if known[endpoint] == nil {
			known[endpoint] = nil
		}
	}
	for _, endpoint := range slices.Sorted(maps.Keys(known)) {
		l.Entries = append(l.Entries, ledgerEntry(endpoint, in.Events[endpoint], out.Events[endpoint]))
	}
	return l, nil
}

func ledgerEntry(endpoint string, in, out map[string]uint64) LedgerEntry {
	e := LedgerEntry{
		Endpoint: endpoint, Documents: in[BecameDocument] + out[BecameReplayed], Expired: in[BecameExpired] + out[BecameExpired], Dead: in[BecameDead] + out[BecameDead],
		Indexed: out[BecameIndexed], Duplicate: out[BecameDuplicate], Repeated: out[becameRepeated],
	}
	e.Received = e.Documents + in[BecameExpired] + in[BecameDead]
	e.InFlight = int64(e.Documents) - int64(out[BecameIndexed]+out[BecameDuplicate]+out[BecameDead]+out[BecameExpired])
	return e
}

// reach reads a stream's account; nothing is in it before the first message was counted.
func (c *Conn) reach(ctx context.Context, stream string, r *Reach) (sums, error) {
	bucket, err := c.Bucket(ctx, BucketVerdicts)
	if err != nil {
		return sums{}, err
	}
	state, err := c.State(ctx, stream)
	if err != nil {
		return sums{}, err
	}
	b := &book{bucket: bucket, stream: stream, epoch: epoch(state.Created)}
	acc, err := b.account(ctx)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	if after, lookErr := c.State(ctx, stream); lookErr == nil { // as of after the account
		state = after
	}
	r.Covered, r.Last = acc.Covered, state.Last
	return acc.Sums, err
}
