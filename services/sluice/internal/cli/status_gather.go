package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/stream"
)

// overview is the whole on one page.
type overview struct {
	At          time.Time     `json:"at"`
	Endpoints   []listed      `json:"endpoints"`
	Streams     []streamLine  `json:"streams"`
	DeadLetters letterHeap    `json:"dead_letters"`
	Losses      []lossLine    `json:"losses"`
	Ledger      stream.Ledger `json:"ledger"`
	Todo        []task        `json:"to_do"`
	Unknown     []string      `json:"unknown,omitempty"` // what could not be found out, and why
}

// streamLine is one stream.
type streamLine struct {
	Name       string     `json:"name"`
	Messages   uint64     `json:"messages"`
	Bytes      uint64     `json:"bytes"`
	MaxBytes   int64      `json:"max_bytes"`
	Unfinished uint64     `json:"unfinished_bytes"`
	Growth     float64    `json:"growth_bytes_per_second"`
	FullIn     *float64   `json:"full_in_seconds,omitempty"` // nil: it does not grow
	Swept      time.Time  `json:"janitor_seen,omitzero"`
	Blocked    string     `json:"blocked,omitempty"`
	Waits      []consumer `json:"consumers"`
}

// consumer is who must finish messages of a stream.
type consumer struct {
	Name   string    `json:"name"`
	Open   uint64    `json:"open"` // messages
	Oldest time.Time `json:"oldest_stored,omitzero"`
}

// letterHeap is what was set aside.
type letterHeap struct {
	Letters  uint64        `json:"letters"`
	Bytes    uint64        `json:"bytes"`
	MaxBytes int64         `json:"max_bytes"`
	Oldest   time.Time     `json:"oldest_stored,omitzero"`
	Reasons  []reasonCount `json:"reasons"`
}

type reasonCount struct {
	Stage  string    `json:"stage"`
	Reason string    `json:"reason"`
	Count  int       `json:"count"`
	Newest time.Time `json:"newest_first_seen"`
}

// lossLine is what was lost of one stream.
type lossLine struct {
	Stream   string    `json:"stream"`
	Messages uint64    `json:"messages"`
	First    time.Time `json:"stored_after,omitzero"` // the earliest time from which something is lost
	Noticed  time.Time `json:"noticed"`
}

// gatherer looks; what is costly to find out it remembers as long as it cannot have changed.
type gatherer struct {
	*Session
	heap    deadletter.Heap
	reasons []reasonCount
}

// lookTime bounds one question of a look.
const lookTime = 5 * time.Second

// overview asks everybody. What does not answer is named in Unknown, and costs the page nothing else.
func (g *gatherer) overview(ctx context.Context, now time.Time) *overview {
	o := &overview{At: now.UTC(), Endpoints: []listed{}, Streams: []streamLine{}, Losses: []lossLine{}, Todo: []task{}, DeadLetters: letterHeap{Reasons: []reasonCount{}}}
	ask := func(what string, question func(context.Context) error) {
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		if err := question(ctx); err != nil {
			o.Unknown = append(o.Unknown, fmt.Sprintf("%s: %v", what, err))
		}
	}
	ask("endpoints", func(ctx context.Context) error { return g.endpoints(ctx, o, now) })
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		ask("stream "+name, func(ctx context.Context) error { return g.stream(ctx, o, name) })
	}
	ask("dead letters", func(ctx context.Context) error { return g.letters(ctx, o) })
	ask("losses", func(ctx context.Context) error { return g.losses(ctx, o) })
	ask("ledger", func(ctx context.Context) (err error) {
		o.Ledger, err = g.Conn.Ledger(ctx)
		return err
	})
	o.decide(now)
	limit, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	if err := g.Elastic.Ready(limit); err != nil && ctx.Err() == nil {
		o.must("elasticsearch", err.Error(), "start it, or see what `sluice doctor` says; until it answers everything waits in the streams")
	}
	return o
}

