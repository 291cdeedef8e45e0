package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// Keys of the bucket.
const (
	endpointKey  = "endpoint."
	namespaceKey = "namespace."
)

// Registry reads and changes endpoints and namespaces. It is safe for concurrent use, also by several processes.
type Registry struct {
	conn   *stream.Conn
	bucket *stream.Bucket
	now    func() time.Time
}

// Errors that callers tell apart.
var (
	ErrUnknown = errors.New("no such endpoint")
	ErrTaken   = errors.New("endpoint exists already")
	// ErrNamespace says that an endpoint would be moved: its events would be stored a second time when they come again.
	ErrNamespace = errors.New("an endpoint stays in its namespace")
	// ErrNewer says that a later build wrote a record: this one would drop what it does not know of it.
	ErrNewer = errors.New("the record is of a later version: use that version of sluice")
)

// Schema is the version of the records that this build writes; it reads all up to it.
const Schema = 1

// Open returns the registry behind a connection; `sluice setup` must have been run.
func Open(ctx context.Context, conn *stream.Conn) (*Registry, error) {
	bucket, err := conn.Bucket(ctx, stream.BucketEndpoints)
	if err != nil {
		return nil, err
	}
	return &Registry{conn: conn, bucket: bucket, now: time.Now}, nil
}

// Create stores a new endpoint with its first token. An empty ID is filled in.
func (r *Registry) Create(ctx context.Context, e Endpoint, token string) (*Endpoint, error) {
	if e.ID == "" {
		e.ID = NewID()
	}
	err := errors.Join(CheckID(e.ID), CheckToken(token), stream.CheckNamespace(e.Namespace))
	if err != nil {
		return nil, err
	}
	if err := r.EnsureNamespace(ctx, e.Namespace); err != nil {
		return nil, err
	}
	e.Schema, e.Created = Schema, r.now().UTC()
	e.Tokens = []Token{hashToken(token, e.Created)}
	raw, err := json.Marshal(&e)
	if err != nil {
		return nil, fmt.Errorf("storing endpoint %s: %w", e.ID, err)
	}
	err = r.bucket.Create(ctx, endpointKey+e.ID, raw)
	if errors.Is(err, stream.ErrExists) {
		return nil, fmt.Errorf("%w: %s", ErrTaken, e.ID)
	}
	return &e, err
}

// Get returns one endpoint; ErrUnknown when there is none.
func (r *Registry) Get(ctx context.Context, id string) (*Endpoint, error) {
	e, _, err := r.load(ctx, id)
	return e, err
}

