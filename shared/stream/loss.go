package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Loss is a run of messages that the server can no longer read and that nobody had finished.
type Loss struct {
	Schema  int       `json:"schema,omitempty"` // version of the record; later ones only add to it
	Stream  string    `json:"stream"`
	From    uint64    `json:"from"`            // first sequence
	To      uint64    `json:"to"`              // last sequence
	After   time.Time `json:"after,omitzero"`  // they were stored after this; zero: since the beginning of the stream
	Before  time.Time `json:"before,omitzero"` // and before this; zero: nothing came after them
	Noticed time.Time `json:"noticed"`
	Cut     bool      `json:"cut,omitempty"` // they were cut off the stream's end: new messages get these sequences
}

// lossSchema is the version of the losses that this build writes.
const lossSchema = 1

// Count is how many messages were lost.
func (l Loss) Count() uint64 { return l.To - l.From + 1 }

// Losses lists what was ever lost, the oldest first.
func (c *Conn) Losses(ctx context.Context) ([]Loss, error) {
	return c.losses(ctx, ">")
}

func (c *Conn) losses(ctx context.Context, pattern string) ([]Loss, error) {
	bucket, err := c.Bucket(ctx, BucketLosses)
	if err != nil {
		return nil, err
	}
	entries, err := bucket.All(ctx, pattern)
	if err != nil {
		return nil, err
	}
	all := make([]Loss, 0, len(entries))
	for _, e := range entries {
		var l Loss
		if err := json.Unmarshal(e.Value, &l); err != nil {
			return all, fmt.Errorf("reading %s from bucket %s: %w", e.Key, BucketLosses, err)
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Loss) int {
		return cmp.Or(a.Noticed.Compare(b.Noticed), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.From, b.From))
	})
	return all, nil
}

// writeLoss stores a loss of the stream that book is about.
func (c *Conn) writeLoss(ctx context.Context, b *book, l Loss) error {
	bucket, err := c.Bucket(ctx, BucketLosses)
	if err != nil {
		return err
	}
	l.Schema = lossSchema
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	key := b.stream + "." + b.epoch + "." + strconv.FormatUint(l.From, 10)
	if l.Cut { // the messages that come to this place may be lost as well, and a later cut may begin here
		key += "-" + strconv.FormatInt(l.Noticed.UnixNano(), 36)
	}
	return bucket.Put(ctx, key, raw)
}
