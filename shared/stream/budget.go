package stream

import (
	"context"
	"errors"
	"math"
	"time"
)

// Budget is how much room a stream has left, in bytes and in time.
type Budget struct {
	Bytes      uint64    // in the stream
	MaxBytes   int64     // its limit; 0 or less: none
	Unfinished uint64    // the part of Bytes that nobody has finished, going by the messages' average size
	Growth     float64   // of Unfinished over the last minutes, in bytes per second; 0 when nobody measured it
	Measured   time.Time // when Growth was measured, zero when it was not, or not lately
}

// FullIn is how long it takes at the present rate until the stream is full of unfinished data; false when it does not
// grow or has no limit. What is finished makes room by then.
func (b Budget) FullIn() (time.Duration, bool) {
	if b.Growth <= 0 || b.MaxBytes <= 0 {
		return 0, false
	}
	left := float64(b.MaxBytes) - float64(b.Unfinished)
	seconds := max(left, 0) / b.Growth
	return time.Duration(min(seconds*float64(time.Second), math.MaxInt64/2)), true
}

const (
	// growthWindow is the time over which growth is measured, growthLeast the shortest that says anything.
	growthWindow = 5 * time.Minute
	growthLeast  = 10 * time.Second
	// growthGood is how long a stored measurement means anything.
	growthGood = 2 * time.Minute
)

// Budget returns how much room a stream has. Its growth is what the stream's janitor measured last.
func (c *Conn) Budget(ctx context.Context, stream string) (Budget, error) {
	state, err := c.State(ctx, stream)
	if err != nil {
		return Budget{}, err
	}
	bucket, err := c.Bucket(ctx, BucketVerdicts)
	if err != nil {
		return Budget{}, err
	}
	b := &book{bucket: bucket, stream: stream, epoch: epoch(state.Created)}
	acc, err := b.account(ctx)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Budget{}, err
	}
	budget := budgetOf(state, acc.Covered)
	if time.Since(acc.Measured) < growthGood {
		budget.Growth, budget.Measured = acc.Growth, acc.Measured
	}
	return budget, nil
}

func budgetOf(state State, covered uint64) Budget {
	b := Budget{Bytes: state.Bytes, MaxBytes: state.MaxBytes}
	if state.Messages > 0 && state.Last > covered {
		share := float64(state.Last-max(covered, state.gone())) / float64(state.Messages)
		b.Unfinished = uint64(min(share, 1) * float64(state.Bytes))
	}
	return b
}

// sample is how much was unfinished at a moment.
type sample struct {
	at         time.Time
	unfinished uint64
}

// measure notes how full the stream is, and how fast that grew, for gauges and account.
func (j *Janitor) measure(r *round) {
	b := budgetOf(r.state, r.account.Covered)
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.samples) > 1 && r.now.Sub(j.samples[0].at) > growthWindow {
		j.samples = j.samples[1:]
	}
	j.samples = append(j.samples, sample{r.now, b.Unfinished})
	if first := j.samples[0]; r.now.Sub(first.at) >= growthLeast {
		b.Growth = (float64(b.Unfinished) - float64(first.unfinished)) / r.now.Sub(first.at).Seconds()
		b.Measured = r.now
		r.account.Growth, r.account.Measured = b.Growth, b.Measured
	}
	j.gauges.budget = b
}
