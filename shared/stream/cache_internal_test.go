package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	return NewCacheBound((room+cacheOthers)*8/7, func() uint64 { return 0 })
}

func TestABurstIsSlowedToWhatTheCacheMayHold(t *testing.T) {
	const room = 64 << 20
	for name, classes := range map[string][]bool{"plain": {false}, "bulk": {true}, "both": {false, true}} {
		for _, message := range []int{2 << 10, 64 << 10, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				b, l := roomFor(room), &lately{}
				burst(t, b, l, classes, message)
				t.Logf("%s, messages of %d bytes: at most %.2f of the room held, %.2f at last, the longest wait %v", name, message, float64(l.most)/room, float64(l.sum)/room, l.longest)
				if l.most > room || l.sum < room*6/10 {
					t.Errorf("%s, messages of %d bytes: of %d at most %d were held, and %d at last", name, message, room, l.most, l.sum)
				}
				if l.longest > time.Duration(len(classes))*6*time.Second || b.waited < time.Minute {
					t.Errorf("%s, messages of %d bytes: one waited %v, all %v", name, message, l.longest, b.waited)
				}
				time.Sleep(cacheSlots*cacheSlot + cacheSlot)
				if b.forget(time.Now()); b.held != 0 {
					t.Errorf("%.0f bytes are held for ever", b.held)
				}
			})
		}
	}
}

// burst has eight senders of each class at work for a while.
func burst(t *testing.T, b *CacheBound, l *lately, classes []bool, message int) {
	t.Helper()
	end := time.Now().Add(45 * time.Second)
	var all sync.WaitGroup
	for _, bulk := range classes {
		for range 8 {
			all.Go(func() {
				for begin := time.Now(); begin.Before(end); begin = time.Now() {
					if err := b.await(t.Context(), message, bulk, slog.New(slog.DiscardHandler)); err != nil {
						t.Error(err)
					}
					l.add(begin, message)
					time.Sleep(50 * time.Microsecond) // what a sync takes at least
				}
			})
		}
	}
	all.Wait()
}

func TestABulkBurstHoldsUpNoPlainMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := roomFor(32<<20), slog.New(slog.DiscardHandler)
		end := time.Now().Add(time.Minute)
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				for time.Now().Before(end) {
					_ = b.await(t.Context(), 512<<10, true, log)
				}
			})
		}
		var longest time.Duration
		for time.Now().Before(end) {
			begin := time.Now()
			if err := b.await(t.Context(), 10<<10, false, log); err != nil {
				t.Error(err)
			}
			longest = max(longest, time.Since(begin))
			time.Sleep(100 * time.Millisecond)
		}
		all.Wait()
		if longest > 500*time.Millisecond {
			t.Errorf("a plain message of 10 KiB waited %v behind the bulk class", longest)
		}
	})
}

func TestTheRoomIsWhatIsLeft(t *testing.T) {
	for _, c := range []struct{ memory, inUse, held, room int64 }{ // MiB
		{64, 30, 0, 32}, {205, 30, 0, 115}, {205, 120, 40, 99}, {205, 200, 80, 59}, {205, 300, 80, 32}, {410, 150, 100, 294}, {2048, 100, 0, 1692},
	} {
		b := NewCacheBound(c.memory<<20, func() uint64 { return uint64(c.inUse) << 20 })
		b.held, b.others, b.seen = float64(c.held)*(1<<20), 0, 0
		if b.measure(1); int64(b.room)>>20 != c.room {
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
		inUse = 1
		if room := look(); room > most-200<<20 {
			t.Errorf("the room is %.0f of %.0f at once", room, most)
		}
		inUse = 300 << 20
		look()
		time.Sleep(time.Minute) // without another collection
		if room := look(); room != most {
			t.Errorf("after a minute the room is %.0f of %.0f", room, most)
		}
	})
}

func TestWhatComesSlowlyDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := roomFor(64 << 20)
		for range 1000 {
			if err := b.await(t.Context(), 64<<10, true, nil); err != nil { // it would say so if it waited
				t.Fatal(err)
			}
			time.Sleep(30 * time.Millisecond)
		}
		if b.waited != 0 {
			t.Errorf("waited %v at 2 MiB a second", b.waited)
		}
		time.Sleep(time.Minute)
		for range 240 {
			if err := b.await(t.Context(), 64<<10, true, nil); err != nil {
				t.Fatal(err)
			}
		}
		if b.waited != 0 {
			t.Errorf("waited %v for less than a quarter of the room", b.waited)
		}
	})
}

func TestAWaitThatEndsEarlyTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		b, log := roomFor(32<<20), slog.New(slog.NewTextHandler(&said, nil))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		for range 2 { // the first fits into a quarter of the room, the second goes because nothing is owed
			if err := b.await(ctx, 8<<20, true, log); err != nil || b.waited > 0 {
				t.Fatalf("a message with room waited %v: %v %s", b.waited, err, &said)
			}
		}
		ctx, cancel = context.WithTimeout(t.Context(), publishTry+100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		for range 3 {
			err := b.await(ctx, 8<<20, true, log)
			if !errors.Is(err, ErrAway) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "GOMEMLIMIT") {
				t.Errorf("the error is %v", err)
			}
		}
		if took := time.Since(begin); took != 100*time.Millisecond || b.waited != took {
			t.Errorf("waited %v, and %v were counted; the time of an attempt is to be left", took, b.waited)
		}
		if b.held != 16<<20 || len(b.bulk.gate) > 0 {
			t.Errorf("%.0f bytes are held, and %d hold the gate", b.held, len(b.bulk.gate))
		}
		if lines := strings.Count(said.String(), "\n"); lines != 1 || !strings.Contains(said.String(), "raise GOMEMLIMIT") {
			t.Errorf("said: %s", &said)
		}
	})
}

func TestWhatWasNotStoredTakesNoRoom(t *testing.T) {
	b := roomFor(64 << 20)
	for _, err := range []error{ErrFull, ErrExists, ErrTooLarge, ErrDenied} {
		if !unstored(Receipt{}, fmt.Errorf("publishing: %w", err)) {
			t.Errorf("%v counts as stored", err)
		}
	}
	if unstored(Receipt{}, ErrAway) || unstored(Receipt{}, nil) || !unstored(Receipt{Duplicate: true}, nil) {
		t.Error("a message without an answer may be stored, one with a receipt is, a duplicate is not")
	}
	if err := b.await(t.Context(), 1000, false, nil); err != nil {
		t.Fatal(err)
	}
	if b.unspend(1000); b.held != 0 {
		t.Errorf("%.0f bytes are held", b.held)
	}
	if b.unspend(1000); b.held != 0 {
		t.Errorf("%.0f bytes are held, less than nothing", b.held)
	}
}

func TestWithoutABoundNobodyWaits(t *testing.T) {
	var b *CacheBound
	if err := b.await(t.Context(), 1<<30, true, nil); err != nil {
		t.Fatal(err)
	}
}

func TestTheBoundTellsWhatItHolds(t *testing.T) {
	b := NewCacheBound(144<<20, func() uint64 { return 0 })
	if err := b.await(t.Context(), 1000, true, nil); err != nil {
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
