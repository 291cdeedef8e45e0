package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// gap is a sequence without a counted verdict, although some consumer has come further.
type gap struct {
	since time.Time // when it was noticed, offered for a second look, or found waiting for its own consumer
	owner string    // that consumer; empty while nobody has looked
	blank bool      // the last look could not read it
}

const (
	// gapPatience is how long a verdict may be on its way before the message is looked up.
	gapPatience = 30 * time.Second
	// maxGaps bounds the memory for gaps, maxLooks the messages that are looked up in a round, maxRead their bytes.
	maxGaps  = 20_000
	maxLooks = 1000
	maxRead  = 16 << 20
	// maxRuns bounds the losses that are written in a round; the rest comes in the next one.
	maxRuns = 100
	// neighbours is how far to look for a message that can be read beside a lost one.
	neighbours = 64
)

// run is some sequences in a row.
type run struct{ from, to uint64 }

// extend adds a sequence behind those in runs.
func extend(runs []run, seq uint64) []run {
	if n := len(runs); n > 0 && runs[n-1].to+1 == seq {
		runs[n-1].to = seq
		return runs
	}
	return append(runs, run{seq, seq})
}

// mindGaps looks up what has been missing in the count for a while: what can be read gets a second look, the rest is
// lost and counts as accounted for.
func (j *Janitor) mindGaps(ctx context.Context, r *round) error {
	if err := j.loseTail(ctx, r); err != nil {
		return err
	}
	lost := j.missingHead(r)
	known := j.gaps
	j.gaps = map[uint64]gap{}
	s, err := j.conn.js.Stream(ctx, j.stream)
	if err != nil {
		return fmt.Errorf("looking at stream %s: %w", j.stream, classify(err))
	}
	looks, read := maxLooks, 0
	for seq := range r.counted.Gaps(max(r.account.Covered, r.state.gone()), min(r.floors.highest, r.state.Last)) {
		if len(j.gaps) == maxGaps {
			break
		}
		g, ok := known[seq]
		if !ok || g.owner != "" && seq > r.floors.done[g.owner] { // new, or it waits for its own consumer
			g.since = r.now
		}
		if r.now.Sub(g.since) >= gapPatience && looks > 0 && read < maxRead {
			looks--
			size, gone, err := j.look(ctx, r, s, seq, &g)
			if err != nil {
				return err
			}
			if read += size; gone {
				lost = extend(lost, seq)
			}
		}
		j.gaps[seq] = g
	}
	return j.lose(ctx, r, lost)
}

// missingHead is what has been gone from the stream's beginning for a while, although it was never accounted for: this
// janitor did not purge it.
func (j *Janitor) missingHead(r *round) []run {
	if r.account.Covered >= r.state.gone() {
		j.head = time.Time{}
		return nil
	}
	if j.head.IsZero() {
		j.head = r.now
	}
	if r.now.Sub(j.head) < gapPatience {
		return nil
	}
	var lost []run
	for seq := range r.counted.Gaps(r.account.Covered, r.state.gone()) {
		lost = extend(lost, seq)
	}
	return lost
}

// loseTail writes down what has been gone from the stream's end for a while: its files were cut off. New messages get the
// sequences of the old ones, so that these do not count as accounted for.
func (j *Janitor) loseTail(ctx context.Context, r *round) error {
	if r.state.Last >= r.account.Last {
		j.tail = time.Time{}
		return nil
	}
	if j.tail.IsZero() {
		j.tail = r.now
	}
	if r.now.Sub(j.tail) < gapPatience {
		return nil
	}
	var lost []run
	for seq := range r.counted.Gaps(max(r.account.Covered, r.state.Last), r.account.Last) {
		lost = extend(lost, seq)
	}
	for _, one := range lost {
		l := Loss{Stream: j.stream, From: one.from, To: one.to, Noticed: j.tail.UTC(), Cut: true}
		if err := j.note(ctx, r, &l); err != nil {
			return err
		}
	}
	r.account.Last = r.state.Last
	return nil
}

// look finds out what a gap is, and returns how much it read; gone when the message cannot be read.
func (j *Janitor) look(ctx context.Context, r *round, s jetstream.Stream, seq uint64, g *gap) (size int, gone bool, err error) {
	raw, err := s.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, j.unreadable(ctx, r, seq, g), nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("reading %s %d: %w", j.stream, seq, classify(err))
	}
	size, g.blank, g.owner = len(raw.Data), false, consumerOf(raw.Subject)
	if seq > r.floors.done[g.owner] { // it waits, behind one of another consumer that is further
		g.since = r.now
		return size, false, nil
	}
	j.secondLook(ctx, r, raw, g)
	return size, false, nil
}

