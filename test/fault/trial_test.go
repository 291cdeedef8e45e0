package fault_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is one thing that goes wrong.
type fault struct {
	name string
	does string // for people
	own  bool   // needs an Elasticsearch that it may restart or reconfigure
	root bool   // needs to be root
	crew int    // enrichers and indexers of each; 0: one
	disk int64  // NATS's folder is a disk of so many bytes, or powered
	// ownDisk faults need an Elasticsearch of its own on a disk whose power can be cut.
	ownDisk bool
	once    bool // needs a rig of its own: not part of a soak
	// deadly tells by a good event whether the fault makes a dead letter of it; nil: of none.
	deadly func(event []byte) bool
	hold   time.Duration // about how long it lasts
	limit  time.Duration // until all must be quiet; 0: quietLimit
	// prepare runs before the load; may be nil.
	prepare func(x *trial) error
	// strike injects the fault, says with x.saw what shows that it did, and returns what ends it; nil when nothing must.
	strike func(x *trial) (heal func() error, err error)
}

// trial is one run of one fault.
type trial struct {
	*rig
	fault    *fault
	seed     uint64
	rate     float64
	dice     *rand.Rand
	ctx      context.Context
	book     *book
	endpoint string
	url      string
	token    string
	poison   map[string]bool // marks of what was put into the streams by hand: each must become one dead letter

	mu       sync.Mutex
	evidence []string
	again    float64 // documents that came again
}

// saw notes what shows that the fault was real.
func (x *trial) saw(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.evidence = append(x.evidence, fmt.Sprintf(format, args...))
}

// about is a time near d, by the dice.
func (x *trial) about(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + x.dice.Float64()/2))
}

// pause waits, unless the whole thing is over.
func (x *trial) pause(d time.Duration) {
	select {
	case <-x.ctx.Done():
	case <-time.After(d):
	}
}

// Limits of one run.
const (
	quietLimit  = 4 * time.Minute
	finishLimit = 2 * time.Minute
)

// newTrial makes an endpoint for one run on a rig.
func newTrial(ctx context.Context, r *rig, f *fault, seed uint64, rate float64) (*trial, error) {
	x := &trial{rig: r, fault: f, seed: seed, rate: rate, dice: rand.New(rand.NewPCG(seed, salt(f.name))), ctx: ctx, book: newBook(), poison: map[string]bool{}}
	var err error
	if x.endpoint, x.token, err = r.newEndpoint(ctx); err != nil {
		return nil, err
	}
	x.url = "http://" + r.door.addr + "/v1/endpoints/" + x.endpoint
	return x, nil
}

// salt lets the same seed mean other things for other faults.
func salt(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum64()
}

// run is load, fault, quiet and check. Its row is whole also when an error ended it.
func (x *trial) run() row {
	begin := time.Now()
	moment := time.Duration(1500+x.dice.IntN(3000)) * time.Millisecond
	out := row{Build: x.build, Fault: x.fault.name, Seed: x.seed, Moment: moment}
	v, catchUp, err := x.steps(moment)
	if err == nil && len(x.evidence) == 0 {
		err = errors.New("the fault left no trace")
	}
	if x.again > 0 { // the load repeats events itself: this alone shows nothing
		x.saw("%.0f documents came again", x.again)
	}
	if v != nil {
		out.verdict = *v
		if err == nil && len(v.problems) > 0 {
			err = errors.New(strings.Join(v.problems, "; "))
		}
	}
	out.CatchUp, out.Took, out.Evidence, out.err = catchUp, time.Since(begin), strings.Join(x.evidence, "; "), err
	return out
}

// duplicates counts documents that were there already; a new process counts from zero.
const duplicates = `sluice_indexer_documents_total{verdict="duplicate"}`

func (x *trial) steps(moment time.Duration) (*verdict, time.Duration, error) {
	if x.fault.prepare != nil {
		if err := x.fault.prepare(x); err != nil {
			return nil, 0, fmt.Errorf("preparing: %w", err)
		}
	}
	limit := cmp.Or(x.fault.limit, quietLimit)
	seen := x.counted(duplicates)
	load, err := startLoad(x.ctx, x.book, x.url, x.token, x.rate, x.dice)
	if err != nil {
		return nil, 0, err
	}
	x.pause(moment)
	hurt := x.hurt()
	catchUp, caughtErr := x.caughtUp(x.ctx, limit)
	if caughtErr == nil {
		x.pause(x.about(2 * time.Second))
	}
	if err := errors.Join(hurt, caughtErr, load.finish(finishLimit)); err != nil {
		return nil, catchUp, err
	}
	if err := x.quiet(x.ctx, limit); err != nil {
		return nil, catchUp, err
	}
	x.again = x.counted(duplicates) - seen
	v, err := x.check(x.ctx)
	return v, catchUp, err
}

// hurt injects the fault, waits, and ends it.
func (x *trial) hurt() error {
	before := x.book.attempts()
	retries := x.retries()
	heal, err := x.fault.strike(x)
	if err == nil {
		x.pause(x.about(x.fault.hold))
	}
	if text := x.book.failures(before); text != "" {
		x.saw("sender was answered%s", text)
	}
	if n := x.retries() - retries; n > 0 {
		x.saw("indexer retries %.0f", n)
	}
	if heal != nil {
		err = errors.Join(err, heal())
	}
	if err != nil {
		return fmt.Errorf("injecting: %w", err)
	}
	return nil
}

// retries is how many bulks of all living indexers had to wait.
func (x *trial) retries() (sum float64) {
	for _, s := range x.members("indexer") {
		sum += x.metric(s.name, "sluice_indexer_retries_total")
	}
	return sum
}

// attempt runs a fault on a fresh rig, which is removed after a good run and kept after a bad one.
func attempt(t *testing.T, l *lab, f *fault, seed uint64, rate float64, dir string) row {
	t.Helper()
	r, err := newRig(t.Context(), l, dir, f.crew, f.disk, rand.New(rand.NewPCG(seed, 0x719)))
	if err != nil {
		return row{Build: l.build, Fault: f.name, Seed: seed, err: fmt.Errorf("starting the rig: %w", err)}
	}
	x, err := newTrial(t.Context(), r, f, seed, rate)
	if err != nil {
		return row{Build: l.build, Fault: f.name, Seed: seed, err: errors.Join(err, r.end())}
	}
	out := x.run()
	if err := r.end(); err != nil && out.err == nil {
		out.err = fmt.Errorf("stopping the rig: %w", err)
	}
	if out.err == nil {
		if err := l.remove(t.Context(), r.namespace); err != nil {
			t.Logf("removing the namespace of the run: %v", err)
		}
	}
	return out
}