func (r *Registry) load(ctx context.Context, id string) (*Endpoint, stream.Entry, error) {
	if CheckID(id) != nil {
		return nil, stream.Entry{}, fmt.Errorf("%w: %q", ErrUnknown, id)
	}
	entry, err := r.bucket.Get(ctx, endpointKey+id)
	if errors.Is(err, stream.ErrNotFound) {
		return nil, entry, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	if err != nil {
		return nil, entry, err
	}
	e, err := decode(entry)
	return e, entry, err
}

func decode(entry stream.Entry) (*Endpoint, error) {
	var e Endpoint
	if err := json.Unmarshal(entry.Value, &e); err != nil {
		return nil, fmt.Errorf("reading record %s of the registry: %w", entry.Key, err)
	}
	if e.Schema > Schema {
		return nil, fmt.Errorf("reading record %s of the registry: %w (%d, this build reads %d)", entry.Key, ErrNewer, e.Schema, Schema)
	}
	if entry.Key != endpointKey+e.ID {
		return nil, fmt.Errorf("reading record %s of the registry: it says its id is %q", entry.Key, e.ID)
	}
	return &e, nil
}

// List returns all endpoints by name.
func (r *Registry) List(ctx context.Context) ([]*Endpoint, error) {
	entries, err := r.bucket.All(ctx, endpointKey+"*")
	if err != nil {
		return nil, err
	}
	var all []*Endpoint
	for _, entry := range entries {
		e, err := decode(entry)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *Endpoint) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	return all, nil
}

// change applies edit to an endpoint and stores it; it starts over when somebody else was faster.
func (r *Registry) change(ctx context.Context, id string, edit func(*Endpoint) error) (*Endpoint, error) {
	for {
		e, entry, err := r.load(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := edit(e); err != nil {
			return nil, err
		}
		if entry.Value, err = json.Marshal(e); err != nil {
			return nil, fmt.Errorf("storing endpoint %s: %w", id, err)
		}
		err = r.bucket.Update(ctx, entry)
		if errors.Is(err, stream.ErrExists) {
			continue
		}
		return e, err
	}
}

// Rotate gives an endpoint a new token; the present ones are accepted for grace more.
func (r *Registry) Rotate(ctx context.Context, id, token string, grace time.Duration) (*Endpoint, error) {
	if err := CheckToken(token); err != nil {
		return nil, err
	}
	return r.change(ctx, id, func(e *Endpoint) error {
		if e.Revoked {
			return fmt.Errorf("endpoint %s is revoked; create a new one", id)
		}
		e.rotate(hashToken(token, r.now()), grace, r.now())
		return nil
	})
}

// Revoke ends one token of an endpoint at once, or with an empty tokenID all of them for good.
func (r *Registry) Revoke(ctx context.Context, id, tokenID string) (*Endpoint, error) {
	return r.change(ctx, id, func(e *Endpoint) error {
		if !e.revoke(tokenID) {
			return fmt.Errorf("endpoint %s has no token %s", id, tokenID)
		}
		return nil
	})
}

// Backup is the whole registry, without a single token in it.
type Backup struct {
	Version    int         `json:"version"`
	Endpoints  []*Endpoint `json:"endpoints"`
	Namespaces []Namespace `json:"namespaces"`
}

// Export returns everything that a lost registry needs to be made again.
func (r *Registry) Export(ctx context.Context) (*Backup, error) {
	endpoints, err := r.List(ctx)
	if err != nil {
		return nil, err
	}
	namespaces, err := r.Namespaces(ctx)
	return &Backup{Version: 1, Endpoints: endpoints, Namespaces: namespaces}, err
}

// Imported is what an import did.
type Imported struct {
	Endpoints []string       // that were written
	Calendars []KeptCalendar // that are not as in the backup
}

// Import stores what a backup holds; the streams' consumers of its namespaces must be there. An endpoint that exists is left
// as it is unless overwrite is set. With an error the result holds what was done before.
func (r *Registry) Import(ctx context.Context, b *Backup, overwrite bool) (done Imported, err error) {
	if b.Version != 1 {
		return done, fmt.Errorf("reading backup: version %d is unknown, this build reads 1", b.Version)
	}
	for _, ns := range b.Namespaces {
		kept, err := r.importNamespace(ctx, ns, overwrite)
		if err != nil {
			return done, err
		}
		if kept != nil {
			done.Calendars = append(done.Calendars, *kept)
		}
	}
	for _, e := range b.Endpoints {
		stored, err := r.importEndpoint(ctx, e, overwrite)
		if err != nil {
			return done, err
		}
		if stored {
			done.Endpoints = append(done.Endpoints, e.ID)
		}
	}
	return done, nil
}

func (r *Registry) importEndpoint(ctx context.Context, e *Endpoint, overwrite bool) (stored bool, err error) {
	if err := errors.Join(CheckID(e.ID), stream.CheckNamespace(e.Namespace)); err != nil {
		return false, err
	}
	if e.Schema > Schema {
		return false, fmt.Errorf("endpoint %s: %w", e.ID, ErrNewer)
	}
	// A record that cannot be read is what one may want to replace. In another namespace, events that come again would be
	// stored a second time.
	if present, err := r.Get(ctx, e.ID); err == nil && overwrite && present.Namespace != e.Namespace {
		return false, fmt.Errorf("endpoint %s: %w: it is %s here and %s in the backup; take it out of the backup and make an endpoint with another id there",
			e.ID, ErrNamespace, present.Namespace, e.Namespace)
	}
	return r.store(ctx, endpointKey+e.ID, e, overwrite)
}

func (r *Registry) store(ctx context.Context, key string, value any, overwrite bool) (stored bool, err error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return false, fmt.Errorf("storing %s: %w", key, err)
	}
	if overwrite {
		return true, r.bucket.Put(ctx, key, raw)
	}
	err = r.bucket.Create(ctx, key, raw)
	if errors.Is(err, stream.ErrExists) {
		return false, nil
	}
	return err == nil, err
}
