package geo

import "errors"

// Slots is how many fragments a cache can hold.
const Slots = 1 << slotBits

// Poll looks at the files once, as Run does every few seconds.
func (d *Database) Poll() { d.poll() }

// Parse opens a database that is in memory, for IPv4 and IPv6 alike.
func Parse(b []byte) (*Database, error) {
	f, err := parse("test.mmdb", b)
	if err != nil {
		return nil, err
	}
	d := &Database{}
	g := newGeneration([]*file{f})
	g.damaged.Store(true) // there is no logger
	d.current.Store(g)
	return d, nil
}

// Cached counts the fragments kept, and their bytes.
func (d *Database) Cached() (entries, bytes int) {
	g := d.current.Load()
	for _, s := range []sources{g.v4, g.v6} {
		for i := range s.cache.slots {
			if e := s.cache.slots[i].Load(); e != nil {
				entries++
				bytes += len(e.fragment)
			}
		}
	}
	return entries, bytes
}

// IsUseless tells a file that is sound from a damaged one.
func IsUseless(err error) bool { return errors.Is(err, errUseless) }
