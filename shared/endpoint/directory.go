package endpoint

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/telemetry"
)

// Directory is a copy of the registry in memory that follows every change. It is safe for concurrent use.
type Directory struct {
	bucket *stream.Bucket
	log    *slog.Logger
	alarm  *telemetry.Throttle

	mu         sync.RWMutex
	endpoints  map[string]*Endpoint
	namespaces map[string]Namespace
	changed    chan struct{}   // closed and replaced with every change
	filled     bool            // the registry has been read once
	current    bool            // it is being followed, and no change was missed
	listed     map[string]bool // endpoints of the registry as it is being read; nil once it was read
	unread     map[string]bool // endpoints with a record that this build cannot read
	waiting    map[string]bool // namespaces with such a record
}

// Follow returns a directory; it is empty until Run has read the registry.
func (r *Registry) Follow(log *slog.Logger) *Directory {
	return &Directory{
		bucket: r.bucket, log: log, alarm: telemetry.NewThrottle(log, 10*time.Second), endpoints: map[string]*Endpoint{}, namespaces: map[string]Namespace{}, unread: map[string]bool{}, waiting: map[string]bool{}, changed: make(chan struct{}),
	}
}

// Run follows the registry until ctx ends; a lost watch is taken up again. Meanwhile, and while an endpoint that was there
// is not in the registry any more, the last good record stays in force: a registry that was lost refuses nobody.
func (d *Directory) Run(ctx context.Context) error {
	for {
		d.begin()
		err := d.bucket.Watch(ctx, ">", d.apply, d.markFilled)
		d.outdated()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a watch that ends with its context ended well
		}
		d.alarm.Log(ctx, slog.LevelWarn, "follow", "following the registry", slog.Any("error", err))
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil
		}
	}
}

// AwaitFilled blocks until the present registry has been read once.
func (d *Directory) AwaitFilled(ctx context.Context) error {
	return d.await(ctx, func() bool { return d.filled })
}

// AwaitCurrent blocks until the directory holds the present registry: for whom an old record would do harm.
func (d *Directory) AwaitCurrent(ctx context.Context) error {
	return d.await(ctx, func() bool { return d.current })
}

func (d *Directory) await(ctx context.Context, condition func() bool) error {
	for {
		d.mu.RLock()
		met, changed := condition(), d.changed
		d.mu.RUnlock()
		if met {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Vouches reports whether an endpoint that this directory does not know does not exist. It does not vouch while the
// registry cannot be followed, for one without a single endpoint (it is new, or was lost and not restored yet), nor for an
// endpoint whose record cannot be read.
func (d *Directory) Vouches(id string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.current && len(d.endpoints) > 0 && !d.unread[id]
}

// begin notes that the registry is read from its beginning.
func (d *Directory) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listed = map[string]bool{}
}

func (d *Directory) markFilled() {
	d.mu.Lock()
	defer d.mu.Unlock()
	var gone []string
	for id := range d.endpoints {
		if !d.listed[id] {
			gone = append(gone, id)
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		d.log.Error("endpoints are gone from the registry: was NATS replaced? They stay in force here until this process ends; restore them with `sluice endpoint import`", "endpoints", gone)
	}
	d.filled, d.current, d.listed = true, true, nil
	d.announce()
}

func (d *Directory) outdated() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = false
}

// announce wakes everyone who waits for a change; the caller holds the lock.
func (d *Directory) announce() {
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *Directory) apply(entry stream.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.announce()
	if id, ok := cut(entry.Key, endpointKey); ok {
		d.applyEndpoint(id, entry)
	} else if name, ok := cut(entry.Key, namespaceKey); ok {
		d.applyNamespace(name, entry)
	}
}

func cut(key, prefix string) (string, bool) {
	if len(key) > len(prefix) && key[:len(prefix)] == prefix {
		return key[len(prefix):], true
	}
	return "", false
}

func (d *Directory) applyEndpoint(id string, entry stream.Entry) {
	if d.listed != nil {
		d.listed[id] = true
	}
	delete(d.unread, id)
	if entry.Deleted {
		delete(d.endpoints, id)
		return
	}
	e, err := decode(entry)
	if err != nil { // the last good record stays in force
		d.unread[id] = true
		d.log.Error("a record of the registry cannot be read", "key", entry.Key, "error", err)
		return
	}
	d.endpoints[id] = e
}

func (d *Directory) applyNamespace(name string, entry stream.Entry) {
	delete(d.waiting, name)
	if entry.Deleted {
		delete(d.namespaces, name)
		return
	}
	ns, err := decodeNamespace(entry)
	if err != nil { // by the record before, an event could go to another index than by this one
		d.waiting[name] = true
		d.log.Error("a record of the registry cannot be read: what needs it waits", "key", entry.Key, "error", err)
		return
	}
	d.namespaces[name] = ns
}

// Endpoint returns an endpoint; nobody may change it.
func (d *Directory) Endpoint(id string) (*Endpoint, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	e, ok := d.endpoints[id]
	return e, ok
}

// Endpoints returns all endpoints, in no order; nobody may change them.
func (d *Directory) Endpoints() []*Endpoint {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := make([]*Endpoint, 0, len(d.endpoints))
	for _, e := range d.endpoints {
		all = append(all, e)
	}
	return all
}

// Namespace returns a namespace's record; ok is false while none is known, or the present one cannot be read.
func (d *Directory) Namespace(name string) (ns Namespace, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.waiting[name] {
		return Namespace{}, false
	}
	ns, ok = d.namespaces[name]
	return ns, ok
}

// Learn reads the record of a namespace that the directory has not heard of yet; ErrNoNamespace when there is none,
// ErrUnreadable when this build cannot read it.
func (d *Directory) Learn(ctx context.Context, name string) error {
	ns, _, err := loadNamespace(ctx, d.bucket, name)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[name] { // the one that was heard of is newer than the one that was read, or the next to be heard of is this
		return fmt.Errorf("namespace %s: %w", name, ErrUnreadable)
	}
	if _, known := d.namespaces[name]; !known { // what was heard meanwhile is newer
		d.namespaces[name] = ns
		d.announce()
	}
	return nil
}

// Namespaces returns the known names and a channel that closes when something changes.
func (d *Directory) Namespaces() (names []string, changed <-chan struct{}) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for name := range d.namespaces {
		names = append(names, name)
	}
	return names, d.changed
}
