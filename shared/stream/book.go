package stream

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

// book is what bucket VERDICTS says about one stream:
//
//	<stream>.lease                                   who is its janitor
//	<stream>.<epoch>.account                         up to where everything is finished
//	<stream>.<epoch>.<consumer>.<instance>.<page>    what one instance finished behind that; <instance>-<parts>-<number>
//	                                                 for a part of it, where the counts take much room
//
// epoch is when the stream was made: the sequences of another stream of the same name mean nothing.
type book struct {
	bucket        *Bucket
	stream, epoch string
}

// account is up to where a stream's messages are finished or lost, and what the janitor measured on the way.
type account struct {
	Schema     int       `json:"schema,omitempty"` // version of the record; 0 is that of the first builds and means 1
	Covered    uint64    `json:"covered"`
	Last       uint64    `json:"last,omitempty"`       // sequence that was seen in the stream
	PurgedTime time.Time `json:"purged_time,omitzero"` // when the last message that was purged had been stored
	Growth     float64   `json:"growth,omitempty"`     // of unfinished data, in bytes per second
	Measured   time.Time `json:"measured,omitzero"`
	Sums       sums      `json:"sums,omitzero"`
	Packed     []byte    `json:"packed,omitempty"` // the sums, compressed; from version 2 on
	revision   uint64
}

// Versions of the account that this build writes: the second one where the sums are compressed. It reads all up to it.
const (
	accountPlain  = 1
	accountSchema = 2
)

// maxPlainSums is how many bytes of sums are written as they are. Those of maxEndpoints would be more than a server takes in
// one message, and they must be in one: with the place up to which they reach.
const maxPlainSums = 64 << 10

// encode writes the account.
func (a account) encode() ([]byte, error) {
	a.Schema, a.Packed = accountPlain, nil
	plain, err := json.Marshal(a.Sums)
	if err != nil {
		return nil, err
	}
	if len(plain) > maxPlainSums {
		var packed bytes.Buffer
		squeeze, _ := flate.NewWriter(&packed, flate.DefaultCompression) // the level is one
		_, _ = squeeze.Write(plain)                                      // to memory
		_ = squeeze.Close()
		a.Schema, a.Packed, a.Sums = accountSchema, packed.Bytes(), sums{}
	}
	return json.Marshal(a)
}

// unpack puts the sums where they belong.
func (a *account) unpack() error {
	if len(a.Packed) == 0 {
		return nil
	}
	err := json.NewDecoder(flate.NewReader(bytes.NewReader(a.Packed))).Decode(&a.Sums)
	a.Packed = nil
	return err
}

// newID is a name that no other instance has.
func newID() string {
	raw := make([]byte, 6)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}

func epoch(created time.Time) string { return strconv.FormatInt(created.UnixNano(), 36) }

// openBook opens a stream's book. Where nobody has counted yet, counting begins at what is acknowledged now.
// state is the stream's, as of just now.
func (c *Conn) openBook(ctx context.Context, stream string, state State) (*book, error) {
	bucket, err := c.Bucket(ctx, BucketVerdicts)
	if err != nil {
		return nil, err
	}
	b := &book{bucket: bucket, stream: stream, epoch: epoch(state.Created)}
	if _, err := b.account(ctx); !errors.Is(err, ErrNotFound) {
		return b, err
	}
	return b, c.beginCounting(ctx, b, state)
}

// beginCounting writes the first account: what was acknowledged before is history and no gap. Consumers of one stream
// may have come to different places; what the faster ones have finished is written down as verdicts.
func (c *Conn) beginCounting(ctx context.Context, b *book, state State) error {
	required, err := c.requiredConsumers(ctx, b.stream)
	if err != nil {
		return err
	}
	f, err := c.floors(ctx, b.stream, state.Last, required)
	begin := account{Covered: max(f.lowest, state.gone())}
	switch {
	case errors.Is(err, ErrBlocked): // one wrong consumer shall hold up no other; the janitor says what is wrong
		f.done, begin.Covered = nil, state.gone()
	case err != nil:
		return err
	case len(required) == 0:
		begin.Covered = state.gone()
	}
	for consumer, done := range f.done {
		if err := c.writeHistory(ctx, b, consumer, begin.Covered, done); ctx.Err() != nil {
			return err
		} else if err != nil { // a service has no permission to look through a stream, as setup has
			c.log.WarnContext(ctx, "what was finished before counting began cannot be listed; it gets a second look", "consumer", b.stream+"/"+consumer, "error", err)
		}
	}
	raw, err := begin.encode()
	if err != nil {
		return err
	}
	if err := b.bucket.Create(ctx, b.accountKey(), raw); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	c.log.InfoContext(ctx, "counting finished messages from here on", "stream", b.stream, "sequence", begin.Covered)
	return nil
}

