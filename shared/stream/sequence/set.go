// Package sequence keeps sets of a stream's sequences, small enough to count every message and to be stored every second.
//
// It knows no stream: numbers go in, numbers and bytes come out.
package sequence

import (
	"iter"
	"maps"
	"math/bits"
	"slices"
)

// PageSize is how many sequences one page covers; page n begins at n*PageSize.
const PageSize = 1 << 16

const words = PageSize / 64

// Set is a set of sequences, one bit each in pages, so that its size depends on how far apart they are and not on their
// order. The zero value is empty. It is not safe for concurrent use.
type Set struct{ pages map[uint64]*page }

type page [words]uint64

// Page is the number of the page that holds a sequence.
func Page(sequence uint64) uint64 { return sequence / PageSize }

func (s *Set) at(number uint64) *page {
	p := s.pages[number]
	if p == nil {
		if s.pages == nil {
			s.pages = map[uint64]*page{}
		}
		p = &page{}
		s.pages[number] = p
	}
	return p
}

// Add puts one sequence in.
func (s *Set) Add(sequence uint64) {
	s.at(Page(sequence))[sequence%PageSize/64] |= 1 << (sequence % 64)
}

// AddRange puts in everything from the first to the last sequence.
func (s *Set) AddRange(from, to uint64) {
	for from <= to {
		if from%64 == 0 && to-from >= 63 {
			s.at(Page(from))[from%PageSize/64] = ^uint64(0)
			from += 64
			continue
		}
		s.Add(from)
		from++
	}
}

// Has reports whether a sequence is in.
func (s *Set) Has(sequence uint64) bool {
	p := s.pages[Page(sequence)]
	return p != nil && p[sequence%PageSize/64]&(1<<(sequence%64)) != 0
}

// Within is what a set holds from the first to the last sequence.
func (s *Set) Within(from, to uint64) *Set {
	var part Set
	for seq := from; seq <= to; seq++ {
		if s.Has(seq) {
			part.Add(seq)
		}
	}
	return &part
}

// Cut takes out everything up to and including last.
func (s *Set) Cut(last uint64) {
	for number, p := range s.pages {
		switch {
		case number < Page(last+1):
			delete(s.pages, number)
		case number == Page(last+1):
			end := (last + 1) % PageSize
			clear(p[:end/64])
			p[end/64] &^= 1<<(end%64) - 1
		}
	}
}

// Pages lists the pages that may hold something, in order.
func (s *Set) Pages() []uint64 { return slices.Sorted(maps.Keys(s.pages)) }

// Prefix is the end of the run without a gap that begins behind after; after itself when the next one is missing.
func (s *Set) Prefix(after uint64) uint64 {
	for next := after + 1; ; {
		p := s.pages[Page(next)]
		if p == nil {
			return next - 1
		}
		missing := ^p[next%PageSize/64] >> (next % 64)
		if missing != 0 {
			return next + uint64(bits.TrailingZeros64(missing)) - 1
		}
		next += 64 - next%64
	}
}

// Gaps yields what is missing behind after, up to and including last, in order.
func (s *Set) Gaps(after, last uint64) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for next := s.Prefix(after) + 1; next <= last; next = s.Prefix(next) + 1 {
			if !yield(next) {
				return
			}
		}
	}
}
