package useragent

import (
	"bytes"
	"sync/atomic"
)

// The cache has a fixed number of places: 1,024 sets of 4. Its bound on memory is that number times the longest entry.
const (
	sets = 1024
	ways = 4
)

// entry never changes but for used.
type entry struct {
	hash    uint64
	used    atomic.Bool // asked for again since it was kept, or since its set last had to give a place away
	text    []byte
	members []byte // nil when the text says nothing, which is worth remembering too
}

// cache finds entries without a lock: nearly all events of a tenant have one of a few dozen user agents, and a lock on
// those would be where all workers meet.
type cache struct {
	slots [sets * ways]atomic.Pointer[entry]
}

func (c *cache) set(hash uint64) []atomic.Pointer[entry] {
	at := int(hash%sets) * ways
	return c.slots[at : at+ways]
}

// find returns nil for what is not there.
func (c *cache) find(hash uint64, text []byte) *entry {
	set := c.set(hash)
	for i := range set {
		e := set[i].Load()
		if e == nil || e.hash != hash || !bytes.Equal(e.text, text) {
			continue
		}
		if !e.used.Load() { // looking first keeps the entry's line shared between processors
			e.used.Store(true)
		}
		return e
	}
	return nil
}

// keep puts an entry in the place of one that nobody has asked for again. So a flood of texts that never return
// displaces itself and not what is in use. Two workers may keep the same text twice, which costs a place and no more.
func (c *cache) keep(hash uint64, text, members []byte) {
	fresh := &entry{hash: hash, text: bytes.Clone(text), members: members}
	set := c.set(hash)
	for i := range set {
		if e := set[i].Load(); e == nil || !e.used.Load() {
			set[i].Store(fresh)
			return
		}
	}
	for i := range set {
		if e := set[i].Load(); e != nil {
			e.used.Store(false)
		}
	}
	set[hash>>32%ways].Store(fresh)
}
