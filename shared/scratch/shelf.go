// Package scratch keeps memory for the next one who needs as much of it: to clear fresh memory for every message, and to
// collect it, took a tenth of a loaded program's processor time.
package scratch

import (
	"math/bits"
	"sync"
)

// Shelf keeps byte slices that nobody uses any more, up to a number of bytes. Other than a sync.Pool it keeps them when the
// garbage collector runs, which is often in a program that is kept small. It is safe for concurrent use; the zero value, and
// nil, keep nothing.
type Shelf struct {
	most int

	mu    sync.Mutex
	rooms [][]byte
	bytes int
}

// New returns a shelf for at most most bytes.
func New(most int) *Shelf { return &Shelf{most: most} }

// waste is how many times larger than what was asked for a slice may be: a large one is better kept for who needs it.
const waste = 8

// Take returns an empty slice with room for size bytes. What was in it before is not cleared.
func (s *Shelf) Take(size int) []byte {
	if room := s.Find(size, waste*roomy(size)); room != nil {
		return room
	}
	return make([]byte, 0, roomy(size))
}

// Find returns the smallest slice on the shelf with room for size bytes and at most most; nil when there is none.
func (s *Shelf) Find(size, most int) []byte {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	best := -1
	for i, room := range s.rooms {
		if cap(room) >= size && cap(room) <= most && (best < 0 || cap(room) < cap(s.rooms[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	room, last := s.rooms[best], len(s.rooms)-1
	s.rooms[best], s.rooms[last] = s.rooms[last], nil
	s.rooms = s.rooms[:last]
	s.bytes -= cap(room)
	return room[:0]
}

// Give puts a slice on the shelf. Nobody may read or write it from then on; nil is nothing. Where there is no room the oldest
// ones go: sizes change, and what nobody asks for any more must not stay for ever.
func (s *Shelf) Give(room []byte) {
	if s == nil || cap(room) == 0 || cap(room) > s.most {
		return
	}
	spoil(room)
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := 0
	for ; s.bytes+cap(room) > s.most; gone++ {
		s.bytes -= cap(s.rooms[gone])
	}
	kept := copy(s.rooms, s.rooms[gone:])
	clear(s.rooms[kept:])
	s.rooms = append(s.rooms[:kept], room)
	s.bytes += cap(room)
}

// roomy rounds a size up to one of four steps between powers of two, so that the next one, which is hardly ever of the very
// same size, fits as well.
func roomy(size int) int {
	const least = 1 << 10
	if size <= least {
		return least
	}
	step := 1 << (bits.Len(uint(size-1)) - 3)
	return (size + step - 1) / step * step
}
