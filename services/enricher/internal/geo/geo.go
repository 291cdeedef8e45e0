// Package geo tells where a public address is and whose network it is in, from files in MaxMind's MMDB format.
//
// Its promise: Lookup never fails, never blocks and never waits for a file. New data is used within seconds of a
// change, broken new data never, and what a lookup returns is always valid JSON that an ECS mapping takes.
package geo

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Database answers lookups from the files below one path. It is safe for concurrent use.
type Database struct {
	path    string
	log     *slog.Logger
	current atomic.Pointer[generation] // nil without a path
	counts  counts

	mu      sync.Mutex // of what follows: only one reload at a time
	loaded  listing    // what current was made of
	seen    listing    // what the last look found
	refused string     // why the last listing was not loaded, so that it is said once
}

// Open reads the database at path: an MMDB file, or a folder of them, of which the best for each job is used. An empty
// path gives a Database that knows nothing. reg gets the series, also then. The error names the file and what to do.
func Open(path string, log *slog.Logger, reg prometheus.Registerer) (*Database, error) {
	d := &Database{path: path, log: log}
	if path != "" {
		found, err := list(path)
		if err != nil {
			return nil, err
		}
		if err := d.load(found); err != nil {
			return nil, err
		}
	}
	if err := reg.Register(collector{d}); err != nil {
		return nil, err
	}
	return d, nil
}

// Lookup returns what is known of an address as members of an ECS object, `"geo":{…},"as":{…}` or one of the two, nil
// when nothing is known. A private or reserved address is never looked up. The result is shared: do not change it.
func (d *Database) Lookup(addr netip.Addr) []byte {
	g := d.current.Load()
	if g == nil {
		return nil
	}
	addr, ok := public(addr)
	if !ok {
		d.counts.reserved.Add(1)
		return nil
	}
	fragment, err := g.lookup(addr)
	if err != nil && !g.damaged.Swap(true) {
		d.log.Error("a GeoIP database is damaged: some addresses stay unknown; replace the file", "path", d.path, "error", err)
	}
	if len(fragment) == 0 {
		d.counts.miss.Add(1)
		return nil
	}
	d.counts.hit.Add(1)
	return fragment
}

// Databases describes the files in use, in the order of their names.
func (d *Database) Databases() []Info {
	g := d.current.Load()
	if g == nil {
		return nil
	}
	all := make([]Info, 0, len(g.files))
	for _, f := range g.files {
		all = append(all, f.Info)
	}
	return all
}
