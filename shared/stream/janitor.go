package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

// ErrBlocked says that nothing may be purged before somebody has put the stream's consumers right.
var ErrBlocked = errors.New("nothing can be purged")

// Janitor makes room in a stream. It purges what is finished, but keeps a replay margin. Finished is what every message
// has a counted verdict for, and what the consumers have acknowledged: the server skips a message that it cannot read
// without a word, and its acknowledgements then go on behind it. A message that is missing in the count gets a second
// look; one that cannot be read is reported as lost, so that it does not hold up the rest for ever. Any number of
// janitors may run for a stream; one of them acts at a time.
type Janitor struct {
	conn   *Conn
	stream string
	margin time.Duration
	holder string
	epoch  string // of the stream that is remembered below
	lease  *lease
	marks  []mark
	holes  int
	wept   time.Time // when it was last written to the log that no room is made
	sighed time.Time // when a second look was last found to have no worker, or nothing to look at
	saved  time.Time
	failed time.Time // since when every round has failed
	mended mending

	gaps map[uint64]gap
	head time.Time // when messages were first found missing at the stream's beginning
	tail time.Time // the same at its end
	lost []Loss    // of this stream; nil: not read yet
	old  map[string]aged

	mu      sync.Mutex
	inboxes map[string]*Inbox // by consumer
	gauges  gauges
	samples []sample
}

// mark remembers up to where everything was finished at a moment.
type mark struct {
	at    time.Time
	floor uint64
}

// round is what one sweep knows.
type round struct {
	now     time.Time
	state   State
	book    *book
	account account
	floors  floors
	counted *sequence.Set // every sequence behind the account that has a verdict or is lost
}

// janitorPeriod is the time between two rounds.
const janitorPeriod = 5 * time.Second

// NewJanitor returns a janitor for Deliveries or Documents. Finished messages stay for margin, as long as the stream is
// less than half full.
func (c *Conn) NewJanitor(stream string, margin time.Duration) *Janitor {
	return &Janitor{conn: c, stream: stream, margin: margin, holder: newID(), inboxes: map[string]*Inbox{}}
}

// Attach names an inbox of this process whose workers give second looks to the messages of its consumer.
func (j *Janitor) Attach(in *Inbox) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.inboxes[in.durable] = in
}

// Run sweeps until ctx ends.
func (j *Janitor) Run(ctx context.Context) error {
	tick := time.NewTicker(janitorPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			j.lease.release(ctx)
			return nil
		case now := <-tick.C:
			_ = j.Sweep(ctx, now) // it says itself what is wrong
		}
	}
}

// Sweep does one round as of now, unless another janitor has this stream. The error is ErrBlocked when somebody must act
// before anything can be purged. What is wrong is written to the log, too, at most once a minute.
func (j *Janitor) Sweep(ctx context.Context, now time.Time) error {
	err := j.sweep(ctx, now)
	if ctx.Err() != nil {
		return err
	}
	mendErr := j.mend(ctx, now, err != nil)
	j.complain(ctx, now, err)
	return errors.Join(err, mendErr)
}

// stuckTime is how long rounds may fail, as they do while NATS is away, before that is an alarm.
const stuckTime = time.Minute

// complain writes to the log, not too often, and to the metrics that no room is made.
func (j *Janitor) complain(ctx context.Context, now time.Time, err error) {
	if err == nil {
		j.failed = time.Time{}
	} else if j.failed.IsZero() {
		j.failed = now
	}
	stuck := errors.Is(err, ErrBlocked) || err != nil && now.Sub(j.failed) >= stuckTime
	j.mu.Lock()
	j.gauges.blocked = stuck
	j.mu.Unlock()
	switch {
	case stuck && now.Sub(j.wept) >= time.Minute:
		j.wept = now
		j.conn.log.ErrorContext(ctx, "no room is made in the stream", "stream", j.stream, "error", err)
	case err != nil && j.failed.Equal(now) && !stuck:
		j.conn.log.WarnContext(ctx, "making room in the stream; it is tried again", "stream", j.stream, "error", err)
	}
}

func (j *Janitor) sweep(ctx context.Context, now time.Time) error {
	state, err := j.conn.State(ctx, j.stream)
	if err != nil {
		return err
	}
	j.noteHoles(ctx, state)
	r := &round{now: now, state: state}
	if r.book, err = j.conn.openBook(ctx, j.stream, state); err != nil {
		return err
	}
	if j.epoch != r.book.epoch { // the stream was made anew: what was lost or finished in the old one says nothing of it
		j.epoch, j.holes = r.book.epoch, 0
		j.forget()
	}
	if r.account, err = r.book.account(ctx); err != nil {
		return err
	}
	j.measure(r)
	if j.lease == nil {
		j.lease = &lease{bucket: r.book.bucket, key: j.stream + ".lease", holder: j.holder}
	}
	mine, err := j.lease.take(ctx, now)
	j.lead(mine)
	if err != nil || !mine {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, leaseTime*2/3) // whoever takes the lease next shall not meet us
	defer cancel()
	required, err := j.conn.required(ctx, j.stream)
	if err != nil {
		return err
	}
	if r.floors, err = j.conn.floors(ctx, j.stream, state.Last, required); err != nil {
		return err
	}
	if err := j.count(ctx, r); err != nil {
		return err
	}
	return j.purge(ctx, r)
}

