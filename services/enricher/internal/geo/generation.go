package geo

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"
)

// generation is one set of files. It never changes but for its caches: a reload makes a new one, and the garbage
// collector frees the old one when the last lookup in it is over.
type generation struct {
	files   []*file
	v4, v6  sources
	recent  recent
	damaged atomic.Bool // said already
}

// sources are the files that answer for one family of addresses, nil where there is none; often one and the same.
type sources struct {
	place, as *file
	cache     *cache
}

func newGeneration(files []*file) *generation {
	return &generation{files: files, v4: choose(files, v4), v6: choose(files, v6)}
}

// choose takes the file with the most detail for each job, among equals the newest, then the first by name.
func choose(files []*file, f family) sources {
	best := func(detail func(*file) int) *file {
		var found *file
		for _, x := range files {
			if detail(x) == 0 {
				continue
			}
			if found == nil || cmp.Or(cmp.Compare(detail(x), detail(found)), x.Built.Compare(found.Built)) > 0 {
				found = x
			}
		}
		return found
	}
	return sources{
		place: best(func(x *file) int { return x.offers[f].place }),
		as:    best(func(x *file) int { return x.offers[f].as }),
		cache: &cache{},
	}
}

// uses says which jobs a file was chosen for.
func (g *generation) uses(f *file) []string {
	var jobs []string
	for _, s := range []sources{g.v4, g.v6} {
		if s.place == f {
			jobs = append(jobs, "place")
		}
		if s.as == f {
			jobs = append(jobs, "network")
		}
	}
	slices.Sort(jobs)
	return slices.Compact(jobs)
}

// lookup takes an address of public. The error says that a file is damaged; the rest is answered all the same.
func (g *generation) lookup(addr netip.Addr) ([]byte, error) {
	if a := g.recent.get(addr); a != nil {
		return a.fragment, nil
	}
	s := &g.v6
	if addr.Is4() {
		s = &g.v4
	}
	fragment, err := s.find(addr)
	g.recent.put(addr, fragment)
	return fragment, err
}

// find asks the files.
func (s *sources) find(addr netip.Addr) ([]byte, error) {
	var place, as maxminddb.Result
	if s.place != nil {
		place = s.place.reader.Lookup(addr)
	}
	if s.as == s.place {
		as = place
	} else if s.as != nil {
		as = s.as.reader.Lookup(addr)
	}
	k := s.keyOf(place, as)
	if k == 0 {
		return nil, errors.Join(place.Err(), as.Err())
	}
	if fragment, ok := s.cache.get(k); ok {
		return fragment, nil
	}
	return s.render(k, place, as)
}

// render makes the fragment of two records, and keeps it for the next address with the same ones.
func (s *sources) render(k key, place, as maxminddb.Result) ([]byte, error) {
	var f facts
	var failed error
	if s.place != nil && place.Found() {
		failed = f.read(place, (*facts).readPlace)
	}
	if s.as != nil && as.Found() {
		failed = errors.Join(failed, f.read(as, (*facts).readNetwork))
	}
	fragment := f.fragment()
	s.cache.put(k, fragment)
	return fragment, errors.Join(failed, place.Err(), as.Err())
}
