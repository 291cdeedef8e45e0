package parts_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sluicelog/sluice/services/enricher/internal/parts"
)

// However much is expected, all parts that are open at once get no more room in advance than one part may hold.
func TestRoomInAdvanceIsSharedByAllNamespaces(t *testing.T) {
	const limit = 1 << 20
	b := parts.New(parts.Source{}, limit, 8*limit)
	document := bytes.Repeat([]byte{' '}, 100)
	for i := range 200 {
		b.Expect(10 * limit)
		if !b.Add(fmt.Sprintf("shop%d", i), "index", "id", document) {
			t.Fatal("refused")
		}
	}
	room := 0
	for _, out := range b.Finish() {
		room += cap(out.Data)
	}
	if most := limit + 200*1024; room > most {
		t.Errorf("%d bytes of room for 200 small documents, want at most %d", room, most)
	}
	b.Expect(limit / 2)
	b.Add("shop0", "index", "id", document)
	if out := b.Finish(); cap(out[0].Data) < limit/2 {
		t.Errorf("after Finish only %d bytes of room", cap(out[0].Data))
	}
}
