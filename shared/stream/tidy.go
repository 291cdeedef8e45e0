package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

// aged is a revision of the book's and since when it has not changed.
type aged struct {
	revision uint64
	since    time.Time
}

const (
	// keepOld is how long a page that says nothing new is kept: a live instance would only write it again.
	keepOld = time.Minute
	// keepPages is how many pages of dead instances about the same sequences are kept apart. Every start makes a new
	// instance, and while one namespace holds up a stream nothing is accounted for.
	keepPages = 8
	// merged is the instance in whose name pages of others are joined.
	merged = "merged"
)

// tidy removes pages that the account covers, and those of a stream that is no more, and joins what dead instances left.
func (j *Janitor) tidy(ctx context.Context, r *round, leaves []leaf) error {
	before := j.old
	j.old = map[string]aged{}
	groups := map[string][]leaf{}
	for _, l := range leaves {
		a, known := before[l.Key]
		if !known || a.revision != l.Revision {
			a = aged{l.Revision, r.now}
		}
		j.old[l.Key] = a
		switch {
		case r.now.Sub(a.since) < keepOld:
		case l.stale || l.last <= r.account.Covered:
			if err := r.book.bucket.drop(ctx, l.Entry); err != nil {
				return err
			}
		case l.consumer != "":
			at := r.book.page(l.consumer, merged, l.page)
			groups[at] = append(groups[at], l)
		}
	}
	for _, group := range groups {
		if apart(group) <= keepPages {
			continue
		}
		if err := r.book.join(ctx, group); err != nil {
			return err
		}
	}
	return nil
}

// apart is how many pages are not joined; what is joined counts as one, in however many parts.
func apart(group []leaf) (n int) {
	joined := 0
	for _, l := range group {
		if l.merged {
			joined = 1
		} else {
			n++
		}
	}
	return n + joined
}

// join writes what pages of the same sequences say into one, and then removes them. An instance that lives all the same
// writes its page again.
func (b *book) join(ctx context.Context, pages []leaf) error {
	var all sequence.Set
	revisions, counts := map[string]uint64{}, map[uint64]string{}
	for _, l := range pages {
		revisions[l.Key] = l.Revision
		raw, packed := splitCounted(l.Value)
		if _, err := all.Decode(l.page, raw); err != nil {
			continue // verdicts has said so
		}
		if packed != nil {
			_ = eachCounted(packed, 0, math.MaxUint64, func(seq uint64, line string) { counts[seq] = line }) // else they stay uncounted
		}
	}
	written := map[string]bool{}
	for _, one := range encodeCounted(&all, pages[0].page, counts, maxCountBytes) {
		key := b.page(pages[0].consumer, merged+one.part, pages[0].page)
		if _, err := b.bucket.swap(ctx, key, one.raw, revisions[key]); err != nil {
			return err
		}
		written[key] = true
	}
	for _, l := range pages {
		if len(written) == 0 || written[l.Key] {
			continue
		}
		if err := b.bucket.drop(ctx, l.Entry); err != nil {
			return err
		}
	}
	return nil
}

// mending is what a janitor knows of damage in the book.
type mending struct {
	next    time.Time           // when to look
	suspect map[string]struct{} // keys that could not be read at the last look
}

// mendPeriod is the time between two looks for damage.
const mendPeriod = time.Minute / 2

// mend empties the book's bucket when single keys in it cannot be read or replaced any more, because a byte on the disk has
// changed. The server answers no write to such a key ever again, and nothing would be purged from any stream again. Counting
// then begins where the consumers are. A server that can read nothing at all is another trouble, which may pass.
func (j *Janitor) mend(ctx context.Context, now time.Time, failing bool) error {
	j.mu.Lock()
	acts := j.gauges.leads
	j.mu.Unlock()
	if now.Before(j.mended.next) || !acts && !failing {
		return nil
	}
	before := j.mended.suspect
	j.mended = mending{next: now.Add(mendPeriod)}
	bucket, err := j.conn.Bucket(ctx, BucketVerdicts)
	if err != nil {
		return err
	}
	damaged, total, err := bucket.damaged(ctx, j.stream)
	if err != nil || len(damaged) == 0 || len(damaged) == total {
		return err
	}
	j.mended.suspect = map[string]struct{}{}
	again := ""
	for _, key := range damaged {
		j.mended.suspect[key] = struct{}{}
		if _, known := before[key]; known {
			again = key
		}
	}
	if again == "" {
		return nil
	}
	j.conn.log.ErrorContext(ctx, "what was counted is damaged on the server's disk; counting of finished messages begins again", "bucket", BucketVerdicts, "key", again)
	return bucket.empty(ctx)
}

// damaged lists keys below a prefix whose record is there and cannot be read or replaced, and how many there are in all.
func (b *Bucket) damaged(ctx context.Context, prefix string) (keys []string, total int, err error) {
	s, err := b.js.Stream(ctx, "KV_"+b.name)
	if err != nil {
		return nil, 0, fmt.Errorf("looking at bucket %s: %w", b.name, classify(err))
	}
	head := "$KV." + b.name + "."
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(head+prefix+".>"))
	if err != nil {
		return nil, 0, fmt.Errorf("listing keys of bucket %s: %w", b.name, classify(err))
	}
	for subject, records := range info.State.Subjects {
		key := strings.TrimPrefix(subject, head)
		if records > 1 { // there should be one: the server could not replace it, and answers no write to it any more
			keys = append(keys, key)
			continue
		}
		switch _, err := b.Get(ctx, key); {
		case errors.Is(err, ErrNotFound):
			keys = append(keys, key)
		case err != nil:
			return nil, 0, err
		}
	}
	return keys, len(info.State.Subjects), nil
}

// empty removes all keys, without a mark of any.
func (b *Bucket) empty(ctx context.Context) error {
	s, err := b.js.Stream(ctx, "KV_"+b.name)
	if err == nil {
		err = s.Purge(ctx)
	}
	if err != nil {
		return fmt.Errorf("emptying bucket %s: %w", b.name, classify(err))
	}
	return nil
}
