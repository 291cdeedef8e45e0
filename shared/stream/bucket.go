package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Names of the key-value buckets.
const (
	// BucketEndpoints holds the registry: endpoints and namespaces, token hashes only.
	BucketEndpoints = "ENDPOINTS"
	// BucketStatus holds what receivers saw per endpoint: last use, last refusals.
	BucketStatus = "ENDPOINT_STATUS"
	// BucketVerdicts counts which messages were finished, so that nothing else is ever purged.
	BucketVerdicts = "VERDICTS"
	// BucketLosses names the messages that were lost before anybody had finished them.
	BucketLosses = "LOSSES"

	bucketMaxBytes = 64 << 20
)

// buckets lists what Setup makes.
func buckets() []string {
	return []string{BucketEndpoints, BucketStatus, BucketVerdicts, BucketLosses}
}

// Bucket is a key-value bucket. It is safe for concurrent use.
type Bucket struct {
	kv   jetstream.KeyValue
	js   jetstream.JetStream
	name string
	back *bell
}

// Entry is one key's value; Deleted entries carry no value.
type Entry struct {
	Key      string
	Value    []byte
	Revision uint64
	Deleted  bool
}

func (c *Conn) ensureBucket(ctx context.Context, name string, replicas int) (Change, error) {
	change := Change{Kind: "bucket", Name: name, Action: "unchanged"}
	kv, err := c.js.KeyValue(ctx, name)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		change.Action = "created"
		_, err = c.js.CreateKeyValue(ctx, bucketConfig(name, replicas))
		if err != nil {
			return change, fmt.Errorf("creating bucket %s: %w", name, classify(err))
		}
		return change, nil
	}
	if err != nil {
		return change, fmt.Errorf("looking at bucket %s: %w", name, classify(err))
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return change, fmt.Errorf("looking at bucket %s: %w", name, classify(err))
	}
	if status.Config().Replicas != replicas {
		change.Action = "updated"
		if _, err := c.js.UpdateKeyValue(ctx, bucketConfig(name, replicas)); err != nil {
			return change, fmt.Errorf("updating bucket %s: %w", name, classify(err))
		}
	}
	return change, nil
}

func bucketConfig(name string, replicas int) jetstream.KeyValueConfig {
	return jetstream.KeyValueConfig{
		Bucket: name, History: 1, Storage: jetstream.FileStorage, MaxBytes: bucketMaxBytes, Replicas: replicas,
		Metadata: map[string]string{metaMade: topologyVersion},
	}
}

// Bucket opens a bucket that Setup made.
func (c *Conn) Bucket(ctx context.Context, name string) (*Bucket, error) {
	kv, err := c.js.KeyValue(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("opening bucket %s (was `sluice setup` run?): %w", name, c.denied.explain(classify(err)))
	}
	return &Bucket{kv: kv, js: c.js, name: name, back: c.back}, nil
}

// Get returns a key's entry; ErrNotFound when there is none.
func (b *Bucket) Get(ctx context.Context, key string) (Entry, error) {
	e, err := b.kv.Get(ctx, key)
	if err != nil {
		return Entry{}, fmt.Errorf("reading %s from bucket %s: %w", key, b.name, classify(err))
	}
	return entry(e), nil
}

// Create stores a new key; ErrExists when it is taken.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) error {
	if _, err := b.kv.Create(ctx, key, value); err != nil {
		return fmt.Errorf("creating %s in bucket %s: %w", key, b.name, classify(err))
	}
	return nil
}

// Put stores a value whatever was there.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) error {
	if _, err := b.kv.Put(ctx, key, value); err != nil {
		return fmt.Errorf("writing %s to bucket %s: %w", key, b.name, classify(err))
	}
	return nil
}

// Update replaces the value of the given revision; ErrExists when somebody was faster.
func (b *Bucket) Update(ctx context.Context, e Entry) error {
	if _, err := b.kv.Update(ctx, e.Key, e.Value, e.Revision); err != nil {
		return fmt.Errorf("updating %s in bucket %s: %w", e.Key, b.name, classify(err))
	}
	return nil
}

// swap replaces the value of the given revision, 0 for a key that is not there, and returns the new revision; ErrExists
// when somebody was faster.
func (b *Bucket) swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	next, err := b.kv.Update(ctx, key, value, revision)
	if err != nil {
		return 0, fmt.Errorf("updating %s in bucket %s: %w", key, b.name, classify(err))
	}
	return next, nil
}

// drop removes exactly the revision of an entry, and nothing when there is a newer one. Unlike Delete it leaves no mark
// behind, so keys that are never used again cost nothing.
func (b *Bucket) drop(ctx context.Context, e Entry) error {
	s, err := b.js.Stream(ctx, "KV_"+b.name)
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSubject("$KV."+b.name+"."+e.Key), jetstream.WithPurgeSequence(e.Revision+1))
	}
	if err != nil {
		return fmt.Errorf("dropping %s from bucket %s: %w", e.Key, b.name, classify(err))
	}
	return nil
}

// Clock is the time on the server that keeps the bucket.
func (b *Bucket) Clock(ctx context.Context) (time.Time, error) {
	s, err := b.js.Stream(ctx, "KV_"+b.name)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking for the time at bucket %s: %w", b.name, classify(err))
	}
	at := s.CachedInfo().TimeStamp
	if at.IsZero() {
		return at, fmt.Errorf("asking for the time at bucket %s: the server's answer has none", b.name)
	}
	return at, nil
}

// Delete removes a key; there being none is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	if err := b.kv.Purge(ctx, key); err != nil {
		return fmt.Errorf("deleting %s from bucket %s: %w", key, b.name, classify(err))
	}
	return nil
}

// Watch calls each for every present entry that matches pattern, then ready once, then each again for every change
// until ctx ends. It fails when the connection was lost in between, since changes may have been missed. pattern follows NATS: `*` for one part, `>` for the rest.
func (b *Bucket) Watch(ctx context.Context, pattern string, each func(Entry), ready func()) error {
	back := b.back.listen()
	w, err := b.kv.Watch(ctx, pattern)
	if err != nil {
		return fmt.Errorf("watching bucket %s: %w", b.name, classify(err))
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-back:
			return fmt.Errorf("watching bucket %s: the connection was lost in between: %w", b.name, ErrAway)
		case e, open := <-w.Updates():
			switch {
			case !open && ctx.Err() != nil: // the end of ctx closes the updates, too
				return nil
			case !open:
				return fmt.Errorf("watching bucket %s: %w", b.name, ErrAway)
			case e == nil:
				ready()
			default:
				each(entry(e))
			}
		}
	}
}

// All returns every present entry that matches pattern.
func (b *Bucket) All(ctx context.Context, pattern string) ([]Entry, error) {
	var all []Entry
	whole := false
	watching, done := context.WithCancel(ctx)
	defer done()
	err := b.Watch(watching, pattern, func(e Entry) {
		if !e.Deleted && !whole {
			all = append(all, e)
		}
	}, func() { whole = true; done() })
	if err == nil && !whole {
		err = fmt.Errorf("reading bucket %s: %w", b.name, ctx.Err())
	}
	return all, err
}

func entry(e jetstream.KeyValueEntry) Entry {
	return Entry{Key: e.Key(), Value: e.Value(), Revision: e.Revision(), Deleted: e.Operation() != jetstream.KeyValuePut}
}
