package load_test

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// fsyncs is how many are measured.
const fsyncs = 200

// appender appends to a file and waits until the disk has it.
type appender struct {
	mu   sync.Mutex
	file *os.File
	data []byte
}

// newAppender makes a file in dir, to which size bytes are appended each time. It goes with the benchmark.
func newAppender(b *testing.B, dir string, size int) *appender {
	b.Helper()
	path := filepath.Join(dir, "fsync")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close(); _ = os.Remove(path) })
	a := &appender{file: file, data: make([]byte, size)}
	for i := range a.data {
		a.data[i] = byte(i * 31)
	}
	return a
}

func (a *appender) add() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.file.Write(a.data); err != nil {
		return err
	}
	return a.file.Sync()
}

// fsyncTime is the median time of appending size bytes to a file in dir and of waiting until the disk has them, on a
// machine that does nothing else.
func fsyncTime(b *testing.B, dir string, size int) time.Duration {
	b.Helper()
	a, took := newAppender(b, dir, size), make([]time.Duration, 0, fsyncs)
	for range fsyncs {
		begin := time.Now()
		if err := a.add(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return part(took, 0.5)
}

// fsyncPaced does the same n times at a fixed schedule, so many a second, and nothing else meanwhile. What is slow here
// is the disk alone.
func fsyncPaced(b *testing.B, dir string, size int, rate float64, n int) paced {
	b.Helper()
	a := newAppender(b, dir, size)
	seen, err := pace(b.Context(), rate, n, func(int, int) error { return a.add() })
	if err != nil {
		b.Fatal(err)
	}
	return seen
}
