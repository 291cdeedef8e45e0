package stream

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// lately is what was published in the last ten seconds, and the most that it ever was.
type lately struct {
	mu        sync.Mutex
	at        []time.Time
	bytes     []int
	sum, most int
	longest   time.Duration
}

func (l *lately) add(begin time.Time, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.at, l.bytes, l.sum = append(l.at, now), append(l.bytes, n), l.sum+n
	for now.Sub(l.at[0]) > 10*time.Second {
		l.sum -= l.bytes[0]
		l.at, l.bytes = l.at[1:], l.bytes[1:]
	}
	l.most, l.longest = max(l.most, l.sum), max(l.longest, now.Sub(begin))
}

// roomFor is a bound whose room is so many bytes.
func roomFor(room int64) *CacheBound {
	return NewCacheBound((room+cacheOthers)*cacheGarbage/(cacheGarbage-1), func() uint64 { return 0 })
}

func TestABurstIsSlowedToWhatTheCacheMayHold(t *testing.T) {
	for _, message := range []int{2 << 10, 64 << 10, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			const room, senders = 64 << 20, 8
			b, l := roomFor(room), &lately{}
			end := time.Now().Add(2 * time.Minute)
			var all sync.WaitGroup
			for range senders {
				all.Go(func() {
					for begin := time.Now(); begin.Before(end); begin = time.Now() {
						if err := b.await(t.Context(), message, slog.New(slog.DiscardHandler)); err != nil {
							t.Error(err)
						}
						l.add(begin, message)
						time.Sleep(50 * time.Microsecond) // what a sync takes at least
					}
				})
			}
			all.Wait()
			t.Logf("messages of %d bytes: at most %.2f of the room held, %.2f at last, the longest wait %v", message, float64(l.most)/room, float64(l.sum)/room, l.longest)
			if l.most > room || l.sum < room*6/10 {
				t.Errorf("messages of %d bytes: of %d at most %d were held, and %d at last", message, room, l.most, l.sum)
			}
			if l.longest > 5*time.Second {
				t.Errorf("messages of %d bytes: one waited %v", message, l.longest)
			}
			if waited := b.waited; waited < time.Minute {
				t.Errorf("all together waited %v", waited)
			}
			time.Sleep(cacheSlots*cacheSlot + cacheSlot)
			if b.forget(time.Now()); b.held != 0 {
				t.Errorf("%.0f bytes are held for ever", b.held)
			}
		})
	}
}

func TestTheRoomIsWhatIsLeft(t *testing.T) {
	for _, c := range []struct{ memory, inUse, held, room int64 }{ // MiB
		{64, 30, 0, 32}, {205, 30, 0, 115}, {205, 120, 40, 99}, {205, 200, 80, 59}, {205, 300, 80, 32}, {410, 150, 100, 294}, {2048, 100, 0, 1692},
	} {
		b := NewCacheBound(c.memory<<20, func() uint64 { return uint64(c.inUse) << 20 })
		b.held, b.others = float64(c.held)*(1<<20), 0
		if b.measure(); int64(b.room)>>20 != c.room {
			t.Errorf("%+v: the room is %.1f MiB", c, b.room/(1<<20))
		}
	}
}

func TestWhatElseIsInUseIsForgottenSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inUse := uint64(0)
		b := NewCacheBound(512<<20, func() uint64 { return inUse })
		most := b.room
		look := func() float64 {
			time.Sleep(cacheSlot)
			b.forget(time.Now())
			return b.room
		}
		inUse = 300 << 20
		if room := look(); room > most-200<<20 {
			t.Errorf("the room is %.0f of %.0f", room, most)
		}
		inUse = 0
		if room := look(); room > most-200<<20 {
			t.Errorf("the room is %.0f of %.0f at once", room, most)
		}
		for range 60 {
			look()
		}
		if b.room != most {
			t.Errorf("the room stays %.0f of %.0f", b.room, most)
		}
	})
}

func TestWhatComesSlowlyDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := roomFor(64 << 20)
		for range 1000 {
			if err := b.await(t.Context(), 64<<10, nil); err != nil { // it would say so if it waited
				t.Fatal(err)
			}
			time.Sleep(30 * time.Millisecond)
		}
		if b.waited != 0 {
			t.Errorf("waited %v at 2 MiB a second", b.waited)
		}
	})
}

func TestAWaitThatEndsEarlyTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		b, log := roomFor(32<<20), slog.New(slog.NewTextHandler(&said, nil))
		if err := b.await(t.Context(), 8<<20, log); err != nil || said.Len() > 0 {
			t.Fatalf("the first of all waited: %v %s", err, &said)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for range 3 {
			err := b.await(ctx, 8<<20, log)
			if !errors.Is(err, ErrAway) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "GOMEMLIMIT") {
				t.Errorf("the error is %v", err)
			}
		}
		if b.held != 8<<20 || len(b.gate) > 0 {
			t.Errorf("%.0f bytes are held, and %d hold the gate", b.held, len(b.gate))
		}
		if lines := strings.Count(said.String(), "\n"); lines != 1 || !strings.Contains(said.String(), "raise GOMEMLIMIT") {
			t.Errorf("said: %s", &said)
		}
	})
}

func TestWithoutABoundNobodyWaits(t *testing.T) {
	var b *CacheBound
	if err := b.await(t.Context(), 1<<30, nil); err != nil {
		t.Fatal(err)
	}
}

func TestTheBoundTellsWhatItHolds(t *testing.T) {
	b := NewCacheBound(144<<20, func() uint64 { return 0 })
	if err := b.await(t.Context(), 1000, nil); err != nil {
		t.Fatal(err)
	}
	const want = `
# HELP sluice_stream_cache_bytes Bytes that the NATS server in this process keeps in memory of what was stored lately, about.
# TYPE sluice_stream_cache_bytes gauge
sluice_stream_cache_bytes 1000
# HELP sluice_stream_cache_max_bytes Bytes that it may keep, by the memory limit of this process; beyond them messages wait.
# TYPE sluice_stream_cache_max_bytes gauge
sluice_stream_cache_max_bytes 6.5011712e+07
`
	if err := testutil.CollectAndCompare(b, strings.NewReader(want), "sluice_stream_cache_bytes", "sluice_stream_cache_max_bytes"); err != nil {
		t.Error(err)
	}
}
