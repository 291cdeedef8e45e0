package endpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicelog/sluice/shared/period"
)

// MaxSkew is how far two clocks may differ before nothing is decided by them that cannot be taken back.
const MaxSkew = 5 * time.Minute

// ErrClocks says that this machine's clock and another one's differ by more than MaxSkew.
var ErrClocks = errors.New("the clocks differ too much")

// CompareClocks fails when the clock named other, read between begin and end of our own, is not ours within MaxSkew.
func CompareClocks(name string, other, begin, end time.Time) error {
	if other.Before(begin.Add(-MaxSkew)) || other.After(end.Add(MaxSkew)) {
		return fmt.Errorf("%w: here it is %s, at %s %s; set them right (NTP) and try again",
			ErrClocks, end.UTC().Format(time.RFC3339), name, other.UTC().Format(time.RFC3339))
	}
	return nil
}

// Clock is the time at the NATS server.
func (r *Registry) Clock(ctx context.Context) (time.Time, error) { return r.bucket.Clock(ctx) }

// Now is the time on this machine, once it was compared with the NATS server's.
func (r *Registry) Now(ctx context.Context) (time.Time, error) {
	begin := r.now()
	other, err := r.bucket.Clock(ctx)
	if err != nil {
		return begin, err
	}
	end := r.now()
	return end, CompareClocks("the NATS server", other, begin, end)
}

// Expired reports whether every event of a period is from before the namespace's retention, so that no index may be made
// for it any more. It asks the server for the record as it is now, and for the time: an event is given up only when both
// clocks say that it expired.
func (r *Registry) Expired(ctx context.Context, namespace, name string) (bool, error) {
	n, err := r.Namespace(ctx, namespace)
	if err != nil {
		return false, err
	}
	now := r.now()
	if !period.Expired(name, n.Retention, now) {
		return false, nil
	}
	other, err := r.bucket.Clock(ctx)
	if err != nil {
		return false, err
	}
	return period.Expired(name, n.Retention, other), nil
}
