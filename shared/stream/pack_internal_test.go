package stream

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatRepeatsItselfIsPackedAndComesBackAsItWas(t *testing.T) {
	p := newPacker()
	noise := make([]byte, 4096)
	_, _ = rand.Read(noise) // never fails
	for name, c := range map[string]struct {
		data   []byte
		packed bool
	}{
		"nothing":    {nil, false},
		"little":     {[]byte("{}"), false},
		"noise":      {noise, false},
		"text":       {bytes.Repeat([]byte(`{"log_id":"900"}`), 64), true},
		"much":       {bytes.Repeat([]byte(`{"log_id":"900"}`), 1<<19), true}, // as large as a message may be
		"half of it": {append(bytes.Repeat([]byte("a"), 4096), noise...), false},
	} {
		header := Header{SchemaHeader: "1", "Other": "x"}
		out, _ := p.pack(Outgoing{Header: header, Data: c.data})
		if packed := out.Header[SchemaHeader] != "1"; packed != c.packed || packed != (len(out.Data) < len(c.data)) {
			t.Errorf("%s: packed %t, %d of %d bytes", name, packed, len(out.Data), len(c.data))
		}
		if diff := cmp.Diff(Header{SchemaHeader: "1", "Other": "x"}, header); diff != "" {
			t.Errorf("%s: the publisher's own header changed: %s", name, diff)
		}
		if size := plainSize(out.Header, out.Data); size != len(c.data) {
			t.Errorf("%s: counts as %d bytes, not %d", name, size, len(c.data))
		}
		only := maps.Clone(out.Header)
		unpack(only, nil, nil)
		back := unpack(out.Header, out.Data, p.shelf.Take(100))
		if !bytes.Equal(back, c.data) || !cmp.Equal(out.Header, header) || !cmp.Equal(only, header) {
			t.Errorf("%s: came back as %d bytes with %v; headers alone: %v", name, len(back), out.Header, only)
		}
	}
	if len(p.rooms) != cap(p.rooms) {
		t.Errorf("%d of %d rooms came back", len(p.rooms), cap(p.rooms))
	}
}

func TestNothingIsPackedWhereSomebodyCouldNotReadIt(t *testing.T) {
	p := newPacker()
	p.off = true
	data := bytes.Repeat([]byte("abcdefgh"), 1000)
	if out, _ := p.pack(Outgoing{Header: Header{SchemaHeader: "1"}, Data: data}); out.Header[SchemaHeader] != "1" || len(out.Data) != len(data) {
		t.Errorf("%v, %d bytes", out.Header, len(out.Data))
	}
}

// A message of a later build waits; one that is no message of ours is nobody's, and takes no memory for what it claims.
func TestWhatCannotBeUnpackedIsTold(t *testing.T) {
	good, _ := newPacker().pack(Outgoing{Header: Header{SchemaHeader: "1"}, Data: bytes.Repeat([]byte("abcdefgh"), 1000)})
	for header, want := range map[string]string{
		"s2 8000 1": "1", "s2 7999 1": damagedSchema, "s2 8001 1": damagedSchema, "s2 x 1": damagedSchema, "s2": damagedSchema,
		"s2 -1 1": damagedSchema, "s2 99999999999 1": damagedSchema, "zstd 8000 1": packedSchema, "": packedSchema,
	} {
		h := Header{SchemaHeader: packedSchema, packedHeader: header}
		if data := unpack(h, good.Data, nil); h[SchemaHeader] != want || (want == "1") != (len(data) == 8000) {
			t.Errorf("%q: version %s, %d bytes", header, h[SchemaHeader], len(data))
		}
	}
	h := Header{SchemaHeader: packedSchema, packedHeader: fmt.Sprintf("s2 %d 1", 8000)}
	if unpack(h, good.Data[:len(good.Data)-1], nil); h[SchemaHeader] != damagedSchema {
		t.Errorf("cut off: version %s", h[SchemaHeader])
	}
}

func FuzzUnpack(f *testing.F) {
	good, _ := newPacker().pack(Outgoing{Header: Header{SchemaHeader: "1"}, Data: bytes.Repeat([]byte("abcdefgh"), 100)})
	f.Add(good.Header[packedHeader], good.Data)
	f.Add("s2 5 1", []byte("\x05\x10hello"))
	f.Fuzz(func(t *testing.T, header string, data []byte) {
		h := Header{SchemaHeader: packedSchema, packedHeader: header}
		claimed := plainSize(h, data)
		plain := unpack(h, data, nil)
		if _, still := h[packedHeader]; !still && len(data) > 0 && len(plain) != claimed {
			t.Fatalf("%d bytes, but %d were claimed", len(plain), claimed)
		}
	})
}

// BenchmarkPack is per message of about what a hundred documents have.
func BenchmarkPack(b *testing.B) {
	data := bytes.Repeat([]byte(`{"@timestamp":"2026-01-02T03:04:05.678Z","event":{"id":"90020260102030405","code":"s"}}`+"\n"), 2500)
	p := newPacker()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		p.pack(Outgoing{Header: Header{SchemaHeader: "1"}, Data: data})
	}
}
