package stream //nolint:testpackage // what is stored has no other reader

import (
	"crypto/rand"
	"math"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

// room is what counts may take here.
const room = 8 << 10

// wordy is a line of counts that hardly can be compressed.
func wordy(endpoints int) string {
	counts := make([]Count, 0, endpoints)
	for range endpoints {
		counts = append(counts, Count{Endpoint: strings.ToLower(rand.Text()), Became: BecameIndexed, Events: 1})
	}
	return countLine(Part{}, counts)
}

// unpacked reads records as the janitor does: no sequence is there without its counts.
func unpacked(t *testing.T, records []record, page uint64) (given *sequence.Set, lines map[uint64]string) {
	t.Helper()
	given, lines = &sequence.Set{}, map[uint64]string{}
	for _, one := range records {
		if len(one.raw) > room+sequence.MaxEncoded+20 {
			t.Errorf("part %q takes %d bytes", one.part, len(one.raw))
		}
		var alone sequence.Set
		raw, packed := splitCounted(one.raw)
		if _, err := alone.Decode(page, raw); err != nil {
			t.Fatal(err)
		}
		_, _ = given.Decode(page, raw) // as before
		err := eachCounted(packed, 0, math.MaxUint64, func(seq uint64, line string) {
			if !alone.Has(seq) {
				t.Errorf("the counts of %d are in part %q, and it is not", seq, one.part)
			}
			lines[seq] = line
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return given, lines
}

func TestCountsThatTakeMuchRoomAreCutAndNotLost(t *testing.T) {
	const page, messages = 3, 200
	var given sequence.Set
	lines := map[uint64]string{}
	for i := range uint64(messages) {
		seq := page*sequence.PageSize + 500 + i
		given.Add(seq)
		lines[seq] = wordy(10)
	}
	records := encodeCounted(&given, page, lines, room)
	if len(records) < 2 {
		t.Fatalf("%d records; the test is to cut", len(records))
	}
	again, got := unpacked(t, records, page)
	if again.Prefix(page*sequence.PageSize+499) != page*sequence.PageSize+499+messages || len(got) != messages {
		t.Fatalf("%d of %d messages have counts", len(got), messages)
	}
	for seq, line := range lines {
		if got[seq] != line {
			t.Fatalf("the counts of %d are others", seq)
		}
	}
}

func TestCountsOfOneMessageThatTakeTooMuchRoomAreFolded(t *testing.T) {
	const seq, endpoints = 70_000, 1000
	var given sequence.Set
	given.Add(seq)
	given.Add(seq + 1)
	records := encodeCounted(&given, sequence.Page(seq), map[uint64]string{seq: wordy(endpoints), seq + 1: wordy(1)}, room)
	again, got := unpacked(t, records, sequence.Page(seq))
	if !again.Has(seq) || !again.Has(seq+1) {
		t.Error("a verdict is lost")
	}
	if _, counts, err := parseCountLine(got[seq]); err != nil || len(counts) != 1 || counts[0] != (Count{Became: BecameIndexed, Events: endpoints}) {
		t.Errorf("it says %v, %v", counts, err)
	}
}
