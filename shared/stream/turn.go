package stream

import (
	"context"
	"time"
)

// Turn lets one of several processes do what need not be done twice. Two at once can happen for a moment, so what is done
// in a turn must bear that. It is not safe for concurrent use.
type Turn struct{ lease lease }

// TurnPeriod is how often a process should try to take its turn, or to keep it; another one gets it when it was not kept
// for three times as long.
const TurnPeriod = leaseTime / 3

// Turn returns this process's claim on what name says. The claims lie in BucketVerdicts.
func (c *Conn) Turn(ctx context.Context, name string) (*Turn, error) {
	bucket, err := c.Bucket(ctx, BucketVerdicts)
	if err != nil {
		return nil, err
	}
	return &Turn{lease{bucket: bucket, key: "turn." + name, holder: newID()}}, nil
}

// Take gets or keeps the turn; false when another process has it.
func (t *Turn) Take(ctx context.Context, now time.Time) (bool, error) { return t.lease.take(ctx, now) }

// Release gives the turn back, so that nobody needs to wait until it ends.
func (t *Turn) Release(ctx context.Context) { t.lease.release(ctx) }