// writeHistory writes down which messages behind after a consumer had acknowledged, up to done.
func (c *Conn) writeHistory(ctx context.Context, b *book, consumer string, after, done uint64) error {
	var history sequence.Set
	if done > after {
		for s, err := range c.Scan(ctx, b.stream, Range{Subject: subjectOf(consumer), From: after + 1, HeadersOnly: true}) {
			if err != nil {
				return err
			}
			if s.Sequence > done {
				break
			}
			history.Add(s.Sequence)
		}
	}
	for _, page := range history.Pages() {
		if err := b.bucket.Put(ctx, b.page(consumer, "history", page), history.Encode(page)); err != nil {
			return err
		}
	}
	return nil
}

func (b *book) accountKey() string { return b.stream + "." + b.epoch + ".account" }

func (b *book) page(consumer, instance string, page uint64) string {
	return fmt.Sprintf("%s.%s.%s.%s.%d", b.stream, b.epoch, consumer, instance, page)
}

// account reads the account; ErrNotFound when nobody has counted in this stream yet.
func (b *book) account(ctx context.Context) (account, error) {
	e, err := b.bucket.Get(ctx, b.accountKey())
	if err != nil {
		return account{}, err
	}
	acc := account{revision: e.Revision}
	if err := json.Unmarshal(e.Value, &acc); err != nil {
		return acc, fmt.Errorf("reading %s from bucket %s: %w", e.Key, BucketVerdicts, err)
	}
	if acc.Schema > accountSchema {
		return acc, fmt.Errorf("%w: %s in bucket %s is of a later version (%d, this build reads %d): a later build makes room in this stream", ErrBlocked, e.Key, BucketVerdicts, acc.Schema, accountSchema)
	}
	if err := acc.unpack(); err != nil {
		return acc, fmt.Errorf("unpacking %s from bucket %s: %w", e.Key, BucketVerdicts, err)
	}
	return acc, nil
}

// save writes the account, unless somebody else did so since it was read.
func (b *book) save(ctx context.Context, acc *account) error {
	raw, err := acc.encode()
	if err != nil {
		return err
	}
	revision, err := b.bucket.swap(ctx, b.accountKey(), raw, acc.revision)
	if err == nil {
		acc.revision = revision
	}
	return err
}

// leaf is one entry of the book besides account and lease.
type leaf struct {
	Entry
	consumer string // empty where the key is none of ours
	page     uint64
	last     uint64 // sequence in it
	merged   bool   // joined from others
	stale    bool   // from a stream that is no more
	counts   []byte // of its messages, compressed
}

// verdicts adds up what all instances have finished. A page that cannot be read counts as nothing, which costs its
// messages a second look.
func (b *book) verdicts(ctx context.Context, log *slog.Logger) (*sequence.Set, []leaf, error) {
	entries, err := b.bucket.All(ctx, b.stream+".>")
	if err != nil {
		return nil, nil, err
	}
	var all sequence.Set
	var leaves []leaf
	for _, e := range entries {
		parts := strings.Split(e.Key, ".")
		switch {
		case len(parts) < 3 || e.Key == b.accountKey():
			continue
		case parts[1] != b.epoch:
			leaves = append(leaves, leaf{Entry: e, stale: true})
			continue
		}
		page, err := strconv.ParseUint(parts[len(parts)-1], 10, 48)
		l := leaf{Entry: e, page: page}
		var raw []byte
		raw, l.counts = splitCounted(e.Value)
		if err == nil {
			l.last, err = all.Decode(page, raw)
		}
		if err == nil && len(parts) == 5 {
			l.consumer, l.merged = parts[2], strings.HasPrefix(parts[3], merged)
		}
		if err != nil {
			log.WarnContext(ctx, "verdicts cannot be read; their messages get a second look", "key", e.Key, "error", err)
		}
		leaves = append(leaves, l)
	}
	return &all, leaves, nil
}
