package geo

import (
	"sync/atomic"

	"github.com/oschwald/maxminddb-golang/v2"
)

const (
	slotBits    = 14
	maxFragment = 2 << 10 // bytes; a usual fragment has 100 to 350
)

// key names a pair of records by their places in their files, each plus one so that 0 is "none". Files are smaller
// than 4 GiB (maxFile).
type key uint64

// keyOf names what was found. The zero Result, of a database that there is none of, calls itself found.
func (s *sources) keyOf(place, as maxminddb.Result) key {
	var k key
	if s.place != nil && place.Found() {
		k = key(place.Offset()+1) << 32
	}
	if s.as != nil && as.Found() {
		k |= key(as.Offset() + 1)
	}
	return k
}

// entry is a fragment that is kept; it never changes.
type entry struct {
	key      key
	fragment []byte
}

// cache keeps fragments by the records they were made of, not by address: a country has a few records and millions of
// addresses. It holds at most 16,384 fragments of at most 2 KiB, usually 4 MB when full. A fragment has two slots it can
// stand in; the newer one pushes the older on, and that one the oldest out. Nobody waits for anybody: two goroutines
// that miss at the same moment both render.
type cache struct {
	slots [1 << slotBits]atomic.Pointer[entry]
}

// slot is the first of the two that a key may stand in; the other one differs in the last bit.
func (k key) slot() uint64 { return uint64(k) * 0x9e3779b97f4a7c15 >> (64 - slotBits) }

func (c *cache) get(k key) ([]byte, bool) {
	i := k.slot()
	if e := c.slots[i].Load(); e != nil && e.key == k {
		return e.fragment, true
	}
	if e := c.slots[i^1].Load(); e != nil && e.key == k {
		return e.fragment, true
	}
	return nil, false
}

func (c *cache) put(k key, fragment []byte) {
	if len(fragment) > maxFragment {
		return
	}
	i := k.slot()
	if old := c.slots[i].Swap(&entry{k, fragment}); old != nil && old.key != k {
		c.slots[i^1].Store(old)
	}
}
