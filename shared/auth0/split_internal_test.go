package auth0

import (
	"fmt"
	"strings"
	"testing"
)

// Bytes are counted and not seconds: the bound holds on a busy machine, too.
func TestElementsThatNeverCloseCostBoundedEffort(t *testing.T) {
	var body strings.Builder
	body.WriteByte('[')
	for i := range 1100 {
		fmt.Fprintf(&body, `{"x":{"y":1,{"log_id":"id%d","data":{"type":"s"}},%s`, i, strings.Repeat(" ", 28<<10))
	}
	body.WriteString(`{"log_id":"last","data":{"type":"s"}}]`)
	var good, broken int
	s := splitter{body: []byte(body.String()), line: 1, yield: func(e Element) bool {
		if e.Broken != nil {
			broken++
		} else {
			good++
		}
		return true
	}}
	s.budget = effort(s.body)
	s.run()
	if limit := 40 * body.Len(); s.looked > limit {
		t.Fatalf("%d MB were looked at for a body of %d MB, at most %d wanted", s.looked>>20, body.Len()>>20, limit>>20)
	}
	if good < MaxBroken-1 || broken < MaxBroken {
		t.Fatalf("%d events and %d broken pieces came out", good, broken)
	}
}