func (g *gatherer) endpoints(ctx context.Context, o *overview, now time.Time) error {
	all, err := g.Registry.List(ctx)
	if err != nil {
		return err
	}
	sights, err := g.Board.ReadAll(ctx)
	for _, e := range all {
		o.Endpoints = append(o.Endpoints, listing(e, sights[e.ID], now))
	}
	return err
}

func (g *gatherer) stream(ctx context.Context, o *overview, name string) error {
	state, err := g.Conn.State(ctx, name)
	if err != nil {
		return err
	}
	budget, err := g.Conn.Budget(ctx, name)
	if err != nil {
		return err
	}
	line := streamLine{Name: name, Messages: state.Messages, Bytes: state.Bytes, MaxBytes: state.MaxBytes, Unfinished: budget.Unfinished, Growth: budget.Growth, Waits: []consumer{}}
	if left, grows := budget.FullIn(); grows {
		seconds := left.Seconds()
		line.FullIn = &seconds
	}
	if line.Swept, err = g.Conn.Swept(ctx, name); err != nil {
		return err
	}
	if err := g.Conn.Blocked(ctx, name); err != nil {
		line.Blocked = err.Error()
	}
	line.Waits, err = g.consumers(ctx, name)
	o.Streams = append(o.Streams, line)
	return err
}

// consumers says for each who must finish messages how many wait, and since when.
func (g *gatherer) consumers(ctx context.Context, name string) ([]consumer, error) {
	all := []consumer{}
	names, err := g.Conn.Consumers(ctx, name)
	if err != nil {
		return all, err
	}
	for _, durable := range slices.DeleteFunc(names, passing) {
		p, err := g.Conn.Progress(ctx, name, durable)
		if err != nil {
			return all, err
		}
		c := consumer{Name: durable, Open: p.Waiting + uint64(max(p.InFlight, 0))}
		if c.Oldest, err = g.Conn.Oldest(ctx, name, durable); err != nil {
			return all, err
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(x, y consumer) int { return strings.Compare(x.Name, y.Name) })
	return all, nil
}

// letters counts by reason; nothing is read again while the box is as it was.
func (g *gatherer) letters(ctx context.Context, o *overview) error {
	heap, err := g.Letters.Heap(ctx)
	if err != nil {
		return err
	}
	o.DeadLetters = letterHeap{Letters: heap.Letters, Bytes: heap.Bytes, MaxBytes: heap.MaxBytes, Oldest: heap.Oldest, Reasons: []reasonCount{}}
	if heap != g.heap || g.reasons == nil {
		if g.reasons, err = g.countReasons(ctx); err != nil {
			g.reasons = nil
			return err
		}
		g.heap = heap
	}
	o.DeadLetters.Reasons = g.reasons
	return nil
}

func (g *gatherer) countReasons(ctx context.Context) ([]reasonCount, error) {
	known := map[[2]string]*reasonCount{}
	for l, err := range g.Letters.Headers(ctx) {
		if err != nil {
			return nil, err
		}
		key := [2]string{l.Stage, l.Reason}
		if known[key] == nil {
			known[key] = &reasonCount{Stage: l.Stage, Reason: l.Reason}
		}
		r := known[key]
		r.Count++
		if l.FirstSeen.After(r.Newest) {
			r.Newest = l.FirstSeen
		}
	}
	all := []reasonCount{}
	for _, r := range known {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(x, y reasonCount) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Reason, y.Reason))
	})
	return all, nil
}

func (g *gatherer) losses(ctx context.Context, o *overview) error {
	all, err := g.Conn.Losses(ctx)
	if err != nil {
		return err
	}
	byStream := map[string]*lossLine{}
	for _, l := range all {
		line := byStream[l.Stream]
		if line == nil {
			line = &lossLine{Stream: l.Stream, First: l.After}
			byStream[l.Stream] = line
		}
		line.Messages += l.Count()
		line.Noticed = l.Noticed // they are sorted by it
		if l.After.Before(line.First) {
			line.First = l.After
		}
	}
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		if line := byStream[name]; line != nil {
			o.Losses = append(o.Losses, *line)
		}
	}
	return nil
}
