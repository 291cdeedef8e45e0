package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// Status is what the receivers saw of an endpoint. No token and no event is in it.
type Status struct {
	LastDelivery   time.Time            `json:"last_delivery,omitzero"`
	LastDeliveryID string               `json:"last_delivery_id,omitempty"`
	Deliveries     uint64               `json:"deliveries"` // accepted since this receiver started
	TokenUsed      map[string]time.Time `json:"token_used,omitempty"`
	Refusals       []Refusal            `json:"refusals,omitempty"` // newest last
	Failing        map[string]Failure   `json:"failing,omitempty"`  // by reason; Failures leaves out what is over
}

// Refusal is a request that was not accepted, or several equal ones.
type Refusal struct {
	Time    time.Time `json:"time"`   // of the last one
	Reason  string    `json:"reason"` // the receiver's answer, from its closed list
	Hint    string    `json:"hint,omitempty"`
	Address string    `json:"address,omitempty"` // whom it came from
	Times   uint64    `json:"times"`             // how often
}

// like reports whether both are the same thing at different times.
func (r Refusal) like(other Refusal) bool {
	return r.Reason == other.Reason && r.Hint == other.Hint && r.Address == other.Address
}

// maxRefusals is how many refusals are kept per endpoint.
const maxRefusals = 10

// AddRefusal counts a refusal among the failures and keeps it among the last ones.
func (s *Status) AddRefusal(r Refusal) {
	s.fail(r)
	s.keep(r)
}

// keep appends a refusal, or counts it to those that are equal, and forgets the oldest. So a sender that comes again and
// again hides nobody else.
func (s *Status) keep(r Refusal) {
	r.Times = max(r.Times, 1)
	if i := slices.IndexFunc(s.Refusals, r.like); i >= 0 {
		r.Times += s.Refusals[i].Times
		s.Refusals = slices.Delete(s.Refusals, i, i+1)
	}
	s.Refusals = append(s.Refusals, r)
	if extra := len(s.Refusals) - maxRefusals; extra > 0 {
		s.Refusals = append(s.Refusals[:0:0], s.Refusals[extra:]...)
	}
}

// merge adds what another receiver saw.
func (s *Status) merge(other Status) {
	s.Deliveries += other.Deliveries
	if other.LastDelivery.After(s.LastDelivery) {
		s.LastDelivery, s.LastDeliveryID = other.LastDelivery, other.LastDeliveryID
	}
	for id, at := range other.TokenUsed {
		if s.TokenUsed == nil {
			s.TokenUsed = map[string]time.Time{}
		}
		if at.After(s.TokenUsed[id]) {
			s.TokenUsed[id] = at
		}
	}
	s.mergeFailures(other)
	all := append(slices.Clone(s.Refusals), other.Refusals...)
	slices.SortFunc(all, func(a, b Refusal) int { return a.Time.Compare(b.Time) })
	s.Refusals = nil
	for _, r := range all {
		s.keep(r)
	}
}

// Board is where receivers write what they saw and where people read it.
type Board struct {
	bucket *stream.Bucket
}

// OpenBoard returns the board behind a connection.
func OpenBoard(ctx context.Context, conn *stream.Conn) (*Board, error) {
	bucket, err := conn.Bucket(ctx, stream.BucketStatus)
	if err != nil {
		return nil, err
	}
	return &Board{bucket: bucket}, nil
}

// Write stores what one receiver, named instance, saw of an endpoint.
func (b *Board) Write(ctx context.Context, id, instance string, s Status) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("storing the status of endpoint %s: %w", id, err)
	}
	return b.bucket.Put(ctx, id+"."+instance, raw)
}

// Read returns what all receivers together saw of an endpoint; a zero Status when nobody saw anything.
func (b *Board) Read(ctx context.Context, id string) (Status, error) {
	entries, err := b.bucket.All(ctx, id+".*")
	if err != nil {
		return Status{}, err
	}
	var all Status
	for _, entry := range entries {
		var one Status
		if err := json.Unmarshal(entry.Value, &one); err != nil {
			return all, fmt.Errorf("reading status %s: %w", entry.Key, err)
		}
		all.merge(one)
	}
	return all, nil
}

// ReadAll returns what all receivers together saw, and the usual traffic, of every endpoint that anything is known of. A
// record that cannot be read is left out and named in the error, so that it hides no other endpoint.
func (b *Board) ReadAll(ctx context.Context) (map[string]Sight, error) { return b.sights(ctx, ">") }

// Look returns the same of one endpoint.
func (b *Board) Look(ctx context.Context, id string) (Sight, error) {
	all, err := b.sights(ctx, id+".>")
	return all[id], err
}

func (b *Board) sights(ctx context.Context, pattern string) (map[string]Sight, error) {
	entries, err := b.bucket.All(ctx, pattern)
	if err != nil {
		return nil, err
	}
	all := map[string]Sight{}
	var broken []error
	for _, entry := range entries {
		if strings.HasPrefix(entry.Key, missed) { // of no endpoint
			continue
		}
		id, rest, _ := strings.Cut(entry.Key, ".")
		one := all[id]
		switch {
		case rest == usualKey:
			err = json.Unmarshal(entry.Value, &one.Usual)
		case !strings.Contains(rest, "."):
			var s Status
			if err = json.Unmarshal(entry.Value, &s); err == nil {
				one.Status.merge(s)
			}
		default: // of a version that knows more
			continue
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("reading status %s: %w", entry.Key, err))
			continue
		}
		all[id] = one
	}
	return all, errors.Join(broken...)
}

// Sight is what the board says about one endpoint.
type Sight struct {
	Status Status
	Usual  Usual
}

// usualKey follows an endpoint's id in the key of its usual traffic. It has two parts, so that no receiver's record of
// what it saw is taken for it.
const usualKey = "traffic.usual"

// WriteUsual stores the usual traffic of an endpoint.
func (b *Board) WriteUsual(ctx context.Context, id string, u *Usual) error {
	raw, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("storing the usual traffic of endpoint %s: %w", id, err)
	}
	return b.bucket.Put(ctx, id+"."+usualKey, raw)
}

// Own returns what one receiver wrote before; a zero Status when it wrote nothing.
func (b *Board) Own(ctx context.Context, id, instance string) (Status, error) {
	var s Status
	entry, err := b.bucket.Get(ctx, id+"."+instance)
	if errors.Is(err, stream.ErrNotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(entry.Value, &s); err != nil {
		return s, fmt.Errorf("reading status %s: %w", entry.Key, err)
	}
	return s, nil
}

// Continue takes over what an earlier run of the same receiver had seen.
func (s *Status) Continue(before Status) {
	deliveries := s.Deliveries
	s.merge(before)
	s.Deliveries = deliveries
}

// Clone returns a copy that shares nothing with s.
func (s *Status) Clone() Status {
	c := *s
	c.TokenUsed = maps.Clone(s.TokenUsed)
	c.Refusals = slices.Clone(s.Refusals)
	c.Failing = maps.Clone(s.Failing)
	return c
}
