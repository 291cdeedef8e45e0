package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Janitor makes room in a stream: it purges what every required consumer has acknowledged, but keeps a replay margin.
// A message that some required consumer has not finished is never purged; when a required consumer is missing nothing is.
type Janitor struct {
	conn   *Conn
	stream string
	margin time.Duration
	marks  []mark
	holes  int
}

// mark remembers up to where everything was finished at a moment.
type mark struct {
	at    time.Time
	floor uint64
}

// janitorPeriod is the time between two rounds.
const janitorPeriod = 5 * time.Second

// NewJanitor returns a janitor for Deliveries or Documents. Finished messages stay for margin, as long as the stream is
// less than half full.
func (c *Conn) NewJanitor(stream string, margin time.Duration) *Janitor {
	return &Janitor{conn: c, stream: stream, margin: margin}
}

// Run sweeps until ctx ends.
func (j *Janitor) Run(ctx context.Context) error {
	tick := time.NewTicker(janitorPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := j.Sweep(ctx, now); err != nil && ctx.Err() == nil {
				j.conn.log.WarnContext(ctx, "making room in the stream", "stream", j.stream, "error", err)
			}
		}
	}
}

// Sweep does one round as of now.
func (j *Janitor) Sweep(ctx context.Context, now time.Time) error {
	state, err := j.conn.State(ctx, j.stream)
	if err != nil {
		return err
	}
	if state.Holes > j.holes {
		j.conn.log.ErrorContext(ctx, "messages are missing in the middle of the stream: a block of its files is damaged", "stream", j.stream, "missing", state.Holes)
	}
	j.holes = state.Holes
	floor, err := j.finished(ctx, state)
	if err != nil {
		return err
	}
	target := j.target(now, floor, state)
	if target < state.First {
		return nil
	}
	s, err := j.conn.js.Stream(ctx, j.stream)
	if err != nil {
		return fmt.Errorf("looking at stream %s: %w", j.stream, classify(err))
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
	return target
}

// finished is the sequence up to which every required consumer has acknowledged everything. It relies on acknowledgements
// alone: how much a consumer has waiting is counted late, so a message that was stored a moment ago may not be in it.
func (j *Janitor) finished(ctx context.Context, state State) (uint64, error) {
	required, err := j.required(ctx)
	if err != nil {
		return 0, err
	}
	s, err := j.conn.js.Stream(ctx, j.stream)
	if err != nil {
		return 0, fmt.Errorf("looking at stream %s: %w", j.stream, classify(err))
	}
	floor := state.Last
	for _, name := range required {
		p, err := j.conn.Progress(ctx, j.stream, name)
		if err != nil {
			return 0, err
		}
		last, err := s.GetLastMsgForSubject(ctx, subjectOf(name))
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound): // nothing to read
		case err != nil:
			return 0, fmt.Errorf("looking for the last message on %s of %s: %w", subjectOf(name), j.stream, classify(err))
		case last.Sequence > p.Done:
			floor = min(floor, p.Done)
		}
	}
	return floor, nil
}

// subjectOf is what a required consumer reads.
func subjectOf(consumer string) string {
	if namespace, ok := strings.CutPrefix(consumer, indexerPrefix); ok {
		return SubjectDocuments(namespace)
	}
	return SubjectDeliveries
}

// required lists the consumers without whose acknowledgement nothing may go. Messages that nobody would ever read are
// an error: they wait for somebody to look.
func (j *Janitor) required(ctx context.Context) ([]string, error) {
	if j.stream == Deliveries {
		return []string{Enricher}, nil
	}
	names, err := j.conn.Consumers(ctx, j.stream)
	if err != nil {
		return nil, err
	}
	reads := map[string]bool{}
	var required []string
	for _, name := range names {
		if ns, ok := strings.CutPrefix(name, indexerPrefix); ok {
			reads[SubjectDocuments(ns)] = true
			required = append(required, name)
		}
	}
	s, err := j.conn.js.Stream(ctx, j.stream)
	if err != nil {
		return nil, fmt.Errorf("looking at stream %s: %w", j.stream, classify(err))
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		return nil, fmt.Errorf("listing subjects of %s: %w", j.stream, classify(err))
	}
	for subject := range info.State.Subjects {
		if !reads[subject] {
			return nil, fmt.Errorf("stream %s holds messages on %s that no consumer reads: run `sluice setup`", j.stream, subject)
		}
	}
	return required, nil
}
