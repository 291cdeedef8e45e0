package sequence

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// How a page is written: as runs (how many are missing, how many are there, and so on, as varints), or, where that would
// be longer, as its bits.
const (
	asRuns = 'r'
	asBits = 'b'
)

// MaxEncoded is the largest number of bytes that a page is written in.
const MaxEncoded = 1 + PageSize/8

var errPage = errors.New("not a page of sequences")

// Encode writes one page; nil when nothing is in it.
func (s *Set) Encode(number uint64) []byte {
	p := s.pages[number]
	if p == nil {
		return nil
	}
	out := []byte{asRuns}
	for at := 0; len(out) <= MaxEncoded; {
		begin := p.next(at, true)
		if begin == PageSize {
			break
		}
		end := p.next(begin, false)
		out = binary.AppendUvarint(binary.AppendUvarint(out, uint64(begin-at)), uint64(end-begin))
		at = end
	}
	switch {
	case len(out) == 1:
		return nil
	case len(out) <= MaxEncoded:
		return out
	}
	out = append(out[:0], asBits)
	for _, word := range p {
		out = binary.LittleEndian.AppendUint64(out, word)
	}
	return out
}

// Decode adds what Encode wrote of one page, and returns the last sequence in it.
func (s *Set) Decode(number uint64, raw []byte) (last uint64, err error) {
	if len(raw) == 0 {
		return 0, errPage
	}
	p, first := &page{}, number*PageSize
	if raw[0] == asBits && len(raw) == MaxEncoded {
		for i := range p {
			p[i] = binary.LittleEndian.Uint64(raw[1+8*i:])
		}
	} else if err := p.runs(raw); err != nil {
		return 0, err
	}
	into := s.at(number)
	for i, word := range p {
		into[i] |= word
		if word != 0 {
			last = first + uint64(64*i+63-bits.LeadingZeros64(word))
		}
	}
	return last, nil
}

// runs reads the form of runs.
func (p *page) runs(raw []byte) error {
	if raw[0] != asRuns {
		return fmt.Errorf("%w: it begins with %#x", errPage, raw[0])
	}
	at := uint64(0)
	for raw = raw[1:]; len(raw) > 0; {
		skip, n := binary.Uvarint(raw)
		length, m := binary.Uvarint(raw[max(n, 0):])
		if n <= 0 || m <= 0 || skip > PageSize || length > PageSize || at+skip+length > PageSize {
			return fmt.Errorf("%w: a run ends outside of it", errPage)
		}
		raw = raw[n+m:]
		for at += skip; length > 0; length-- {
			p[at/64] |= 1 << (at % 64)
			at++
		}
	}
	return nil
}

// next is the first place from at on that is set, or not set; PageSize when there is none.
func (p *page) next(at int, set bool) int {
	for at < PageSize {
		word := p[at/64]
		if !set {
			word = ^word
		}
		if word >>= at % 64; word != 0 {
			return at + bits.TrailingZeros64(word)
		}
		at += 64 - at%64
	}
	return PageSize
}
