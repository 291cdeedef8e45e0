package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// Namespace is where documents go, how long their indices' periods are, and how long these are kept.
type Namespace struct {
	Schema       int             `json:"schema,omitempty"` // version of the record, above Schema for a later build's; 0 means 1
	Name         string          `json:"name"`
	Calendar     period.Calendar `json:"calendar"`
	Retention    time.Duration   `json:"retention,omitempty"`    // zero: for ever
	RetentionSet time.Time       `json:"retention_set,omitzero"` // when the retention was last changed
}

// Errors that callers tell apart.
var (
	ErrNoNamespace    = errors.New("no such namespace")
	ErrNamespaceTaken = errors.New("namespace exists already")
	// ErrUnreadable says that there is a record, and that this build cannot read it: it is broken, or ErrNewer too.
	ErrUnreadable = errors.New("the record cannot be read")
)

// MinRetention is the shortest retention. A shorter one would expire events that Auth0 is still trying to deliver.
const MinRetention = 24 * time.Hour

// Settle is how long a changed retention waits before anything is deleted by it: until then every service has heard of it,
// and whoever made a mistake can take it back.
const Settle = time.Hour

// check refuses a record that no command writes.
func (n *Namespace) check() error {
	err := errors.Join(stream.CheckNamespace(n.Name), n.Calendar.Check())
	if n.Retention != 0 && n.Retention < MinRetention {
		err = errors.Join(err, fmt.Errorf("retention %s: use at least %s, or none to keep everything", n.Retention, MinRetention))
	}
	return err
}

// Settled is when deletions by the present retention may begin.
func (n *Namespace) Settled() time.Time {
	if n.RetentionSet.IsZero() {
		return time.Time{}
	}
	return n.RetentionSet.Add(Settle)
}

// Due returns when the index of a period is to be deleted; ok is false for what is never deleted.
func (n *Namespace) Due(name string) (at time.Time, ok bool) {
	at, ok = period.Due(name, n.Retention)
	if settled := n.Settled(); at.Before(settled) {
		at = settled
	}
	return at, ok
}

// EnsureNamespace records a namespace with a daily calendar unless it is known.
func (r *Registry) EnsureNamespace(ctx context.Context, name string) error {
	err := r.CreateNamespace(ctx, Namespace{Name: name, Calendar: period.Daily()})
	if errors.Is(err, ErrNamespaceTaken) {
		return nil
	}
	return err
}

// CreateNamespace records a new namespace; its calendar is daily unless it says otherwise.
func (r *Registry) CreateNamespace(ctx context.Context, n Namespace) error {
	if len(n.Calendar) == 0 {
		n.Calendar = period.Daily()
	}
	if err := n.check(); err != nil {
		return err
	}
	raw, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("storing namespace %s: %w", n.Name, err)
	}
	err = r.bucket.Create(ctx, namespaceKey+n.Name, raw)
	if errors.Is(err, stream.ErrExists) {
		return fmt.Errorf("%w: %s", ErrNamespaceTaken, n.Name)
	}
	return err
}

// Namespace reads the record of a namespace from the server; ErrNoNamespace when there is none.
func (r *Registry) Namespace(ctx context.Context, name string) (Namespace, error) {
	n, _, err := loadNamespace(ctx, r.bucket, name)
	return n, err
}

func loadNamespace(ctx context.Context, bucket *stream.Bucket, name string) (Namespace, stream.Entry, error) {
	if err := stream.CheckNamespace(name); err != nil {
		return Namespace{}, stream.Entry{}, fmt.Errorf("%w: %w", ErrNoNamespace, err)
	}
	entry, err := bucket.Get(ctx, namespaceKey+name)
	if errors.Is(err, stream.ErrNotFound) {
		return Namespace{}, entry, fmt.Errorf("%w: %s", ErrNoNamespace, name)
	}
	if err != nil {
		return Namespace{}, entry, err
	}
	n, err := decodeNamespace(entry)
	return n, entry, err
}

// decodeNamespace reads a record; every error is ErrUnreadable.
func decodeNamespace(entry stream.Entry) (n Namespace, err error) {
	err = json.Unmarshal(entry.Value, &n)
	switch {
	case n.Schema > Schema: // whatever else is wrong with it to us
		err = fmt.Errorf("%w (%d, this build reads %d)", ErrNewer, n.Schema, Schema)
	case err != nil:
	case entry.Key != namespaceKey+n.Name:
		err = fmt.Errorf("it says its name is %q", n.Name)
	default:
		err = n.check()
	}
	if err != nil {
		return n, fmt.Errorf("record %s of the registry: %w: %w", entry.Key, ErrUnreadable, err)
	}
	return n, nil
}

