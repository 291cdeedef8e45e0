package stream //nolint:testpackage // what is stored has no other reader

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

// TestTheLargestAccountFitsInOneMessage has as many endpoints as are told apart, with the longest names and numbers, and
// parts in no order that could be written as runs.
func TestTheLargestAccountFitsInOneMessage(t *testing.T) {
	a := account{Covered: math.MaxUint64, Last: math.MaxUint64, Sums: sums{Events: map[string]map[string]uint64{}}}
	for range maxEndpoints + 1 {
		name := make([]byte, 63)
		for i := range name {
			name[i] = "abcdefghijklmnopqrstuvwxyz0123456789-"[rand.IntN(37)]
		}
		for _, became := range []string{BecameIndexed, BecameDuplicate, BecameDead, BecameExpired, BecameReplayed, becameRepeated} {
			a.Sums.add(string(name), became, rand.Uint64())
		}
	}
	parts := a.Sums.Seen.open()
	const back = 2 * sequence.PageSize
	for range 500_000 {
		parts.again(Part{Epoch: "e", Sequence: rand.Uint64N(back), Number: rand.IntN(seenNumbers)})
	}
	parts.again(Part{Epoch: "e", Sequence: back, Number: 7})
	a.Sums.Seen = parts.close()
	raw, err := a.encode()
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d bytes", len(raw)); len(raw) > 1<<20-4<<10 {
		t.Errorf("it takes %d bytes", len(raw))
	}
	var again account
	err = json.Unmarshal(raw, &again)
	if err = errors.Join(err, again.unpack()); err != nil || !reflect.DeepEqual(again.Sums, a.Sums) || len(again.Sums.Events) != maxEndpoints+1 {
		t.Errorf("it reads as something else: %v", err)
	}
	if seen := again.Sums.Seen.open(); !seen.again(Part{Epoch: "e", Sequence: back, Number: 7}) {
		t.Error("the latest part is forgotten")
	}
}
