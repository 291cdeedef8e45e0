package parts_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/services/enricher/internal/parts"
	"github.com/sluicelog/sluice/shared/stream"
)

const action = `{"create":{"_index":"logs-auth0.logs-a-2026.11.23","_id":"%02d"}}`

func source() parts.Source {
	return parts.Source{Created: time.Unix(1795428000, 7), Sequence: 12, Received: time.Date(2026, 11, 23, 10, 0, 0, 5, time.UTC)}
}

// build makes parts of count documents of size bytes; skip leaves one out.
func build(limit, room, count, size, skip int) []stream.Outgoing {
	b := parts.New(source(), limit, room)
	for i := range count {
		if i != skip {
			b.Add("a", "logs-auth0.logs-a-2026.11.23", fmt.Sprintf("%02d", i), []byte(strings.Repeat("x", size)))
		}
	}
	return b.Finish()
}

func TestPartsHoldEveryDocumentOnceAndStayUnderTheLimit(t *testing.T) {
	for _, limit := range []int{1, 100, 450, 1000, 1 << 20} {
		outs := build(limit, 1<<20, 40, 80, -1)
		var all []byte
		ids := map[string]bool{}
		for _, out := range outs {
			documents := bytes.Count(out.Data, []byte("\n")) / 2
			if len(out.Data) > limit && documents > 1 {
				t.Errorf("limit %d: a part has %d bytes", limit, len(out.Data))
			}
			if out.Header[parts.HeaderCount] != strconv.Itoa(documents) || out.Subject != "sluice.documents.a" {
				t.Errorf("limit %d: %v on %s with %d documents", limit, out.Header, out.Subject, documents)
			}
			ids[out.ID] = true
			all = append(all, out.Data...)
		}
		var want strings.Builder
		for i := range 40 {
			fmt.Fprintf(&want, action+"\n%s\n", i, strings.Repeat("x", 80))
		}
		if diff := cmp.Diff(want.String(), string(all)); diff != "" || len(ids) != len(outs) {
			t.Errorf("limit %d: %d ids for %d parts: %s", limit, len(ids), len(outs), diff)
		}
	}
}

func TestTheSameDocumentsGiveTheSameParts(t *testing.T) {
	if diff := cmp.Diff(build(500, 1<<20, 40, 80, -1), build(500, 1<<20, 40, 80, -1)); diff != "" {
		t.Error(diff)
	}
}

func TestAnotherCutNeverTakesTheIDOfAPartThatDiffers(t *testing.T) {
	stored := map[string][]string{}
	note := func(outs []stream.Outgoing) {
		for _, out := range outs {
			names := strings.Join(idsOf(out.Data), ",")
			if before, ok := stored[out.ID]; ok && before[0] != names {
				t.Errorf("id %s stands for %s and for %s", out.ID, before[0], names)
			}
			stored[out.ID] = []string{names}
		}
	}
	note(build(500, 1<<20, 40, 80, -1))
	note(build(500, 1<<20, 40, 80, 1))  // one document has expired meanwhile
	note(build(900, 1<<20, 40, 80, -1)) // another setting
	note(build(500, 1<<20, 40, 60, -1)) // another mapping
}

func idsOf(ndjson []byte) (ids []string) {
	for line := range strings.Lines(string(ndjson)) {
		if _, id, ok := strings.Cut(line, `"_id":"`); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestALargeDocumentGetsAPartOfItsOwnAndAGiantOneNone(t *testing.T) {
	b := parts.New(source(), 1000, 3000)
	for i, size := range []int{10, 2500, 10, 3000} {
		ok := b.Add("a", "i", strconv.Itoa(i), make([]byte, size))
		if want := size < 3000; ok != want {
			t.Errorf("a document of %d bytes: %v", size, ok)
		}
	}
	var counts []string
	for _, out := range b.Finish() {
		if len(out.Data) > 3000 {
			t.Errorf("a part has %d bytes", len(out.Data))
		}
		counts = append(counts, out.Header[parts.HeaderCount])
	}
	if diff := cmp.Diff([]string{"1", "1", "1"}, counts); diff != "" {
		t.Error(diff)
	}
}

func TestEachNamespaceHasPartsOfItsOwn(t *testing.T) {
	b := parts.New(source(), 1000, 3000)
	b.Add("b", "i", "1", []byte("{}"))
	b.Add("a", "i", "2", []byte("{}"))
	b.Add("b", "i", "3", []byte("{}"))
	var got []string
	for _, out := range b.Finish() {
		got = append(got, out.Subject+" "+out.Header[parts.HeaderCount]+" "+out.Header[parts.HeaderOrigin])
	}
	if diff := cmp.Diff([]string{"sluice.documents.b 2 DELIVERIES:12", "sluice.documents.a 1 DELIVERIES:12"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPartsThatAreHandedOutInBetweenAreOthersThanTheNext(t *testing.T) {
	b := parts.New(source(), 1000, 3000)
	ids, documents := map[string]bool{}, 0
	for range 3 { // the same document again and again
		if b.Waiting() != 0 {
			t.Errorf("%d bytes wait", b.Waiting())
		}
		b.Add("a", "i", "1", []byte("{}"))
		outs := b.Finish()
		if len(outs) != 1 {
			t.Fatalf("%d parts", len(outs))
		}
		documents += bytes.Count(outs[0].Data, []byte("\n")) / 2
		ids[outs[0].ID] = true
	}
	if len(ids) != 3 || documents != 3 || len(b.Finish()) != 0 {
		t.Errorf("%d ids for %d documents", len(ids), documents)
	}
}
