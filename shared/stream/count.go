package stream

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

// What an event, or the document that it became, can have become.
const (
	BecameDocument  = "document"  // the enricher's: it was stored for the indexer
	BecameExpired   = "expired"   // either's: older than its namespace's retention
	BecameDead      = "dead"      // either's: set aside
	BecameIndexed   = "indexed"   // the indexer's
	BecameDuplicate = "duplicate" // the indexer's: it was there already
	BecameReplayed  = "replayed"  // the indexer's, besides one of the others: it was a dead letter, and was sent again
	becameRepeated  = "repeated"  // the janitor's: of a part that was stored twice, and counted the first time
)

// Count is how many events of an endpoint became something. Endpoint is empty where nobody knows it.
type Count struct {
	Endpoint string
	Became   string
	Events   uint64
}

// Counts adds up events by endpoint and what became of them. The zero value is empty.
type Counts struct {
	all  []Count
	last int           // most events are followed by one like them
	at   map[Count]int // the place in all of each, with Events 0
}

// Add counts one event.
func (c *Counts) Add(endpoint, became string) {
	if c.last >= len(c.all) || c.all[c.last].Became != became || c.all[c.last].Endpoint != endpoint {
		c.last = c.place(Count{Endpoint: endpoint, Became: became})
	}
	c.all[c.last].Events++
}

// place is where a count stands; it is added where it is new.
func (c *Counts) place(key Count) int {
	if i, known := c.at[key]; known {
		return i
	}
	if c.at == nil {
		c.at = map[Count]int{}
	}
	c.at[key] = len(c.all)
	c.all = append(c.all, key)
	return c.at[key]
}

// All are the counts, in the order in which they were first added.
func (c *Counts) All() []Count { return c.all }

// Part names a message of documents by what it was made from, so that one that was stored twice is counted once.
type Part struct {
	Epoch    string // of the stream of deliveries
	Sequence uint64 // in it
	Number   int    // of the part, from 0
}

// NewPart names a part of a message of a stream that was made at created.
func NewPart(created time.Time, seq uint64, number int) Part {
	return Part{Epoch: epoch(created), Sequence: seq, Number: number}
}

// String is the part's name in a header.
func (p Part) String() string {
	if p.Epoch == "" {
		return "-"
	}
	return fmt.Sprintf("%s.%d.%d", p.Epoch, p.Sequence, p.Number)
}

// ParsePart reads what String wrote; the zero Part where it is anything else.
func ParsePart(text string) Part {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return Part{}
	}
	seq, err := strconv.ParseUint(parts[1], 10, 64)
	number, err2 := strconv.Atoi(parts[2])
	if err != nil || err2 != nil || number < 0 || parts[0] == "" || len(parts[0]) > 20 {
		return Part{}
	}
	return Part{Epoch: parts[0], Sequence: seq, Number: number}
}

// Count says what became of the events in a message. It is written down together with the message's final verdict, so it
// must be called before Done; the last call holds.
func (m *Message) Count(part Part, counts []Count) { m.counts = countLine(part, counts) }

// Again reports whether the message may have been worked on before.
func (m *Message) Again() bool { return m.Delivered > 1 || m.raw == nil }

// countLine writes counts as text: the part, then for each count endpoint:became=events.
func countLine(part Part, counts []Count) string {
	var out strings.Builder
	out.WriteString(part.String())
	for _, c := range counts {
		if c.Events > 0 {
			fmt.Fprintf(&out, " %s:%s=%d", c.Endpoint, c.Became, c.Events)
		}
	}
	return out.String()
}

// parseCountLine reads what countLine wrote.
func parseCountLine(line string) (part Part, counts []Count, err error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return part, nil, fmt.Errorf("counts %q name no part", line)
	}
	part = ParsePart(words[0])
	for _, word := range words[1:] {
		name, number, ok := strings.Cut(word, "=")
		colon := strings.LastIndexByte(name, ':')
		events, err := strconv.ParseUint(number, 10, 64)
		if !ok || colon < 0 || err != nil {
			return part, nil, fmt.Errorf("%q is no count", word)
		}
		counts = append(counts, Count{Endpoint: name[:colon], Became: name[colon+1:], Events: events})
	}
	return part, counts, nil
}

// maxCounted bounds how many messages an instance keeps counts of until the janitor has added them up; what is beyond is
// finished without being counted, and said so. maxCountBytes bounds what is written of them in one record.
const (
	maxCounted    = 100_000
	maxCountBytes = 512 << 10
)

// asCounted marks a page of sequences that comes with counts: its length, itself, and the counts, compressed.
const asCounted = 'c'

// record is a page of sequences with the counts of its messages, or a part of one where these are too many.
type record struct {
	part string // belongs to the instance's name; empty for a whole page
	raw  []byte
}

