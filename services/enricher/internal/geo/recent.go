package geo

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
)

const recentBits = 15

// answer is what became of one address; it never changes.
type answer struct {
	addr     netip.Addr
	fragment []byte
}

// recent keeps the answers of the addresses seen last, 32,768 at most. A user makes several events in a row, and the walk
// through a large file's tree costs some twenty waits for memory, this one or two. A newer address takes the slot of an
// older one.
type recent struct {
	slots [1 << recentBits]atomic.Pointer[answer]
}

func slotOf(addr netip.Addr) uint64 {
	b := addr.As16()
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return (high*0xff51afd7ed558ccd ^ low) * 0x9e3779b97f4a7c15 >> (64 - recentBits)
}

func (r *recent) get(addr netip.Addr) *answer {
	if a := r.slots[slotOf(addr)].Load(); a != nil && a.addr == addr {
		return a
	}
	return nil
}

func (r *recent) put(addr netip.Addr, fragment []byte) {
	if len(fragment) <= maxFragment {
		r.slots[slotOf(addr)].Store(&answer{addr, fragment})
	}
}