// unreadable reports whether a message that cannot be read is gone for good. A server whose disk fails for a while says
// the same of all it has, but lets no consumer pass then: what a consumer may still come to is not given up, nor is
// anything at the first look.
func (j *Janitor) unreadable(ctx context.Context, r *round, seq uint64, g *gap) bool {
	if g.blank && seq <= r.floors.lowest {
		return true
	}
	if !g.blank && r.now.Sub(j.sighed) >= time.Minute {
		j.sighed = r.now
		j.conn.log.WarnContext(ctx, "a message without a verdict cannot be read; the next look decides", "stream", j.stream, "sequence", seq)
	}
	g.since, g.blank = r.now, true
	return false
}

// secondLook gives a message to a worker that the server counts as finished.
func (j *Janitor) secondLook(ctx context.Context, r *round, raw *jetstream.RawStreamMsg, g *gap) {
	seq := raw.Sequence
	j.mu.Lock()
	in := j.inboxes[g.owner]
	j.mu.Unlock()
	if in == nil && r.now.Sub(j.sighed) >= time.Minute {
		j.sighed = r.now
		j.conn.log.WarnContext(ctx, "a message needs a second look, but nobody here works for its consumer; nothing behind it is purged", "stream", j.stream, "sequence", seq, "consumer", g.owner)
	}
	if in == nil || !in.recheck(rawStored(raw)) {
		return // no worker yet, or no room: next round
	}
	g.since = r.now
	j.mu.Lock()
	j.gauges.looks++
	j.mu.Unlock()
	j.conn.log.InfoContext(ctx, "a message has no counted verdict and gets a second look", "stream", j.stream, "sequence", seq, "consumer", g.owner)
}

// lose writes down what is lost and raises the alarm; from then on it counts as accounted for.
func (j *Janitor) lose(ctx context.Context, r *round, lost []run) error {
	for _, one := range lost[:min(len(lost), maxRuns)] {
		l := Loss{Stream: j.stream, From: one.from, To: one.to, Noticed: r.now.UTC()}
		if err := j.note(ctx, r, &l); err != nil {
			return err
		}
		r.counted.AddRange(l.From, l.To)
	}
	r.account.Covered = max(r.account.Covered, min(r.counted.Prefix(r.account.Covered), max(r.state.Last, r.account.Covered)))
	return nil
}

// note writes one loss down and raises the alarm.
func (j *Janitor) note(ctx context.Context, r *round, l *Loss) error {
	if err := j.surround(ctx, r, l); err != nil {
		return err
	}
	if err := j.conn.writeLoss(ctx, r.book, *l); err != nil {
		return err
	}
	j.conn.log.ErrorContext(ctx, "messages are lost: the server cannot read them, and nobody had finished them; let Auth0 send that time again, with a new log stream whose Starting Cursor lies before it",
		"stream", j.stream, "from_sequence", l.From, "to_sequence", l.To, "messages", l.Count(), "stored_after", l.After, "stored_before", l.Before)
	j.lost = append(j.lost, *l)
	j.countLost()
	return nil
}

// surround finds when the messages beside lost ones were stored.
func (j *Janitor) surround(ctx context.Context, r *round, l *Loss) error {
	s, err := j.conn.js.Stream(ctx, j.stream)
	if err != nil {
		return fmt.Errorf("looking at stream %s: %w", j.stream, classify(err))
	}
	at := func(seq uint64) (time.Time, error) {
		raw, err := s.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return time.Time{}, nil
		}
		if err != nil {
			return time.Time{}, fmt.Errorf("reading %s %d: %w", j.stream, seq, classify(err))
		}
		return raw.Time.UTC(), nil
	}
	for seq := l.From - 1; seq >= r.state.First && seq+neighbours >= l.From && l.After.IsZero(); seq-- {
		if l.After, err = at(seq); err != nil {
			return err
		}
	}
	if l.After.IsZero() {
		l.After = r.account.PurgedTime.UTC()
	}
	for seq := max(l.To+1, r.state.First); seq <= min(r.state.Last, max(l.To, r.state.First)+neighbours) && l.Before.IsZero(); seq++ {
		if l.Before, err = at(seq); err != nil {
			return err
		}
	}
	return nil
}

// knownLosses reads the losses of this stream once and then remembers them.
func (j *Janitor) knownLosses(ctx context.Context, r *round) ([]Loss, error) {
	if j.lost == nil {
		all, err := j.conn.losses(ctx, r.book.stream+"."+r.book.epoch+".*")
		if err != nil {
			return nil, err
		}
		j.lost = append([]Loss{}, all...)
		j.countLost()
	}
	return j.lost, nil
}

func (j *Janitor) countLost() {
	total := uint64(0)
	for _, l := range j.lost {
		total += l.Count()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gauges.lost = total
}