// encodeCounted joins a page of what was given with the counts of its messages. Each sequence is in the same record as its
// counts, and a part's name says which sequences it has: a later write in other parts takes nothing from an earlier one.
// Counts take no more than room in a record.
func encodeCounted(given *sequence.Set, page uint64, lines map[uint64]string, room int) []record {
	return cutCounted(given, page, lines, room, [2]uint64{1, 0})
}

// cutCounted writes one part of a page, at says of how many and which, in halves where it takes too much room.
func cutCounted(given *sequence.Set, page uint64, lines map[uint64]string, room int, at [2]uint64) []record {
	parts, number := at[0], at[1]
	size := sequence.PageSize / parts
	from := page*sequence.PageSize + number*size
	one, name := given, ""
	if parts > 1 {
		one, name = given.Within(from, from+size-1), fmt.Sprintf("-%d-%d", parts, number)
	}
	raw := one.Encode(page)
	if raw == nil {
		return nil
	}
	some := within(lines, from, from+size-1)
	var out []byte
	ok := false
	if parts == 1 || len(some) < len(lines) || size == 1 { // else they take as much as before, which was too much
		out, ok = joinCounted(raw, some, room)
	}
	if !ok && size > 1 {
		return append(cutCounted(one, page, some, room, [2]uint64{2 * parts, 2 * number}), cutCounted(one, page, some, room, [2]uint64{2 * parts, 2*number + 1})...)
	}
	if !ok {
		out, _ = joinCounted(raw, map[uint64]string{from: foldLine(some[from])}, math.MaxInt) // some words
	}
	return []record{{part: name, raw: out}}
}

// within is what there is of some sequences.
func within(lines map[uint64]string, from, to uint64) map[uint64]string {
	some := map[uint64]string{}
	for seq, line := range lines {
		if seq >= from && seq <= to {
			some[seq] = line
		}
	}
	return some
}

// foldLine writes the counts of a line as nobody's, where it takes too much room to say whose they are.
func foldLine(line string) string {
	part, counts, err := parseCountLine(line)
	if err != nil {
		return ""
	}
	became := map[string]uint64{}
	for _, c := range counts {
		became[c.Became] += c.Events
	}
	counts = counts[:0]
	for what, n := range became {
		counts = append(counts, Count{Became: what, Events: n})
	}
	return countLine(part, counts)
}

// squeezers compress counts; each has more than half a megabyte of tables.
var squeezers = sync.Pool{New: func() any { //nolint:gochecknoglobals // memory, no state
	squeeze, _ := flate.NewWriter(io.Discard, flate.BestSpeed) // the level is one
	return squeeze
}}

// joinCounted joins an encoded page with counts; false when they take too much room.
func joinCounted(page []byte, lines map[uint64]string, room int) (out []byte, ok bool) {
	if len(lines) == 0 {
		return page, true
	}
	var packed bytes.Buffer
	squeeze, _ := squeezers.Get().(*flate.Writer)
	squeeze.Reset(&packed)
	defer func() {
		squeeze.Reset(io.Discard) // the pool holds no counts
		squeezers.Put(squeeze)
	}()
	for _, seq := range sortedKeys(lines) {
		_, _ = fmt.Fprintf(squeeze, "%d %s\n", seq, lines[seq]) // to memory
		if packed.Len() > room {
			return nil, false
		}
	}
	_ = squeeze.Close()
	if packed.Len() > room {
		return nil, false
	}
	out = append([]byte{asCounted}, strconv.Itoa(len(page))...)
	out = append(append(out, '\n'), page...)
	return append(out, packed.Bytes()...), true
}

// splitCounted undoes joinCounted; counts stay compressed, nil where there are none.
func splitCounted(raw []byte) (page, packed []byte) {
	if len(raw) == 0 || raw[0] != asCounted {
		return raw, nil
	}
	head, rest, ok := bytes.Cut(raw[1:], []byte{'\n'})
	length, err := strconv.Atoi(string(head))
	if !ok || err != nil || length < 0 || length > len(rest) {
		return nil, nil // no page: it cannot be read
	}
	return rest[:length], rest[length:]
}

// maxCountText bounds what one page's counts become when unpacked.
const maxCountText = 64 << 20

// eachCounted yields the counts of the messages behind after, up to last.
func eachCounted(packed []byte, after, last uint64, yield func(seq uint64, line string)) error {
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxCountText))
	if err != nil {
		return fmt.Errorf("unpacking counts: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		number, counts, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		seq, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return fmt.Errorf("counts begin with %q", number)
		}
		if seq > after && seq <= last {
			yield(seq, counts)
		}
	}
	return nil
}

func sortedKeys(lines map[uint64]string) []uint64 {
	keys := make([]uint64, 0, len(lines))
	for seq := range lines {
		keys = append(keys, seq)
	}
	slices.Sort(keys)
	return keys
}
