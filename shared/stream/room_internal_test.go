package stream

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sluicelog/sluice/shared/scratch"
)

// packedBatch is n packed messages of an inbox, and what they hold.
func packedBatch(t *testing.T, in *Inbox, n int) (batch []*Message, texts [][]byte) {
	t.Helper()
	p := newPacker()
	for i := range n {
		text := bytes.Repeat(fmt.Appendf(nil, `{"number":%d}`, i), 2000+i)
		out, room := p.pack(Outgoing{Header: Header{SchemaHeader: "1"}, Data: text})
		if room == nil {
			t.Fatal("it was not packed")
		}
		m := &Message{Header: out.Header, Data: out.Data, Sequence: uint64(i), inbox: in}
		in.held[m] = struct{}{}
		batch, texts = append(batch, m), append(texts, text)
	}
	return batch, texts
}

func roomInbox() *Inbox {
	return &Inbox{held: map[*Message]struct{}{}, arrived: make(chan struct{}), freed: make(chan struct{}, 1), shelf: scratch.New(1 << 20)}
}

func TestABatchIsUnpackedInOnePiece(t *testing.T) {
	batch, texts := packedBatch(t, roomInbox(), 3)
	unpackAll(batch)
	for i, m := range batch {
		if !bytes.Equal(m.Data, texts[i]) || m.Header[SchemaHeader] != "1" {
			t.Errorf("message %d: %d bytes with %v", i, len(m.Data), m.Header)
		}
	}
	if got := Joined(batch); !bytes.Equal(got, bytes.Join(texts, nil)) || &got[0] != &batch[0].Data[0] {
		t.Errorf("together they are %d bytes, and not their own", len(got))
	}
	if got := Joined(batch[1:]); !bytes.Equal(got, bytes.Join(texts[1:], nil)) {
		t.Errorf("the last two are %d bytes", len(got))
	}
	if got := Joined([]*Message{batch[0], batch[2]}); got != nil {
		t.Errorf("what does not lie together became %d bytes", len(got))
	}
	if Joined(nil) != nil {
		t.Error("nothing became something")
	}
}

func TestWhatCannotBeUnpackedHarmsNoOtherMessage(t *testing.T) {
	in := roomInbox()
	batch, texts := packedBatch(t, in, 4)
	batch[1].Data = batch[1].Data[:len(batch[1].Data)/2] // it still says how long it was
	batch[2].Header[packedHeader] = "s2 77 1"
	plain := &Message{Header: Header{SchemaHeader: "1"}, Data: []byte("plain"), inbox: in}
	unpackAll(append(batch, plain))
	for i, m := range batch {
		bad := i == 1 || i == 2
		if bad != (m.Header[SchemaHeader] == damagedSchema) || !bad && !bytes.Equal(m.Data, texts[i]) {
			t.Errorf("message %d: %d bytes with %v", i, len(m.Data), m.Header)
		}
	}
	if string(plain.Data) != "plain" || Joined([]*Message{batch[0], plain}) != nil || Joined(batch) != nil {
		t.Error("what lies apart was joined")
	}
}

func TestTheMemoryOfABatchIsUsedAgainAfterItsLastVerdict(t *testing.T) {
	in := roomInbox()
	batch, _ := packedBatch(t, in, 3)
	unpackAll(batch)
	memory := &batch[0].room.bytes[0]
	size := len(batch[0].room.bytes)
	free := func() bool { return &in.shelf.Take(size)[:1][0] == memory }
	in.release(batch[0])
	in.release(batch[2])
	in.release(batch[2]) // a second verdict is none
	if free() {
		t.Fatal("the memory of a message without a verdict was given away")
	}
	in.release(batch[1])
	if !free() {
		t.Error("the memory did not come back")
	}
}

func TestAbandonedMemoryIsNotUsedAgain(t *testing.T) {
	in := roomInbox()
	batch, _ := packedBatch(t, in, 2)
	unpackAll(batch)
	memory, size := &batch[0].room.bytes[0], len(batch[0].room.bytes)
	batch[1].Abandon()
	for _, m := range batch {
		in.release(m)
	}
	if &in.shelf.Take(size)[:1][0] == memory {
		t.Error("memory that somebody may still read was given away")
	}
	(&Message{}).Abandon() // one that no inbox holds, as tests make them
}
