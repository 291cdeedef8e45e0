package program

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestTheLimitLeavesTheCollectorRoom(t *testing.T) {
	for live, want := range map[uint64]int64{0: memoryGoal, 20 << 20: memoryGoal, 150 << 20: 198 << 20, 250 << 20: 316 << 20} {
		if got := memoryLimit(live); got != want {
			t.Errorf("%d MiB in use: limit %d MiB, want %d", live>>20, got>>20, want>>20)
		}
	}
}

func TestMemoryIsKeptUntilTheEndUnlessSomebodySaidOtherwise(t *testing.T) {
	usual := debug.SetMemoryLimit(-1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	debug.SetMemoryLimit(900 << 20) // as GOMEMLIMIT does
	if KeepMemory(ctx); debug.SetMemoryLimit(-1) != 900<<20 {
		t.Error("GOMEMLIMIT was overruled")
	}
	debug.SetMemoryLimit(usual)
	if KeepMemory(ctx); debug.SetMemoryLimit(-1) != memoryGoal {
		t.Errorf("the limit is %d", debug.SetMemoryLimit(-1))
	}
	much := make([]byte, 150<<20)
	runtime.GC()
	await(t, func() bool { return debug.SetMemoryLimit(-1) > int64(len(much))*6/5 })
	runtime.KeepAlive(much)
	cancel()
	await(t, func() bool { return debug.SetMemoryLimit(-1) == usual })
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("in vain; the limit is %d", debug.SetMemoryLimit(-1))
		}
		<-time.After(20 * time.Millisecond)
	}
}
