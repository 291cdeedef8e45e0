package simulator

import "fmt"

// Shape is one of the forms in which a delivery can carry its events.
type Shape string

// The shapes of a delivery.
const (
	// Lines has one event on each line: Auth0's "JSON Lines".
	Lines Shape = "lines"
	// Array is a list of events: Auth0's "JSON Array".
	Array Shape = "array"
	// Object wraps the list as {"logs":[…]}: Auth0's "JSON Object".
	Object Shape = "object"
	// Single is one event without anything around it.
	Single Shape = "single"
)

// Shapes names every shape, in the order in which people choose.
func Shapes() []Shape {
	return []Shape{Lines, Array, Object, Single}
}

// ParseShape reads a shape's name: lines, array, object or single.
func ParseShape(name string) (Shape, error) {
	for _, shape := range Shapes() {
		if string(shape) == name {
			return shape, nil
		}
	}
	return "", fmt.Errorf("reading shape %q: choose lines, array, object or single", name)
}

// Body returns the bytes of a delivery. Several events as Single come one per
// line, since that is what several bare events are.
func Body(shape Shape, events []Event) []byte {
	size := len(`{"logs":[]}`)
	for i := range events {
		size += len(events[i].JSON) + 1
	}
	return appendBody(make([]byte, 0, size), shape, events)
}

func appendBody(b []byte, shape Shape, events []Event) []byte {
	var opening, between, closing string
	switch shape {
	case Lines:
		between, closing = "\n", "\n"
	case Array:
		opening, between, closing = "[", ",", "]"
	case Object:
		opening, between, closing = `{"logs":[`, ",", "]}"
	case Single:
		between = "\n"
	}
	b = append(b, opening...)
	for i := range events {
		if i > 0 {
			b = append(b, between...)
		}
		b = append(b, events[i].JSON...)
	}
	return append(b, closing...)
}