// lead notes whether this janitor acts. One that does not has nothing to remember: another one may have acted meanwhile.
func (j *Janitor) lead(mine bool) {
	j.mu.Lock()
	j.gauges.leads = mine
	j.mu.Unlock()
	if !mine {
		j.forget()
	}
}

// forget drops what was remembered of a stream.
func (j *Janitor) forget() {
	j.gaps, j.head, j.tail, j.lost, j.old, j.marks = nil, time.Time{}, time.Time{}, nil, nil, nil
}

func (j *Janitor) noteHoles(ctx context.Context, state State) {
	if state.Holes > j.holes {
		j.conn.log.ErrorContext(ctx, "messages are missing in the middle of the stream: a block of its files is damaged; those that were not finished are reported as lost",
			"stream", j.stream, "missing", state.Holes)
	}
	j.holes = state.Holes
}

// count brings the account up to date: as far as every message is finished or lost.
func (j *Janitor) count(ctx context.Context, r *round) error {
	known, err := j.knownLosses(ctx, r)
	if err != nil {
		return err
	}
	counted, leaves, err := r.book.verdicts(ctx, j.conn.log)
	if err != nil {
		return err
	}
	for _, l := range known {
		if l.To > r.account.Covered && !l.Cut {
			counted.AddRange(max(l.From, r.account.Covered+1), l.To)
		}
	}
	r.counted = counted
	before := r.account
	r.account.Covered = max(before.Covered, min(counted.Prefix(before.Covered), r.state.Last))
	if err := j.mindGaps(ctx, r); err != nil {
		return err
	}
	r.account.Last = max(r.account.Last, r.state.Last)
	j.addUp(ctx, r, before.Covered, leaves)
	if err := j.save(ctx, r, before); err != nil {
		return err
	}
	return j.tidy(ctx, r, leaves)
}

// save stores the account when it says more than before; that the stream has grown can wait.
func (j *Janitor) save(ctx context.Context, r *round, before account) error {
	due := r.now.Sub(j.saved) >= accountPeriod && (r.account.Growth != 0 || r.account.Last != before.Last)
	if r.account.Covered == before.Covered && r.account.Last >= before.Last && !due {
		return nil
	}
	if err := r.book.save(ctx, &r.account); err != nil {
		return err
	}
	j.saved = r.now
	return nil
}

// accountPeriod is how often the measurements are stored while nothing gets finished.
const accountPeriod = 30 * time.Second

// purge removes what may go. The account that says so is stored already: a sequence that is gone without having been
// accounted for is a loss.
func (j *Janitor) purge(ctx context.Context, r *round) error {
	target := j.target(r.now, min(r.floors.lowest, r.account.Covered), r.state)
	if target < r.state.First {
		return nil
	}
	s, err := j.conn.js.Stream(ctx, j.stream)
	if err != nil {
		return fmt.Errorf("looking at stream %s: %w", j.stream, classify(err))
	}
	if last, err := s.GetMsg(ctx, target); err == nil {
		r.account.PurgedTime = last.Time
		if err := r.book.save(ctx, &r.account); err != nil {
			return err
		}
	}
	if err := s.Purge(ctx, jetstream.WithPurgeSequence(target+1)); err != nil {
		return fmt.Errorf("purging %s up to %d: %w", j.stream, target, classify(err))
	}
	j.conn.log.DebugContext(ctx, "made room in the stream", slog.String("stream", j.stream), slog.Uint64("up_to", target))
	return nil
}

// target is the last sequence that may go: finished for the whole margin, or finished at all when room is short.
func (j *Janitor) target(now time.Time, floor uint64, state State) uint64 {
	j.marks = append(j.marks, mark{now, floor})
	old := -1
	for i, m := range j.marks {
		if now.Sub(m.at) >= j.margin {
			old = i
		}
	}
	target := uint64(0)
	if old >= 0 {
		target = j.marks[old].floor
		j.marks = append(j.marks[:0], j.marks[old:]...)
	}
	if state.MaxBytes > 0 && state.Bytes > uint64(state.MaxBytes)/2 {
		return floor
	}
	return min(target, floor) // an acknowledgement may have been taken back by a crash
}
