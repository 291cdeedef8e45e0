package bulk

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// maxIdle is how many rounds without any progress a batch keeps its worker while others could be written. There are few
// workers per namespace: without a bound some batches with documents of one blocked index would stop all others.
const maxIdle = 3

// How long messages stay away that were put off, from the first time to the most.
const (
	minAway = 5 * time.Second
	maxAway = time.Minute
	spread  = 0.25 // part of the time that is left to chance, lest all come back at once
)

// allBlocked reports whether no document waits for the cluster as a whole.
func allBlocked(docs []*document) bool {
	return len(docs) > 0 && !slices.ContainsFunc(docs, func(d *document) bool { return !d.blocked })
}

// mark says of documents why they wait.
func mark(docs []*document, blocked bool) {
	for _, d := range docs {
		d.blocked = blocked
	}
}

// putOff gives messages back whose open documents cannot be written for now. Those of their documents that are done are
// duplicates next time. One throw for all: what went together comes back together, and fits one request again.
func (w *Writer) putOff(ctx context.Context, docs []*document) {
	chance := 1 + spread*rand.Float64()
	count := giveBack(docs, func(m *stream.Message) time.Duration { return time.Duration(float64(away(m.Delivered)) * chance) })
	w.alarm.Log(ctx, slog.LevelWarn, "put off", "messages go back to the stream for a while: their index takes no documents",
		slog.String("index", docs[0].index), slog.Int("documents", len(docs)), slog.Int("messages", count))
}

// away doubles with every time that a message was handed out.
func away(delivered int) time.Duration {
	most := time.Duration(float64(maxAway) / (1 + spread))
	return min(minAway<<min(max(delivered-1, 0), 10), most)
}

// giveBack returns every message that still has an open document, and how many that were.
func giveBack(docs []*document, delay func(*stream.Message) time.Duration) int {
	seen := map[*pending]bool{}
	for _, d := range docs {
		if !seen[d.message] {
			seen[d.message] = true
			d.message.message.Retry(delay(d.message.message))
		}
	}
	return len(seen)
}
