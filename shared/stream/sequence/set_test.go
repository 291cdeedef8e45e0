package sequence_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

const size = sequence.PageSize

func TestASetAgreesWithAMap(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 20 {
		var s sequence.Set
		model := map[uint64]bool{}
		limit := 1 + r.Uint64N(3*size)
		for range 200 {
			from := r.Uint64N(limit)
			to := from + r.Uint64N(200)*r.Uint64N(20)
			s.AddRange(from, to)
			for q := from; q <= to; q++ {
				model[q] = true
			}
		}
		cut := r.Uint64N(limit)
		s.Cut(cut)
		for q := range cut + 1 {
			delete(model, q)
		}
		var copied sequence.Set
		for _, p := range s.Pages() {
			raw := s.Encode(p)
			if len(raw) > sequence.MaxEncoded {
				t.Fatalf("a page of %d bytes", len(raw))
			}
			if raw == nil {
				continue
			}
			last, err := copied.Decode(p, raw)
			if err != nil || !model[last] {
				t.Fatalf("page %d ends at %d, %v", p, last, err)
			}
		}
		for q := range limit + 5000 {
			if s.Has(q) != model[q] || copied.Has(q) != model[q] {
				t.Fatalf("%d: %v and %v, want %v", q, s.Has(q), copied.Has(q), model[q])
			}
		}
		gaps := slices.Collect(s.Gaps(0, limit))
		for q := uint64(1); q <= limit; q++ {
			if _, gap := slices.BinarySearch(gaps, q); gap == model[q] {
				t.Fatalf("%d: gap %v, in the set %v", q, gap, model[q])
			}
		}
	}
}

func TestPrefixEndsBeforeTheFirstGap(t *testing.T) {
	var s sequence.Set
	s.AddRange(1, 3*size)
	s.AddRange(3*size+2, 3*size+10)
	if got := s.Prefix(0); got != 3*size {
		t.Fatalf("got %d", got)
	}
	if got := s.Prefix(3*size + 1); got != 3*size+10 {
		t.Fatalf("got %d", got)
	}
	if got := s.Prefix(5 * size); got != 5*size {
		t.Fatalf("got %d", got)
	}
	if gaps := slices.Collect(s.Gaps(0, 3*size+12)); !slices.Equal(gaps, []uint64{3*size + 1, 3*size + 11, 3*size + 12}) {
		t.Fatalf("got %v", gaps)
	}
}

func TestAPageIsSmallWhereItIsWholeAndBoundedWhereItIsNot(t *testing.T) {
	var whole, every sequence.Set
	whole.AddRange(0, size-1)
	for q := uint64(0); q < size; q += 2 {
		every.Add(q)
	}
	if n := len(whole.Encode(0)); n > 8 {
		t.Errorf("a whole page takes %d bytes", n)
	}
	if n := len(every.Encode(0)); n != sequence.MaxEncoded {
		t.Errorf("every second sequence takes %d bytes", n)
	}
	every.Cut(size)
	if raw := every.Encode(0); raw != nil {
		t.Errorf("an empty page is written as %v", raw)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("r\x01\x02"))
	f.Add([]byte("r\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"))
	f.Add([]byte("b"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var s sequence.Set
		last, err := s.Decode(7, raw)
		if err == nil && last != 0 && (sequence.Page(last) != 7 || !s.Has(last)) {
			t.Fatalf("page 7 ends at %d", last)
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	var s sequence.Set
	q := uint64(0)
	for b.Loop() {
		q++
		s.Add(q)
		if q%size == 0 {
			s.Cut(q)
		}
	}
}
