package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/stream"
)

// ulidTime reads the time in a delivery's id.
func ulidTime(id string) (time.Time, error) {
	parsed, err := ulid.ParseStrict(id)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no delivery's id: it has %d characters of 0-9 and A-Z, such as 01JB3Q2V7E8M9N0P1R2S3T4V5W; the receiver's answer names it", id, ulid.EncodedSize)
	}
	return parsed.Timestamp().UTC(), nil
}

// part is a delivery, or a piece of one, and its place in the stream.
type part struct {
	delivery.Delivery
	sequence uint64
}

// window is how far from the time in its id a delivery is looked for.
type window struct{ before, after time.Duration }

// findDelivery returns the parts of a delivery that are still on the stream, in their order; none when there are none.
// The second, wider look is for receivers whose clock differs from the NATS server's.
func findDelivery(ctx context.Context, conn *stream.Conn, id string, at time.Time) ([]part, error) {
	for _, w := range []window{{5 * time.Second, time.Minute}, {15 * time.Minute, 15 * time.Minute}} {
		sequences, err := sequencesOf(ctx, conn, id, at.Add(-w.before), at.Add(w.after))
		if err != nil {
			return nil, err
		}
		if len(sequences) > 0 {
			return readParts(ctx, conn, id, sequences)
		}
	}
	return nil, nil
}

// sequencesOf finds the messages that name the delivery in their headers.
func sequencesOf(ctx context.Context, conn *stream.Conn, id string, from, to time.Time) ([]uint64, error) {
	var found []uint64
	for message, err := range conn.Scan(ctx, stream.Deliveries, stream.Range{Since: from, HeadersOnly: true}) {
		if err != nil {
			return nil, fmt.Errorf("looking for delivery %s: %w", id, err)
		}
		if message.Time.After(to) {
			break
		}
		if slices.Contains(strings.Split(message.Header[delivery.HeaderID], ","), id) {
			found = append(found, message.Sequence)
		}
	}
	return found, ctx.Err()
}

// readParts reads the messages. A part that was stored twice, because its first receipt got lost, counts once.
func readParts(ctx context.Context, conn *stream.Conn, id string, sequences []uint64) ([]part, error) {
	var parts []part
	for _, sequence := range sequences {
		message, err := conn.Get(ctx, stream.Deliveries, sequence)
		if errors.Is(err, stream.ErrNotFound) {
			continue // purged since the scan
		}
		if err != nil {
			return nil, err
		}
		all, err := delivery.Decode(message.Header, message.Data)
		if err != nil {
			return nil, fmt.Errorf("reading message %d of %s: %w", sequence, stream.Deliveries, err)
		}
		for _, d := range all {
			known := slices.ContainsFunc(parts, func(p part) bool { return p.Part == d.Part })
			if d.ID == id && !known {
				parts = append(parts, part{Delivery: d, sequence: sequence})
			}
		}
	}
	slices.SortStableFunc(parts, func(x, y part) int { return x.Part - y.Part })
	return parts, nil
}
