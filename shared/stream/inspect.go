package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Swept returns when a stream's janitor last gave a sign of life, by its own clock; zero when there never was one, or the
// last one stopped on purpose.
func (c *Conn) Swept(ctx context.Context, stream string) (time.Time, error) {
	bucket, err := c.Bucket(ctx, BucketVerdicts)
	if err != nil {
		return time.Time{}, err
	}
	e, err := bucket.Get(ctx, stream+".lease")
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	var t tenancy
	if err := json.Unmarshal(e.Value, &t); err != nil {
		return time.Time{}, fmt.Errorf("reading %s from bucket %s: %w", e.Key, BucketVerdicts, err)
	}
	return t.Renewed, nil
}

// Blocked returns why nothing can be purged from a stream before somebody acts (ErrBlocked), nil when it can.
func (c *Conn) Blocked(ctx context.Context, stream string) error {
	state, err := c.State(ctx, stream)
	if err != nil {
		return err
	}
	required, err := c.required(ctx, stream)
	if err != nil {
		return err
	}
	_, err = c.floors(ctx, stream, state.Last, required)
	return err
}
