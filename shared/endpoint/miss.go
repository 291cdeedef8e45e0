package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// Miss is what came to an address where there is no endpoint: most often a mistyped Payload URL.
type Miss struct {
	Time     time.Time `json:"time"`    // of the last one
	Request  string    `json:"request"` // method and path, without what might be a token
	Address  string    `json:"address"` // whom the last one came from
	Times    uint64    `json:"times"`
	Delivery bool      `json:"delivery"` // it looks like a delivery: a POST with an Authorization header
}

// Misses are the last ones, the newest last. Those that look like deliveries have a room of their own, so that whoever
// tries doors hides none of them.
type Misses []Miss

// How many are kept of each sort.
const (
	maxMissedDeliveries = 20
	maxOtherMisses      = 10
)

// Add counts one, and forgets the oldest of its sort.
func (m *Misses) Add(one Miss) {
	one.Times = max(one.Times, 1)
	room, same := maxOtherMisses, 0
	if one.Delivery {
		room = maxMissedDeliveries
	}
	oldest := -1
	for i, have := range *m {
		if have.Delivery != one.Delivery {
			continue
		}
		if have.Request == one.Request {
			one.Times += have.Times
			oldest = i
			same = room // make room for it in its old place
			break
		}
		if same++; oldest < 0 {
			oldest = i
		}
	}
	if same >= room {
		*m = slices.Delete(*m, oldest, oldest+1)
	}
	*m = append(*m, one)
}

// missed begins the keys of misses on the board; no endpoint has such an id.
const missed = "_unknown."

// WriteMisses stores what one receiver, named instance, could assign to no endpoint.
func (b *Board) WriteMisses(ctx context.Context, instance string, m Misses) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("storing requests to unknown endpoints: %w", err)
	}
	return b.bucket.Put(ctx, missed+instance, raw)
}

// OwnMisses returns what one receiver wrote before.
func (b *Board) OwnMisses(ctx context.Context, instance string) (m Misses, err error) {
	entry, err := b.bucket.Get(ctx, missed+instance)
	if errors.Is(err, stream.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(entry.Value, &m)
	}
	return m, err
}

// Misses returns what all receivers together could assign to no endpoint.
func (b *Board) Misses(ctx context.Context) (Misses, error) {
	entries, err := b.bucket.All(ctx, missed+"*")
	if err != nil {
		return nil, err
	}
	var all []Miss
	for _, entry := range entries {
		var some Misses
		if err := json.Unmarshal(entry.Value, &some); err != nil {
			return nil, fmt.Errorf("reading status %s: %w", entry.Key, err)
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b Miss) int { return a.Time.Compare(b.Time) })
	var merged Misses
	for _, one := range all {
		merged.Add(one)
	}
	return merged, nil
}
