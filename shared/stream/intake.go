package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// subjectClosed is where nobody publishes.
const subjectClosed = "sluice.closed"

// CloseIntake makes DELIVERIES take nothing more, whoever publishes to it: receivers answer 503 from then on, and what was
// acknowledged before is in the stream and can be counted. The stream keeps what it holds. open undoes it, as Setup does.
func (c *Conn) CloseIntake(ctx context.Context) (open func(context.Context) error, err error) {
	nothing := func(context.Context) error { return nil }
	s, err := c.js.Stream(ctx, Deliveries)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nothing, nil
	}
	if err != nil {
		return nothing, fmt.Errorf("looking at stream %s: %w", Deliveries, classify(err))
	}
	cfg := s.CachedInfo().Config
	if cfg.Metadata[metaMade] == "" {
		return nothing, nil // not ours to change
	}
	before := cfg.Subjects
	if slices.Contains(before, subjectClosed) { // a removal was cut off
		before = classSubjects(SubjectDeliveries)
	}
	open = func(ctx context.Context) error { return c.listen(ctx, cfg, before...) }
	return open, c.listen(ctx, cfg, subjectClosed)
}

// listen gives a stream other subjects.
func (c *Conn) listen(ctx context.Context, cfg jetstream.StreamConfig, subjects ...string) error {
	cfg.Subjects = subjects
	if _, err := c.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("making stream %s listen on %s: %w", cfg.Name, strings.Join(subjects, " and "), classify(err))
	}
	return nil
}

// followed reports whether somebody follows the registry at this moment, as every service does while it runs.
func (c *Conn) followed(ctx context.Context) (bool, error) {
	s, err := c.js.Stream(ctx, "KV_"+BucketEndpoints)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at bucket %s: %w", BucketEndpoints, classify(err))
	}
	lister, bound := s.ListConsumers(ctx), false
	for info := range lister.Info() {
		bound = bound || info.PushBound
	}
	if err := lister.Err(); err != nil {
		return false, fmt.Errorf("listing who follows bucket %s: %w", BucketEndpoints, classify(err))
	}
	return bound, nil
}
