package load_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
)

// madeEvents is how many different events the deliveries to a fake sink hold: more are the same once again. It does not
// remember them, and the caches of places and devices have long seen all that a tenant has.
const madeEvents = 20_000

// made are bodies of n events, spread over so many days up to an hour ago. With more than one, each delivery has events of
// any of them, as no sender would: it is the hardest case.
func made(n, days int) [][]byte {
	span := time.Duration(max(days-1, 0))*24*time.Hour + time.Minute
	different := min(n, madeEvents)
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: 1, Name: "load", Start: time.Now().Add(-span - time.Hour), Step: span / time.Duration(different)})
	events := make([][]byte, different)
	for i := range events {
		events[i] = tenant.Next().JSON
	}
	if days > 1 {
		rand.New(rand.NewPCG(1, 1)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	}
	var all [][]byte
	for first := 0; first < different; first += loadBatch {
		all = append(all, append(bytes.Join(events[first:min(first+loadBatch, different)], []byte{'\n'}), '\n'))
	}
	for i := 0; len(all) < n/loadBatch; i++ {
		all = append(all, all[i])
	}
	return all
}

// count is the number of events in bodies.
func count(bodies [][]byte) (n int) {
	for _, body := range bodies {
		n += bytes.Count(body, []byte{'\n'})
	}
	return n
}

func TestMadeEventsAreOfAsManyDaysAsAskedFor(t *testing.T) {
	t.Parallel()
	for _, days := range []int{1, 10, 200} {
		bodies, seen := made(2*madeEvents, days), map[string]bool{}
		for line := range bytes.SplitSeq(bytes.Join(bodies, nil), []byte{'\n'}) {
			if _, date, ok := bytes.Cut(line, []byte(`"date":"`)); ok {
				seen[string(date[:10])] = true
			}
		}
		if n := count(bodies); n != 2*madeEvents || len(seen) < days*9/10 || len(seen) > days*11/10+2 {
			t.Errorf("%d events of %d days, %d of %d asked for", n, len(seen), 2*madeEvents, days)
		}
	}
}
