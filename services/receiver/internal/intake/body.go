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

// lease is one body's share of the budget.
type lease struct {
	budget *budget
	taken  int64
}

// grow takes more room; the refusal is Busy when there is none for a while.
func (l *lease) grow(ctx context.Context, bytes int64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if l.taken+bytes > l.budget.total || l.budget.room.Acquire(ctx, bytes) != nil {
		return refuse(Busy, "no room for another body within RECEIVER_MAX_INFLIGHT", nil)
	}
	l.taken += bytes
	l.budget.taken.Add(float64(bytes))
	return nil
}

func (l *lease) release() {
	l.budget.room.Release(l.taken)
	l.budget.taken.Sub(float64(l.taken))
	l.taken = 0
}

// step is by how much the buffer of a body of unannounced length grows at least.
const step = 64 << 10

// readBody reads a whole body of at most limit bytes into memory that l pays for.
func readBody(w http.ResponseWriter, r *http.Request, limit int64, l *lease) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, refuse(TooLarge, fmt.Sprintf("Content-Length %d", r.ContentLength), nil)
	}
	size := r.ContentLength + 1 // room for the read that finds the end
	if r.ContentLength < 0 {
		size = min(step, limit+1)
	}
	if err := l.grow(r.Context(), size); err != nil {
		return nil, err
	}
	body, source := make([]byte, 0, size), http.MaxBytesReader(w, r.Body, limit)
	for {
		if len(body) == cap(body) {
			more := min(int64(cap(body)), limit+1-int64(cap(body)))
			if err := l.grow(r.Context(), more); err != nil {
				return nil, err
			}
			body = append(make([]byte, 0, int64(cap(body))+more), body...)
		}
		n, err := source.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, readFailure(err)
		}
	}
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
