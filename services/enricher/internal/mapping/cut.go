package mapping

import (
	"bytes"

	"github.com/sluicelog/sluice/shared/auth0"
)

// cut parts what stays in details, once the moved members are out, in what can be indexed and what cannot.
func (d *detail) cut(object []byte) {
	again := detail{}
	left := []byte{'{'}
	for key, value := range members(object) {
		if !again.move(key, value) {
			left = appendKeyed(left, key, value)
		}
	}
	c := cutter{}
	d.kept, d.aside = c.cut(append(left, '}'), 0)
}

// cutter parts what can be indexed from what cannot; it counts what it has let in.
type cutter struct{ leaves int }

// cutDepth is how many levels of details are looked at to leave out as little as possible.
const cutDepth = 4

// cut parts an object that lies so deep in details; aside is nil when all of it can be indexed. A member goes aside as a
// whole, unless it is an object of which a part may stay.
func (c *cutter) cut(object []byte, depth int) (kept, aside []byte) {
	kept, aside = []byte{'{'}, []byte{'{'}
	for key, value := range members(object) {
		refused := len(key) > maxKey || bytes.Contains(key, []byte(`\u0000`))
		x := auth0.Measure(value)
		x.Leaves += c.leaves
		x.Depth += depth
		switch {
		case !refused && bearable(&x):
			c.leaves = x.Leaves
			kept = appendKeyed(kept, key, value)
		case !refused && value[0] == '{' && depth < cutDepth:
			in, out := c.cut(value, depth+1)
			kept = appendKeyed(kept, key, in)
			if out != nil {
				aside = appendKeyed(aside, key, out)
			}
		default:
			aside = appendKeyed(aside, key, value)
		}
	}
	if len(aside) == 1 {
		return append(kept, '}'), nil
	}
	return append(kept, '}'), append(aside, '}')
}

// appendKeyed adds a member to an object that is being written.
func appendKeyed(b, key, value []byte) []byte {
	if len(b) > 1 {
		b = append(b, ',')
	}
	b = append(append(append(b, '"'), key...), `":`...)
	return appendValue(b, value)
}
