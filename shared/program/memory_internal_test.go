package program

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

func TestTheLimitLeavesTheCollectorRoom(t *testing.T) {
	for live, want := range map[uint64]int64{0: memoryGoal, 20 << 20: memoryGoal, 150 << 20: 198 << 20, 250 << 20: 316 << 20} {
		if got := memoryLimit(live); got != want {
			t.Errorf("%d MiB in use: limit %d MiB, want %d", live>>20, got>>20, want>>20)
		}
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// unlimited is a container without a limit.
func unlimited() (uint64, error) { return 0, memlimit.ErrNoLimit }

func TestMemoryIsKeptUntilTheEndUnlessSomebodySaidOtherwise(t *testing.T) {
	usual := debug.SetMemoryLimit(-1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	debug.SetMemoryLimit(900 << 20) // as GOMEMLIMIT does
	if most := keepMemory(ctx, quiet(), memlimit.Limit(500<<20)); debug.SetMemoryLimit(-1) != 900<<20 || most != 900<<20 {
		t.Errorf("GOMEMLIMIT was overruled: %d", most)
	}
	debug.SetMemoryLimit(usual)
	if most := keepMemory(ctx, quiet(), unlimited); debug.SetMemoryLimit(-1) != memoryGoal || most != 0 {
		t.Errorf("the limit is %d of %d", debug.SetMemoryLimit(-1), most)
	}
	much := make([]byte, 150<<20)
	runtime.GC()
	await(t, func() bool { return debug.SetMemoryLimit(-1) > int64(len(much))*6/5 })
	runtime.KeepAlive(much)
	cancel()
	await(t, func() bool { return debug.SetMemoryLimit(-1) == usual })
}

func TestAContainersLimitIsTheMost(t *testing.T) {
	usual := debug.SetMemoryLimit(-1)
	ctx, cancel := context.WithCancel(t.Context())
	const container, ours = 200 << 20, 160 << 20
	if most := keepMemory(ctx, quiet(), memlimit.Limit(container)); most != ours {
		t.Errorf("%d MiB of 200 are ours", most>>20)
	}
	much := make([]byte, 170<<20)
	runtime.GC()
	<-time.After(2 * memoryLook) // that it does not rise cannot be polled
	if got := debug.SetMemoryLimit(-1); got != ours {
		t.Errorf("the limit rose to %d MiB", got>>20)
	}
	runtime.KeepAlive(much)
	cancel()
	await(t, func() bool { return debug.SetMemoryLimit(-1) == usual })
}

func TestAPartOfAContainerIsNotOurs(t *testing.T) {
	for container, want := range map[uint64]int64{64: 32, 128: 88, 256: 216, 512: 460, 1024: 921} {
		if got := allowed(t.Context(), quiet(), memlimit.Limit(container<<20)) >> 20; got != want {
			t.Errorf("of %d MiB %d are ours, want %d", container, got, want)
		}
	}
}

func TestALimitThatCannotBeReadIsSaid(t *testing.T) {
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	for _, none := range []error{memlimit.ErrNoLimit, memlimit.ErrNoCgroup, memlimit.ErrCgroupsNotSupported} {
		if most := allowed(t.Context(), log, func() (uint64, error) { return 0, none }); most != 0 || said.Len() > 0 {
			t.Errorf("%v: %d %s", none, most, &said)
		}
	}
	if most := allowed(t.Context(), log, func() (uint64, error) { return 0, errors.New("memory.max is no number") }); most != 0 {
		t.Errorf("a limit of %d from nowhere", most)
	}
	if !strings.Contains(said.String(), "set GOMEMLIMIT") || !strings.Contains(said.String(), "memory.max is no number") {
		t.Errorf("said: %s", &said)
	}
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
