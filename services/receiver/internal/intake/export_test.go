package intake

// Part is a part of a body as Cut gives it away.
type Part struct {
	Body     []byte
	First    int
	Fragment string
}

// Cut opens cut to the tests.
func Cut(body []byte, size int) []Part {
	var all []Part
	_ = cut(body, size, func(p part) error {
		all = append(all, Part{p.body, p.first, p.fragment})
		return nil
	})
	return all
}
