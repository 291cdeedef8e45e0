package simulator

import "math/rand/v2"

// batcher cuts a source into batches, with the repeats and the disorder that
// an at-least-once stream without order has.
type batcher struct {
	opts   StreamOptions
	source func() (Event, bool)
	sums   *tally
	rand   *rand.Rand
	late   []lateEvent
	number int
	ended  bool
}

// lateEvent waits for a later batch.
type lateEvent struct {
	event Event
	due   int
}

// next returns up to size events; none means that the source has ended and
// nothing waits any more.
func (b *batcher) next(size int) []Event {
	b.number++
	batch := b.takeLate(make([]Event, 0, size), size)
	for len(batch) < size && !b.ended {
		event, ok := b.source()
		if !ok {
			b.ended = true
			break
		}
		b.sums.taken()
		batch = b.place(batch, event)
	}
	if b.ended {
		batch = b.takeLate(batch, size)
	}
	return batch
}

// place adds an event to the batch, or holds it back, and may hold back a
// repeat of it as well. What is held back is bounded by a few batches.
func (b *batcher) place(batch []Event, event Event) []Event {
	if b.chance(b.opts.DuplicateShare) {
		b.hold(event)
		b.sums.repeated()
	}
	if b.chance(b.opts.DisorderShare) && len(b.late) < 4*b.opts.Batch {
		b.hold(event)
		b.sums.heldBack()
		return batch
	}
	return append(batch, event)
}

func (b *batcher) chance(share float64) bool {
	return share > 0 && b.rand.Float64() < share
}

func (b *batcher) hold(event Event) {
	b.late = append(b.late, lateEvent{event: event, due: b.number + 1 + b.rand.IntN(3)})
}

// takeLate moves what is due to the batch; at the end of the source everything is.
func (b *batcher) takeLate(batch []Event, size int) []Event {
	rest := b.late[:0]
	for _, held := range b.late {
		if len(batch) < size && (b.ended || held.due <= b.number) {
			batch = append(batch, held.event)
		} else {
			rest = append(rest, held)
		}
	}
	b.late = rest
	return batch
}

// abandon counts what never left when the stream was stopped.
func (b *batcher) abandon() {
	b.sums.abandoned(len(b.late))
}
