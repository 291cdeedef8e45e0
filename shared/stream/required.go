package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// floors is how far the required consumers of a stream have come.
type floors struct {
	done            map[string]uint64 // by consumer: it has acknowledged everything up to this sequence
	lowest, highest uint64            // lowest leaves out consumers that have nothing to read
}

// place is where one consumer is.
type place struct {
	done  uint64 // it has acknowledged everything up to this sequence
	waits bool   // it says that it has more to do; late, so that false means little
}

// floors asks the consumers. It relies on acknowledgements alone: how much a consumer has waiting is counted late, so a
// message that was stored a moment ago may not be in it. last is the stream's last sequence, as of before.
func (c *Conn) floors(ctx context.Context, stream string, last uint64, required []string) (floors, error) {
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return floors{}, fmt.Errorf("looking at stream %s: %w", stream, classify(err))
	}
	f := floors{done: map[string]uint64{}, lowest: last}
	for _, name := range required {
		at, err := c.floor(ctx, stream, name)
		if err != nil {
			return floors{}, err
		}
		f.done[name], f.highest = at.done, max(f.highest, at.done)
		behind, err := c.behind(ctx, s, name, at)
		if err != nil {
			return floors{}, err
		}
		if behind {
			f.lowest = min(f.lowest, at.done)
		}
	}
	return f, nil
}

// behind reports whether a consumer has something to read behind its place. A server that cannot read its disk for a
// while says "not found" as well; then the consumer itself is asked.
func (c *Conn) behind(ctx context.Context, s jetstream.Stream, name string, at place) (bool, error) {
	last, err := s.GetLastMsgForSubject(ctx, subjectOf(name))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return at.waits, nil
	case err != nil:
		return false, fmt.Errorf("looking for the last message on %s: %w", subjectOf(name), classify(err))
	}
	return last.Sequence > at.done, nil
}

// floor is where a consumer is; ErrBlocked when it is not the one that is needed.
func (c *Conn) floor(ctx context.Context, stream, consumer string) (place, error) {
	cons, err := c.js.Consumer(ctx, stream, consumer)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return place{}, fmt.Errorf("%w: stream %s has no consumer %s: run `sluice setup`, which makes it", ErrBlocked, stream, consumer)
	}
	if err != nil {
		return place{}, fmt.Errorf("looking at consumer %s of %s: %w", consumer, stream, classify(err))
	}
	info := cons.CachedInfo()
	if info.Config.FilterSubject != subjectOf(consumer) {
		return place{}, fmt.Errorf("%w: consumer %s of %s reads %q instead of %s: remove it and run `sluice setup`, which makes the right one",
			ErrBlocked, consumer, stream, info.Config.FilterSubject, subjectOf(consumer))
	}
	return place{info.AckFloor.Stream, info.NumPending > 0 || info.NumAckPending > 0}, nil
}

// requiredConsumers lists the consumers that are there and without whose acknowledgement nothing may go.
func (c *Conn) requiredConsumers(ctx context.Context, stream string) ([]string, error) {
	if stream == Deliveries { // known without asking for a list, which an enricher may not
		return c.deliveryConsumers(ctx)
	}
	names, err := c.Consumers(ctx, stream)
	if err != nil {
		return nil, err
	}
	var required []string
	for _, name := range names {
		if isRequired(stream, name) {
			required = append(required, name)
		}
	}
	return required, nil
}

// deliveryConsumers are those of Deliveries. An installation from before there was a bulk class has no consumer for it, and
// needs none until its stream takes or holds a message of that class.
func (c *Conn) deliveryConsumers(ctx context.Context) ([]string, error) {
	bulk := BulkSubject(SubjectDeliveries)
	s, err := c.js.Stream(ctx, Deliveries)
	if err != nil {
		return nil, fmt.Errorf("looking at stream %s: %w", Deliveries, classify(err))
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(bulk))
	if err != nil {
		return nil, fmt.Errorf("looking for messages on %s: %w", bulk, classify(err))
	}
	if info.State.Subjects[bulk] == 0 && !slices.Contains(info.Config.Subjects, bulk) {
		return []string{Enricher}, nil
	}
	return Classes(Enricher), nil
}

// required lists the consumers without whose acknowledgement nothing may go. Messages that nobody would ever read are
// ErrBlocked: they wait for somebody to look.
func (c *Conn) required(ctx context.Context, stream string) ([]string, error) {
	required, err := c.requiredConsumers(ctx, stream)
	if err != nil || stream == Deliveries { // whose subjects are all read
		return required, err
	}
	reads := map[string]bool{}
	for _, name := range required {
		reads[subjectOf(name)] = true
	}
	s, err := c.js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("looking at stream %s: %w", stream, classify(err))
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return nil, fmt.Errorf("listing subjects of %s: %w", stream, classify(err))
	}
	for subject := range info.State.Subjects {
		if !reads[subject] {
			return nil, fmt.Errorf("%w: stream %s holds messages on %s, and there is no consumer %s to read them: run `sluice setup`, which makes it",
				ErrBlocked, stream, subject, consumerOf(subject))
		}
	}
	return required, nil
}
