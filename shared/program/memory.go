package program

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// What a process of ours is kept within, in bytes. Left alone, the garbage collector lets it become twice as large as what
// is in use, and blocks of the streams that an embedded NATS server may let go of count as in use until it looks.
const (
	memoryGoal = 160 << 20
	memoryRoom = 32 << 20 // for garbage, at least
	memoryRest = 16 << 20 // stacks and what else is not collected
)

// memoryLook is how often the goal is compared with what is in use.
const memoryLook = time.Second

// KeepMemory makes the garbage collector keep this process small until ctx ends, unless GOMEMLIMIT says what is wanted.
// What is really needed, with large settings or many namespaces, is not refused: the limit stays a fifth above it, since
// a collector without room to work would do nothing else.
func KeepMemory(ctx context.Context) {
	if debug.SetMemoryLimit(-1) != math.MaxInt64 { // the runtime has read that, or this was called before
		return
	}
	before := debug.SetMemoryLimit(memoryGoal)
	go func() {
		defer debug.SetMemoryLimit(before)
		tick := time.NewTicker(memoryLook)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				debug.SetMemoryLimit(memoryLimit(inUse()))
			case <-ctx.Done():
				return
			}
		}
	}()
}

// memoryLimit is the limit for a heap of which live bytes are in use.
func memoryLimit(live uint64) int64 {
	return max(memoryGoal, int64(live+max(live/5, memoryRoom))+memoryRest)
}

// inUse is what the last collection found in use, in bytes.
func inUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
