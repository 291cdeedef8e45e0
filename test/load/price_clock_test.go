package load_test

import (
	"testing"

	"github.com/sluicelog/sluice/test/harness"
)

func (s *scale) clock(b *testing.B) harness.Clock {
	b.Helper()
	c, err := harness.ReadClock(s.pid)
	if err != nil {
		b.Fatal(err)
	}
	return c
}
