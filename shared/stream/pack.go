package stream

import (
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/compress/s2"

	"github.com/sluicelog/sluice/shared/scratch"
)

// A packed message holds its data compressed: deliveries and documents repeat themselves so much that a fifth of the bytes
// is stored, synced, hashed and sent again, which saves several times what S2 takes. To whoever reads by this package it is
// as if it had never been packed.
const (
	// packedHeader of a packed message is how it is compressed, the number of plain bytes, and the version of the plain form.
	packedHeader = "Sluice-Packed"
	// packedSchema stands as the version of a packed message: a build that knows nothing of packing leaves it for one that does.
	packedSchema = "2"
	packedBy     = "s2"
	// damagedSchema is put as the version of a message that cannot be unpacked: no build reads that.
	damagedSchema = "damaged"
	// packLeast is the smallest message that is packed, in bytes.
	packLeast = 512
	// unpackMost bounds what a message may claim to hold, in bytes: no NATS server takes a larger one.
	unpackMost = 64 << 20
)

// packer compresses, a few messages at a time, so that the memory for it is bounded.
type packer struct {
	rooms chan []byte
	shelf *scratch.Shelf // for packed messages on their way, and for unpacked ones until their verdict
	off   bool           // everything stays as it is
}

// shelfBytes is how much memory waits for the next messages, in bytes: enough for the workers of one process.
const shelfBytes = 8 << 20

func newPacker() *packer {
	p := &packer{rooms: make(chan []byte, runtime.GOMAXPROCS(0)), shelf: scratch.New(shelfBytes)}
	for range cap(p.rooms) {
		p.rooms <- nil
	}
	return p
}

// keepRoom is how much memory for compressing is kept for the next message, in bytes.
const keepRoom = 4 << 20

// pack compresses a message, unless that does not save half of it: what is left and what the connection copies of it are
// then together no larger than the message was. room is memory of the shelf that the result is in, nil where it is in none.
func (p *packer) pack(out Outgoing) (packed Outgoing, room []byte) {
	if p.off || len(out.Data) < packLeast || out.Header[SchemaHeader] == "" { // without a version nobody could say what it is
		return out, nil
	}
	bench := <-p.rooms
	if most := s2.MaxEncodedLen(len(out.Data)); cap(bench) < most {
		bench = make([]byte, most)
	}
	if small := s2.Encode(bench[:cap(bench)], out.Data); len(small) <= len(out.Data)/2 {
		room = append(p.shelf.Take(len(small)), small...)
		out.Header = maps.Clone(out.Header)
		out.Header[packedHeader] = fmt.Sprintf("%s %d %s", packedBy, len(out.Data), out.Header[SchemaHeader])
		out.Header[SchemaHeader] = packedSchema
		out.Data = room
	}
	if cap(bench) > keepRoom {
		bench = nil
	}
	p.rooms <- bench
	return out, room
}

// packing is what packedHeader says; its zero value is that of a plain message.
type packing struct {
	here, known bool // there is such a header, and this build can unpack what it stands for
	plain       int  // bytes, less than 0 where the header is no header of ours
	schema      string
}

func packingOf(h Header) packing {
	value, here := h[packedHeader]
	by, rest, _ := strings.Cut(value, " ")
	size, schema, _ := strings.Cut(rest, " ")
	plain, err := strconv.Atoi(size)
	if err != nil || plain < 1 || plain > unpackMost {
		plain = -1
	}
	return packing{here: here, known: by == packedBy, plain: plain, schema: schema}
}

// plainSize is how many bytes a message has when it is unpacked.
func plainSize(h Header, data []byte) int {
	if p := packingOf(h); p.here && p.known && p.plain > 0 {
		return p.plain
	}
	return len(data)
}

// unpack returns a message's data as it was published, and puts its headers back; of a message without data, as where
// only headers were asked for, the headers alone. One that is packed in a way that this build does not know stays as it
// is, so that it counts as one of a later version; one that does not hold what it says is no message of ours any more.
//
// What was packed is put in room, where that is large enough; what was not stays where it is.
func unpack(h Header, data, room []byte) []byte {
	p := packingOf(h)
	if !p.here || !p.known {
		return data
	}
	plain, ok := data, p.plain > 0
	if ok && len(data) > 0 {
		plain, ok = decode(data, p.plain, room)
	}
	if !ok {
		h[SchemaHeader] = damagedSchema
		return data
	}
	delete(h, packedHeader)
	h[SchemaHeader] = p.schema
	return plain
}

// decode returns the size bytes that data holds; it takes no memory for data that claims to hold another number of them.
func decode(data []byte, size int, room []byte) (plain []byte, ok bool) {
	if !holds(data, size) {
		return nil, false
	}
	plain, err := s2.Decode(room[:0], data)
	return plain, err == nil && len(plain) == size
}

// holds reports whether packed data says that it is so many bytes.
func holds(data []byte, size int) bool {
	n, err := s2.DecodedLen(data)
	return err == nil && n == size
}
