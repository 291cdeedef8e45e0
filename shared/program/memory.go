package program

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
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

// What is not ours of a container's memory: the program itself, pages of files that it reads and what the kernel holds for its
// connections are in there, too.
const (
	containerRest  = 40 << 20
	containerShare = 10 // a tenth, where that is more
)

// KeepMemory makes the garbage collector keep this process small until ctx ends, unless GOMEMLIMIT says what is wanted.
// What is really needed, with large settings or many namespaces, is not refused: the limit stays a fifth above it, since
// a collector without room to work would do nothing else. But it goes no higher than nine tenths of the container's memory
// and 40 MiB below it; a container of less than 80 MiB leaves half.
//
// It returns what the process may use in bytes, by GOMEMLIMIT, else by its container; 0: neither says.
func KeepMemory(ctx context.Context, log *slog.Logger) (most int64) {
	return keepMemory(ctx, log, memlimit.FromCgroup)
}

func keepMemory(ctx context.Context, log *slog.Logger, container memlimit.Provider) (most int64) {
	before := debug.SetMemoryLimit(-1)
	if before != math.MaxInt64 { // the runtime has read that; one call in a process, or the second takes the first one's goal for it
		return before
	}
	most = allowed(ctx, log, container)
	limit := func(live uint64) int64 {
		if l := memoryLimit(live); most == 0 || l < most {
			return l
		}
		return most
	}
	debug.SetMemoryLimit(limit(0))
	go func() {
		defer debug.SetMemoryLimit(before)
		tick := time.NewTicker(memoryLook)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				debug.SetMemoryLimit(limit(InUse()))
			case <-ctx.Done():
				return
			}
		}
	}()
	return most
}

// allowed is our part of the container's memory, 0 without a container or a limit.
func allowed(ctx context.Context, log *slog.Logger, container memlimit.Provider) int64 {
	bytes, err := container()
	switch {
	case errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported):
		return 0
	case err != nil:
		log.WarnContext(ctx, "the memory limit of this container cannot be read; set GOMEMLIMIT to nine tenths of it, and 40MiB less than it at least", "error", err)
		return 0
	}
	all := int64(min(bytes, math.MaxInt64-1))
	return max(all-max(all/containerShare, containerRest), all/2)
}

// memoryLimit is the limit for a heap of which live bytes are in use.
func memoryLimit(live uint64) int64 {
	return max(memoryGoal, int64(live+max(live/5, memoryRoom))+memoryRest)
}

// InUse is what the last collection found in use, in bytes.
func InUse() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
