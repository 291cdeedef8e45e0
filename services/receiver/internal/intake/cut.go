package intake

import (
	"encoding/json"

	"github.com/sluicelog/sluice/shared/auth0"
)

// part is a piece of a body that fits a message: an array of whole events, or a fragment.
type part struct {
	body     []byte
	first    int    // number of its first event in the whole body
	fragment string // why it cannot become documents; empty for an array
}

// cut makes parts of at most size bytes out of a plain body, between its events, and gives each one away. What cannot
// stand in an array becomes a part of its own, which the enricher sets aside: a broken element, which might swallow its
// neighbours, and an event that is larger than size. The same body is always cut in the same way. A body of white space
// is one empty part. After auth0.MaxBroken parts of that kind the rest of the body stays together, so that a body of
// nothing but rubbish does not become a million messages.
func cut(body []byte, size int, each func(part) error) error {
	c := cutter{size: size, each: each}
	for e := range auth0.Split(body) {
		why := c.unfit(e)
		if why == "" {
			if err := c.join(e); err != nil {
				return err
			}
			continue
		}
		raw := e.Raw
		if c.broken++; c.broken > auth0.MaxBroken {
			raw = body[e.At:]
		}
		if err := c.fragments(raw, e.Index, why); err != nil || c.broken > auth0.MaxBroken {
			return err
		}
	}
	if c.array == nil && !c.given {
		return each(part{})
	}
	return c.flush()
}

// cutter gathers elements until an array is full.
type cutter struct {
	size   int
	each   func(part) error
	array  []byte
	first  int
	broken int
	given  bool
}

// unfit says why an element cannot stand in an array of at most size bytes; empty when it can.
func (c *cutter) unfit(e auth0.Element) string {
	switch {
	case e.Broken != nil:
		return e.Broken.Error()
	case len(e.Raw)+2 > c.size:
		return TooLarge.Name
	case !json.Valid(e.Raw):
		return auth0.ErrNotJSON.Error()
	}
	return ""
}

func (c *cutter) join(e auth0.Element) error {
	if len(c.array)+len(e.Raw)+2 > c.size {
		if err := c.flush(); err != nil {
			return err
		}
	}
	opening := byte(',')
	if c.array == nil {
		opening, c.first = '[', e.Index
	}
	c.array = append(append(c.array, opening), e.Raw...)
	return nil
}

// flush gives the array away, if there is one.
func (c *cutter) flush() error {
	if c.array == nil {
		return nil
	}
	full := part{body: append(c.array, ']'), first: c.first}
	c.array = nil
	return c.give(full)
}

func (c *cutter) fragments(raw []byte, index int, why string) error {
	if err := c.flush(); err != nil {
		return err
	}
	for len(raw) > 0 {
		n := min(len(raw), c.size)
		if err := c.give(part{body: raw[:n], first: index, fragment: why}); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return nil
}

func (c *cutter) give(p part) error {
	c.given = true
	return c.each(p)
}
