package stream

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// leaseTime is how long a lease stays with a holder that gives no sign of life.
const leaseTime = 15 * time.Second

// lease lets one of several do what need not be done twice. Who wants it watches the revision of its key: one that has
// not changed for leaseTime on the watcher's own clock has lost its holder. So clocks need not agree, and two that try
// at once cannot both succeed.
type lease struct {
	bucket *Bucket
	key    string
	holder string // our id

	own   uint64 // revision that we wrote; 0: it is not ours
	seen  uint64 // revision of the other holder
	since time.Time
}

// tenancy is the value of the key; Holder is empty when it was given back.
type tenancy struct {
	Holder  string    `json:"holder"`
	Renewed time.Time `json:"renewed"` // for people only
}

// take gets or renews the lease; false when another one has it.
func (l *lease) take(ctx context.Context, now time.Time) (bool, error) {
	if l.own != 0 {
		if won, err := l.write(ctx, now, l.own); won || err != nil {
			return won, err
		}
	}
	e, err := l.bucket.Get(ctx, l.key)
	switch {
	case errors.Is(err, ErrNotFound):
		return l.write(ctx, now, 0)
	case err != nil:
		return false, err
	}
	var t tenancy
	if err := json.Unmarshal(e.Value, &t); err != nil {
		t = tenancy{Holder: "somebody who wrote no JSON"}
	}
	if t.Holder == "" || t.Holder == l.holder {
		return l.write(ctx, now, e.Revision)
	}
	if e.Revision != l.seen {
		l.seen, l.since = e.Revision, now
		return false, nil
	}
	if now.Sub(l.since) < leaseTime {
		return false, nil
	}
	return l.write(ctx, now, e.Revision)
}

// write claims the lease from the holder of a revision; false when somebody was faster.
func (l *lease) write(ctx context.Context, now time.Time, revision uint64) (bool, error) {
	raw, err := json.Marshal(tenancy{Holder: l.holder, Renewed: now})
	if err != nil {
		return false, err
	}
	l.own = 0
	next, err := l.bucket.swap(ctx, l.key, raw, revision)
	if errors.Is(err, ErrExists) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	l.own = next
	return true, nil
}

// release gives the lease back, so that nobody needs to wait until it ends.
func (l *lease) release(ctx context.Context) {
	if l == nil || l.own == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if raw, err := json.Marshal(tenancy{}); err == nil {
		_, _ = l.bucket.swap(ctx, l.key, raw, l.own) // else it ends by itself
	}
	l.own = 0
}
