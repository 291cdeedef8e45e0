package bulk

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sluicelog/sluice/shared/stream"
)

// ErrExpired says that an index may not be made any more, because everything in it would be from before the retention of
// its namespace. Documents for it are done with: what was deleted must not come back.
var ErrExpired = errors.New("older than the retention of its namespace")

// expire gives the documents of an index that may not be made any more their verdict.
func (w *Writer) expire(ctx context.Context, docs []*document) {
	perIndex := map[string]int{}
	for _, d := range docs {
		perIndex[d.index]++
		w.finish(d, stream.BecameExpired)
	}
	w.p.Metrics.settled(tally{expired: len(docs)})
	for index, count := range perIndex {
		w.p.Log.LogAttrs(ctx, slog.LevelInfo, "documents expired: their index is past the retention of its namespace",
			slog.String("index", index), slog.Int("documents", count))
	}
}
