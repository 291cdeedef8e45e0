package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Piece is a stream or a bucket that exists under one of our names.
type Piece struct {
	Kind string // "stream" or "bucket"
	Name string
	Ours bool // Setup made it; nothing else is ever removed
}

// Inventory is what there is of what Setup makes.
type Inventory struct {
	Parts      []Piece  // in the order in which they can be removed
	Unfinished uint64   // messages that a required consumer has not finished
	Letters    uint64   // dead letters
	Busy       []string // what services read from at this moment: required consumers, and the registry
}

// Inventory looks for what Setup makes.
func (c *Conn) Inventory(ctx context.Context) (Inventory, error) {
	var all Inventory
	made := false
	for _, name := range []string{DeadLetters, Documents, Deliveries} {
		s, err := c.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return all, fmt.Errorf("looking at stream %s: %w", name, classify(err))
		}
		info := s.CachedInfo()
		p := Piece{Kind: "stream", Name: name, Ours: info.Config.Metadata[metaMade] != ""}
		all.Parts = append(all.Parts, p)
		if !p.Ours {
			continue
		}
		made = true
		if name == DeadLetters {
			all.Letters = info.State.Msgs
		} else if err := c.unfinished(ctx, s, &all); err != nil {
			return all, err
		}
	}
	if made {
		followed, err := c.followed(ctx)
		if err != nil {
			return all, err
		}
		if followed { // a receiver reads from no stream
			all.Busy = append(all.Busy, BucketEndpoints)
		}
	}
	held, err := c.madeBuckets(ctx, made)
	// The streams go last: the buckets of the first versions are known by them alone.
	all.Parts = slices.Concat(held, all.Parts)
	return all, err
}

// unfinished adds what a stream holds that somebody still has to finish.
func (c *Conn) unfinished(ctx context.Context, s jetstream.Stream, all *Inventory) error {
	stream, messages := s.CachedInfo().Config.Name, s.CachedInfo().State.Msgs
	required, err := c.required(ctx, stream)
	if errors.Is(err, ErrBlocked) { // messages that nobody reads
		all.Unfinished += messages
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range required {
		cons, err := c.js.Consumer(ctx, stream, name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			all.Unfinished += messages
			continue
		}
		if err != nil {
			return fmt.Errorf("looking at consumer %s of %s: %w", name, stream, classify(err))
		}
		info := cons.CachedInfo()
		waiting := info.NumPending + uint64(max(info.NumAckPending, 0))
		if waiting == 0 { // what waits is counted late
			behind, err := c.behind(ctx, s, name, place{done: info.AckFloor.Stream})
			if err != nil {
				return err
			}
			if behind {
				waiting = 1
			}
		}
		all.Unfinished += waiting
		if info.NumWaiting > 0 {
			all.Busy = append(all.Busy, stream+"/"+name)
		}
	}
	return nil
}

// madeBuckets lists the buckets under our names. Those of the first versions carry no mark: they are ours beside a stream
// of ours, when they are made as we make them.
func (c *Conn) madeBuckets(ctx context.Context, beside bool) ([]Piece, error) {
	var found []Piece
	for _, name := range buckets() {
		kv, err := c.js.KeyValue(ctx, name)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking at bucket %s: %w", name, classify(err))
		}
		status, err := kv.Status(ctx)
		if err != nil {
			return nil, fmt.Errorf("looking at bucket %s: %w", name, classify(err))
		}
		cfg := status.Config()
		alike := cfg.History == 1 && cfg.MaxBytes == bucketMaxBytes && cfg.Storage == jetstream.FileStorage
		found = append(found, Piece{Kind: "bucket", Name: name, Ours: cfg.Metadata[metaMade] != "" || beside && alike})
	}
	return found, nil
}

// Remove removes a part with all that is in it; there being none is no error.
func (c *Conn) Remove(ctx context.Context, p Piece) error {
	if !p.Ours {
		return fmt.Errorf("%s %s was not made by sluice: refusing to remove it", p.Kind, p.Name)
	}
	var err error
	if p.Kind == "bucket" {
		err = c.js.DeleteKeyValue(ctx, p.Name)
	} else {
		err = c.js.DeleteStream(ctx, p.Name)
	}
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrBucketNotFound) {
		return fmt.Errorf("removing %s %s: %w", p.Kind, p.Name, classify(err))
	}
	return nil
}
