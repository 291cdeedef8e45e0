package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/scratch"
)

// encodingOf reads Content-Encoding; ok is false for one that nobody here can undo.
func encodingOf(h http.Header) (encoding string, ok bool) {
	switch values := h.Values("Content-Encoding"); {
	case len(values) == 0:
		return delivery.Identity, true
	case len(values) > 1:
		return "", false
	default:
		switch values[0] {
		case "", "identity":
			return delivery.Identity, true
		case "gzip", "x-gzip":
			return delivery.Gzip, true
		case "zstd":
			return delivery.Zstd, true
		}
		return "", false
	}
}

// patience is how long a body waits for room before its sender is told to come again.
const patience = 2 * time.Second

// budget bounds the bytes of all bodies that are held at once.
type budget struct {
	room  *semaphore.Weighted
	total int64
	taken prometheus.Gauge
}

func newBudget(total int64, taken prometheus.Gauge) *budget {
	return &budget{room: semaphore.NewWeighted(total), total: total, taken: taken}
}

// lease is one body's share of the budget, and the memory that it lies in.
type lease struct {
	budget *budget
	taken  int64
	shelf  *scratch.Shelf
	room   []byte
}

// grow takes more room; the refusal is Busy when there is none for a while. Bodies that each hold a part and wait for more
// cannot wait for each other for ever: whoever is refused gives back what it held.
func (l *lease) grow(ctx context.Context, bytes int64) error {
	if l.taken+bytes > l.budget.total || !l.budget.room.TryAcquire(bytes) && !l.await(ctx, bytes) {
		return refuse(Busy, "no room for another body within RECEIVER_MAX_INFLIGHT", nil)
	}
	l.taken += bytes
	l.budget.taken.Add(float64(bytes))
	return nil
}

// await waits for room that others hold.
func (l *lease) await(ctx context.Context, bytes int64) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return l.budget.room.Acquire(ctx, bytes) == nil
}

func (l *lease) release() { l.shrink(l.taken) }

// reuse lets another body have the memory of this one. Nobody may read it any more.
func (l *lease) reuse() {
	l.shelf.Give(l.room)
	l.room = nil
}

// shrink gives room back.
func (l *lease) shrink(bytes int64) {
	l.budget.room.Release(bytes)
	l.budget.taken.Sub(float64(bytes))
	l.taken -= bytes
}

// What a body's buffer begins with. A length is only announced: whoever announces many bytes and sends none shall not hold
// the room of those who do, so a large body gets its room as it comes. Most bodies are small and get theirs at once.
const (
	firstAnnounced   = 256 << 10
	firstUnannounced = 64 << 10
)

// readBody reads a whole body of at most limit bytes into memory that l pays for. It holds hardly more than the
// first buffer or twice what has come; while that is copied to a larger buffer, l pays for both.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, l *lease) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, refuse(TooLarge, fmt.Sprintf("Content-Length %d", r.ContentLength), nil)
	}
	first, most := int64(firstAnnounced), r.ContentLength+1 // room for the read that finds the end
	if r.ContentLength < 0 {
		first, most = firstUnannounced, limit+1
	}
	body, err := l.enlarge(r.Context(), nil, min(first, most))
	source := http.MaxBytesReader(w, r.Body, limit)
	for err == nil {
		if len(body) == cap(body) {
			if body, err = l.enlarge(r.Context(), body, larger(int64(cap(body)), most)); err != nil {
				return nil, err
			}
		}
		var n int
		n, err = source.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, readFailure(err)
		}
	}
	return nil, err
}

// larger is the size after size; a last step that is hardly one is made with the one before.
func larger(size, most int64) int64 {
	if 2*size > most-firstUnannounced {
		return most
	}
	return 2 * size
}

// enlarge moves a body to a buffer of size bytes, or to one of the shelf's that is hardly larger. All of it is paid for.
func (l *lease) enlarge(ctx context.Context, body []byte, size int64) ([]byte, error) {
	room := l.shelf.Find(int(size), int(min(size+size/4, l.budget.total-l.taken)))
	pay := max(size, int64(cap(room)))
	if err := l.grow(ctx, pay); err != nil {
		l.shelf.Give(room)
		return nil, err
	}
	if room == nil {
		room = make([]byte, 0, size)
	}
	moved := append(room, body...) //nolint:gocritic // it is empty, and large enough
	l.reuse()
	l.room = room
	l.shrink(int64(cap(body)))
	return moved, nil
}

func readFailure(err error) error {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return refuse(TooLarge, "", nil)
	}
	return refuse(Truncated, "", err)
}

// checkCompression decompresses a body to nowhere and returns its plain size: it must be whole and not larger than limit.
func checkCompression(body []byte, encoding string, limit int64) (int64, error) {
	source, err := delivery.Inflate(body, encoding)
	if err != nil {
		return 0, decodingFailure(err)
	}
	defer func() { _ = source.Close() }()
	size, err := io.Copy(io.Discard, io.LimitReader(source, limit+1))
	switch {
	case err != nil:
		return 0, decodingFailure(err)
	case size > limit:
		return 0, refuse(TooLarge, "after decompression", nil)
	}
	return size, nil
}

func decodingFailure(err error) error {
	if errors.Is(err, delivery.ErrWindow) {
		return refuse(TooLarge, err.Error(), err)
	}
	return refuse(BadCompression, "", err)
}

// decompress returns the size plain bytes of a body that checkCompression found good.
func decompress(body []byte, encoding string, size int64) ([]byte, error) {
	source, err := delivery.Inflate(body, encoding)
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	plain := make([]byte, size)
	_, err = io.ReadFull(source, plain)
	return plain, err
}
