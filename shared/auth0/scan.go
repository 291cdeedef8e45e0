package auth0

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays of an event may lie in one another.
const MaxDepth = 100

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// skipSpace returns the place of the first byte from at that is no white space.
func skipSpace(b []byte, at int) int {
	for at < len(b) && isSpace(b[at]) {
		at++
	}
	return at
}

func indexOrEnd(b []byte, c byte) int {
	if i := bytes.IndexByte(b, c); i >= 0 {
		return i
	}
	return len(b)
}

// The same byte eight times over, and the bits that say of each of eight bytes whether something is true.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special marks the bytes among eight that end a plain run of a string: quote, backslash, control characters. Only its
// lowest mark is exact; those above it may be false.
func special(w uint64) uint64 {
	quote, slash := w^(ones*'"'), w^(ones*'\\')
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w) & highs
}

// PlainRun returns the place of the first byte from at that is special in a JSON string, a quote, a backslash or a control
// character; len(b) when there is none. Strings are most of an event, so it looks at eight bytes at a time.
func PlainRun(b []byte, at int) int {
	for ; at+8 <= len(b); at += 8 {
		if marks := special(binary.LittleEndian.Uint64(b[at:])); marks != 0 {
			return at + bits.TrailingZeros64(marks)/8
		}
	}
	for at < len(b) && b[at] >= 0x20 && b[at] != '"' && b[at] != '\\' {
		at++
	}
	return at
}

// skipString returns the place behind the string that begins at at.
func skipString(b []byte, at int) (end int, ok bool) {
	for i := PlainRun(b, at+1); i < len(b); i = PlainRun(b, i+1) {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1, true
		}
	}
	return len(b), false
}

// skipValue returns the place behind the value at at by matching quotes and brackets only; what is between them may
// still be no JSON. ok is false when the value does not end or its brackets do not match.
func skipValue(b []byte, at int) (end int, ok bool) {
	if at >= len(b) {
		return at, false
	}
	switch b[at] {
	case '"':
		return skipString(b, at)
	case '{', '[':
		return skipNested(b, at)
	}
	i := at
	for i < len(b) && b[i] != ',' && b[i] != ']' && b[i] != '}' && !isSpace(b[i]) {
		i++
	}
	return i, i > at
}

// skipNested matches brackets with a stack of bits: 1 for an object, 0 for an array. Nesting deeper than the stack is
// matched by count alone; it is refused later anyway.
func skipNested(b []byte, at int) (end int, ok bool) {
	var stack [4]uint64
	const limit = 64 * len(stack)
	depth := 0
	for i := at; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			end, ok := skipString(b, i)
			if !ok {
				return end, false
			}
			i = end - 1
		case '{', '[':
			if depth < limit {
				bit := uint64(1) << (depth % 64)
				if c == '{' {
					stack[depth/64] |= bit
				} else {
					stack[depth/64] &^= bit
				}
			}
			depth++
		case '}', ']':
			depth--
			if depth < limit && (stack[depth/64]>>(depth%64)&1 == 1) != (c == '}') {
				return i, false
			}
			if depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(b), false
}

// Extent is how much a JSON value holds, as far as a field that it becomes has to bear it.
type Extent struct {
	Leaves int  // values that are neither objects nor arrays
	Depth  int  // objects and arrays in one another
	Key    int  // bytes of the longest key, with its quotes
	NUL    bool // a text or a key has the character 0 in it
}

// Measure returns what a JSON value holds that Parse has found valid.
func Measure(value []byte) (x Extent) {
	_, _ = checkValue(value, 0, 0, &x)
	return x
}

// valid checks that b is exactly one JSON value of bearable depth in valid UTF-8.
func valid(b []byte) error {
	end, err := checkValue(b, skipSpace(b, 0), 0, &Extent{})
	if err != nil {
		return err
	}
	if skipSpace(b, end) != len(b) {
		return ErrNotJSON
	}
	if !utf8.Valid(b) {
		return ErrInvalidUTF8
	}
	return nil
}

// checkValue returns the place behind the JSON value at at, or why there is none. It does not look at UTF-8. What the value
// holds is added to x; depth counts what the value lies in, and so does x.Depth.
func checkValue(b []byte, at, depth int, x *Extent) (int, error) {
	if at >= len(b) {
		return at, ErrNotJSON
	}
	switch c := b[at]; c {
	case '{':
		return checkObject(b, at, depth+1, x)
	case '[':
		return checkArray(b, at, depth+1, x)
	case '"':
		x.Leaves++
		return checkString(b, at, x)
	case 't':
		x.Leaves++
		return checkWord(b, at, "true")
	case 'f':
		x.Leaves++
		return checkWord(b, at, "false")
	case 'n':
		x.Leaves++
		return checkWord(b, at, "null")
	default:
		x.Leaves++
		return checkNumber(b, at)
	}
}