// SetPeriod adds a rule to a namespace's calendar, or takes one back that is still to come, and returns the record.
func (r *Registry) SetPeriod(ctx context.Context, name string, rule period.Rule) (Namespace, error) {
	return r.changeNamespace(ctx, name, func(n *Namespace, now time.Time) (err error) {
		n.Calendar, err = n.Calendar.With(rule, now)
		return err
	})
}

// SetRetention changes how long the events of a namespace are kept; 0 is for ever.
func (r *Registry) SetRetention(ctx context.Context, name string, retention time.Duration) (Namespace, error) {
	return r.changeNamespace(ctx, name, func(n *Namespace, now time.Time) error {
		if n.Retention != retention {
			n.Retention, n.RetentionSet = retention, now.UTC()
		}
		return n.check()
	})
}

// changeNamespace applies edit to a record and stores it; it starts over when somebody else was faster.
func (r *Registry) changeNamespace(ctx context.Context, name string, edit func(*Namespace, time.Time) error) (Namespace, error) {
	for {
		n, entry, err := loadNamespace(ctx, r.bucket, name)
		if err != nil {
			return n, err
		}
		now, err := r.Now(ctx)
		if err != nil {
			return n, err
		}
		if err := edit(&n, now); err != nil {
			return n, err
		}
		if entry.Value, err = json.Marshal(n); err != nil {
			return n, fmt.Errorf("storing namespace %s: %w", name, err)
		}
		err = r.bucket.Update(ctx, entry)
		if errors.Is(err, stream.ErrExists) {
			continue
		}
		return n, err
	}
}

// Namespaces returns all namespaces by name.
func (r *Registry) Namespaces(ctx context.Context) ([]Namespace, error) {
	entries, err := r.bucket.All(ctx, namespaceKey+"*")
	if err != nil {
		return nil, err
	}
	var all []Namespace
	for _, entry := range entries {
		n, err := decodeNamespace(entry)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b Namespace) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// KeptCalendar is a calendar that an import left as it was, although the backup has another one.
type KeptCalendar struct {
	Namespace string          `json:"namespace"`
	Kept      period.Calendar `json:"kept"`
	Backup    period.Calendar `json:"backup"`
}

// importNamespace stores a namespace out of a backup. One that exists takes the backup's calendar only if it was never told
// otherwise and is unused, since it may have been made a moment ago, by a start on an empty registry. Else its calendar
// stays and is returned: under another one, events that are stored already would be there twice when they come again.
func (r *Registry) importNamespace(ctx context.Context, n Namespace, overwrite bool) (*KeptCalendar, error) {
	if n.Schema > Schema {
		return nil, fmt.Errorf("namespace %s: %w", n.Name, ErrNewer)
	}
	if len(n.Calendar) == 0 {
		n.Calendar = period.Daily()
	}
	n.RetentionSet = r.now().UTC()
	err := r.CreateNamespace(ctx, n)
	if !errors.Is(err, ErrNamespaceTaken) {
		return nil, err
	}
	have, err := r.changeNamespace(ctx, n.Name, func(have *Namespace, _ time.Time) error {
		if overwrite && have.Retention != n.Retention {
			have.Retention, have.RetentionSet = n.Retention, n.RetentionSet
		}
		if !same(have.Calendar, n.Calendar) && same(have.Calendar, period.Daily()) {
			used, err := r.used(ctx, n.Name) // at the last moment before it is written
			if err != nil {
				return err
			}
			if !used {
				have.Calendar = n.Calendar
			}
		}
		return have.check()
	})
	if err != nil || same(have.Calendar, n.Calendar) {
		return nil, err
	}
	return &KeptCalendar{Namespace: n.Name, Kept: have.Calendar, Backup: n.Calendar}, nil
}

func same(a, b period.Calendar) bool {
	return slices.EqualFunc(a, b, func(a, b period.Rule) bool { return a.Unit == b.Unit && a.From.Equal(b.From) })
}

// used reports whether documents of a namespace have ever been on their way to Elasticsearch. It errs on the side of used:
// to a new consumer, what was purged before it counts as done.
func (r *Registry) used(ctx context.Context, namespace string) (bool, error) {
	p, err := r.conn.Overall(ctx, stream.Documents, stream.Indexer(namespace))
	return !p.Untouched(), err
}
