package stream_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/sluicelog/sluice/shared/stream"
)

// Counts of few and of very many endpoints, in any order, say what a map would.
func TestCountsAddUpHoweverManyThereAre(t *testing.T) {
	for _, endpoints := range []int{1, 3, 8, 9, 10, 500} {
		rng := rand.New(rand.NewPCG(uint64(endpoints), 1))
		var counts stream.Counts
		want := map[stream.Count]uint64{}
		for range 5000 {
			owner, became := fmt.Sprintf("shop-%d", rng.IntN(endpoints)), stream.BecameIndexed
			if rng.IntN(3) == 0 {
				became = stream.BecameDuplicate
			}
			counts.Add(owner, became)
			want[stream.Count{Endpoint: owner, Became: became}]++
		}
		have := map[stream.Count]uint64{}
		for _, c := range counts.All() {
			have[stream.Count{Endpoint: c.Endpoint, Became: c.Became}] += c.Events
		}
		if !maps.Equal(have, want) || len(counts.All()) != len(want) {
			t.Errorf("%d endpoints: %d counts, want %d", endpoints, len(counts.All()), len(want))
		}
	}
	if all := new(stream.Counts).All(); len(all) != 0 {
		t.Errorf("nothing was counted, and there is %v", all)
	}
}