func checkWord(b []byte, at int, word string) (int, error) {
	if len(b)-at < len(word) || string(b[at:at+len(word)]) != word {
		return at, ErrNotJSON
	}
	return at + len(word), nil
}

// deeper notes an object or an array that lies depth deep.
func (x *Extent) deeper(depth int) error {
	x.Depth = max(x.Depth, depth)
	if depth > MaxDepth {
		return ErrTooDeep
	}
	return nil
}

func checkObject(b []byte, at, depth int, x *Extent) (int, error) {
	if err := x.deeper(depth); err != nil {
		return at, err
	}
	at = skipSpace(b, at+1)
	if at < len(b) && b[at] == '}' {
		return at + 1, nil
	}
	for {
		end, from, err := checkKey(b, at, x)
		if err != nil {
			return end, err
		}
		if end, err = checkValue(b, from, depth, x); err != nil {
			return end, err
		}
		at = skipSpace(b, end)
		switch {
		case at < len(b) && b[at] == ',':
			at = skipSpace(b, at+1)
		case at < len(b) && b[at] == '}':
			return at + 1, nil
		default:
			return at, ErrNotJSON
		}
	}
}

// checkKey returns the place behind the key at at, and that of its value.
func checkKey(b []byte, at int, x *Extent) (end, from int, err error) {
	if at >= len(b) || b[at] != '"' {
		return at, at, ErrNotJSON
	}
	if end, err = checkString(b, at, x); err != nil {
		return end, end, err
	}
	x.Key = max(x.Key, end-at)
	colon := skipSpace(b, end)
	if colon >= len(b) || b[colon] != ':' {
		return colon, colon, ErrNotJSON
	}
	return end, skipSpace(b, colon+1), nil
}

func checkArray(b []byte, at, depth int, x *Extent) (int, error) {
	if err := x.deeper(depth); err != nil {
		return at, err
	}
	at = skipSpace(b, at+1)
	if at < len(b) && b[at] == ']' {
		return at + 1, nil
	}
	for {
		end, err := checkValue(b, at, depth, x)
		if err != nil {
			return end, err
		}
		at = skipSpace(b, end)
		switch {
		case at < len(b) && b[at] == ',':
			at = skipSpace(b, at+1)
		case at < len(b) && b[at] == ']':
			return at + 1, nil
		default:
			return at, ErrNotJSON
		}
	}
}

// checkString returns the place behind the string at at, or why it is none. Most strings are short and plain, so the first
// eight bytes are looked at here: a call for each took a tenth of the walk.
func checkString(b []byte, at int, x *Extent) (int, error) {
	from := at + 1
	if from+8 <= len(b) {
		marks := special(binary.LittleEndian.Uint64(b[from:]))
		if marks == 0 {
			return checkRest(b, from+8, x)
		}
		if end := from + bits.TrailingZeros64(marks)/8; b[end] == '"' {
			return end + 1, nil
		}
	}
	return checkRest(b, from, x)
}

// checkRest is checkString from a place inside of the string.
func checkRest(b []byte, from int, x *Extent) (int, error) {
	for i := PlainRun(b, from); i < len(b); i = PlainRun(b, i+1) {
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c < 0x20:
			return i, ErrNotJSON
		case c == '\\':
			i++
			if i >= len(b) {
				return i, ErrNotJSON
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if !hex4(b, i+1) {
					return i, ErrNotJSON
				}
				x.NUL = x.NUL || string(b[i+1:i+5]) == "0000"
				i += 4
			default:
				return i, ErrNotJSON
			}
		}
	}
	return len(b), ErrNotJSON
}

func hex4(b []byte, at int) bool {
	if len(b)-at < 4 {
		return false
	}
	for _, c := range b[at : at+4] {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}

func checkNumber(b []byte, at int) (int, error) {
	i := at
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := digits(b, i)
	if whole == i || b[i] == '0' && whole > i+1 {
		return i, ErrNotJSON
	}
	i = whole
	if i < len(b) && b[i] == '.' {
		fraction := digits(b, i+1)
		if fraction == i+1 {
			return i, ErrNotJSON
		}
		i = fraction
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exponent := digits(b, i)
		if exponent == i {
			return i, ErrNotJSON
		}
		i = exponent
	}
	return i, nil
}

// digits returns the place behind the digits at at.
func digits(b []byte, at int) int {
	for at < len(b) && b[at] >= '0' && b[at] <= '9' {
		at++
	}
	return at
}
