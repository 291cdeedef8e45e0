package scratch_test

import (
	"sync"
	"testing"

	"github.com/sluicelog/sluice/shared/scratch"
)

func same(a, b []byte) bool { return &a[:1][0] == &b[:1][0] }

func TestAShelfReturnsTheSmallestThatFits(t *testing.T) {
	s := scratch.New(1 << 20)
	small, large := s.Take(10_000), s.Take(40_000)
	s.Give(large)
	s.Give(small)
	if got := s.Take(9_500); !same(got, small) || len(got) != 0 {
		t.Errorf("asked for 9,500 bytes and got %d of %d, not those that were given back", len(got), cap(got))
	}
	if got := s.Take(9_500); !same(got, large) {
		t.Error("the larger one fits too, and lay there unused")
	}
	if got := s.Take(9_500); cap(got) < 9_500 {
		t.Errorf("an empty shelf returned %d bytes", cap(got))
	}
}

func TestFindKeepsWithinItsBounds(t *testing.T) {
	s := scratch.New(1 << 20)
	s.Give(make([]byte, 0, 3000))
	for _, c := range []struct {
		size, most int
		found      bool
	}{{3001, 1 << 20, false}, {1000, 2999, false}, {1000, -1, false}, {3000, 3000, true}, {3000, 3000, false}} {
		if got := s.Find(c.size, c.most); (got != nil) != c.found {
			t.Errorf("%d to %d: %d bytes", c.size, c.most, cap(got))
		}
	}
}

func TestALargeSliceIsNotWastedOnALittle(t *testing.T) {
	s := scratch.New(8 << 20)
	s.Give(make([]byte, 0, 4<<20))
	if got := s.Take(2_000); cap(got) >= 4<<20 {
		t.Errorf("asked for 2,000 bytes and got %d", cap(got))
	}
}

func TestAShelfIsBoundedAndKeepsTheNewest(t *testing.T) {
	s := scratch.New(100_000)
	first, second, third := make([]byte, 0, 50_000), make([]byte, 0, 50_000), make([]byte, 0, 60_000)
	s.Give(first)
	s.Give(second)
	s.Give(third) // both have to go
	if got := s.Take(50_000); !same(got, third) {
		t.Error("the newest is not there")
	}
	if got := s.Take(50_000); same(got, first) || same(got, second) {
		t.Error("more is kept than the bound says")
	}
	s.Give(make([]byte, 0, 100_001))
	if got := s.Take(100_001); cap(got) == 100_001 {
		t.Error("one larger than the whole shelf is kept")
	}
}

func TestNoShelfAndAnEmptyOneWork(t *testing.T) {
	var none *scratch.Shelf
	for _, s := range []*scratch.Shelf{none, {}} {
		room := s.Take(5)
		s.Give(room)
		s.Give(nil)
		if got := s.Take(5); same(got, room) {
			t.Error("what is to be kept nowhere was kept")
		}
	}
}

func TestNobodyGetsWhatAnotherOneHas(t *testing.T) {
	s := scratch.New(1 << 20)
	var all sync.WaitGroup
	for worker := range byte(8) {
		all.Go(func() {
			for i := range 2000 {
				room := s.Take(512 + i)
				for range 512 {
					room = append(room, worker)
				}
				for _, b := range room {
					if b != worker {
						t.Errorf("worker %d found a byte of worker %d", worker, b)
						return
					}
				}
				s.Give(room)
			}
		})
	}
	all.Wait()
}
