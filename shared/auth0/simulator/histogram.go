package simulator

import (
	"math"
	"math/bits"
	"time"
)

const (
	fineBits = 7 // each power of two is cut into 128 parts
	fine     = 1 << fineBits
)

// histogram counts durations in constant memory, so that a run of any length
// has its percentiles. A duration is found again within one part in 128.
type histogram struct {
	counts [(64 - fineBits) * fine]uint64
	total  uint64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[slot(uint64(d))]++
	h.total++
	h.max = max(h.max, d)
}

// percentile is the nearest rank: the smallest duration that at least p of a
// hundred do not exceed.
func (h *histogram) percentile(p float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := max(1, uint64(math.Ceil(p/100*float64(h.total))))
	var seen uint64
	for i, count := range h.counts {
		if seen += count; seen >= rank {
			return min(h.max, time.Duration(top(i)))
		}
	}
	return h.max
}

// slot is exact below 256 and keeps eight leading bits above.
func slot(value uint64) int {
	shift := max(0, bits.Len64(value)-fineBits-1)
	return shift*fine + int(value>>shift)
}

// top is the largest value in a slot.
func top(slot int) uint64 {
	if slot < 2*fine {
		return uint64(slot)
	}
	shift := slot/fine - 1
	return uint64(slot-shift*fine+1)<<shift - 1
}
