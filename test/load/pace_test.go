package load_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"
)

// pacers is how many deliveries of a paced load may be under way. More than that wait, and their latency counts that.
const pacers = 64

// slot is a moment at which something is to be sent.
type slot struct {
	n  int
	at time.Time
}

// paced holds what a paced load saw, shortest first. Latencies run from the moment at which a thing was to be sent,
// whenever it was: a server that stands still is not spared what was meant to come meanwhile.
type paced struct {
	latencies []time.Duration
	late      []time.Duration // from that moment until it was sent: the sender's own part, and the wait for a free one
}

// pace does n things at a fixed schedule, rate of them a second, whatever becomes of those before. It ends early with ctx.
func pace(ctx context.Context, rate float64, n int, do func(worker, n int) error) (paced, error) {
	slots := make(chan slot, n)
	go schedule(ctx, rate, n, slots)
	var seen [pacers]paced
	failed := make([]error, pacers)
	var wg sync.WaitGroup
	for i := range pacers {
		wg.Go(func() {
			for s := range slots {
				seen[i].late = append(seen[i].late, time.Since(s.at))
				if err := do(i, s.n); err != nil {
					failed[i] = err
					return
				}
				seen[i].latencies = append(seen[i].latencies, time.Since(s.at))
			}
		})
	}
	wg.Wait()
	var all paced
	for _, p := range seen {
		all.latencies, all.late = append(all.latencies, p.latencies...), append(all.late, p.late...)
	}
	slices.Sort(all.latencies)
	slices.Sort(all.late)
	return all, errors.Join(failed...)
}

// schedule hands out the slots when their time has come. It has a thread of its own, because the timers of Go come up to
// a millisecond late when nothing else happens.
func schedule(ctx context.Context, rate float64, n int, slots chan<- slot) {
	defer close(slots)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := time.Now()
	for i := range n {
		at := begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
		if wait := time.Until(at); wait > 0 {
			nap(wait)
		}
		if ctx.Err() != nil {
			return
		}
		slots <- slot{i, at}
	}
}

// postPaced posts at a fixed schedule: n deliveries, the bodies in turn. A sender connects when it is first needed, because
// receivers close a connection on which nothing comes.
func postPaced(ctx context.Context, target, token string, bodies [][]byte, rate float64, n int) (paced, error) {
	var wires [pacers]*wire
	defer func() {
		for _, w := range wires {
			if w != nil {
				_ = w.conn.Close()
			}
		}
	}()
	return pace(ctx, rate, n, func(worker, n int) (err error) {
		if wires[worker] == nil {
			if wires[worker], err = dialWire(target, token); err != nil {
				return err
			}
		}
		return wires[worker].post(bodies[n%len(bodies)])
	})
}
