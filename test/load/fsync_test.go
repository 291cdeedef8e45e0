package load_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// fsyncs is how many are measured.
const fsyncs = 200

// A disk is calm when few of its fsyncs are slower than usual; for so long at most that is awaited.
const (
	calmFactor = 3
	calmLimit  = 10 * time.Second
)

// appender appends to a file and waits until the disk has it.
type appender struct {
	mu   sync.Mutex
	file *os.File
	data []byte
}

// openAppender makes a file in dir, to which size bytes are appended each time.
func openAppender(dir string, size int) (*appender, error) {
	file, err := os.OpenFile(filepath.Join(dir, "fsync"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	a := &appender{file: file, data: make([]byte, size)}
	for i := range a.data {
		a.data[i] = byte(i * 31)
	}
	return a, nil
}

func (a *appender) close() error { return errors.Join(a.file.Close(), os.Remove(a.file.Name())) }

func (a *appender) add() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.file.Write(a.data); err != nil {
		return err
	}
	return a.file.Sync()
}

// times are those of so many fsyncs one after the other, shortest first.
func (a *appender) times(count int) ([]time.Duration, error) {
	took := make([]time.Duration, 0, count)
	for range count {
		begin := time.Now()
		if err := a.add(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took, nil
}

// calm waits until the disk of dir has done with what was deleted before: that is none of the load that comes.
func calm(ctx context.Context, dir string) error {
	a, err := openAppender(dir, 4<<10)
	if err != nil {
		return err
	}
	for end := time.Now().Add(calmLimit); time.Now().Before(end) && ctx.Err() == nil; {
		took, err := a.times(fsyncs)
		if err != nil {
			return errors.Join(err, a.close())
		}
		if part(took, 0.99) < calmFactor*part(took, 0.5) {
			break
		}
	}
	return a.close()
}

// fsyncTime is the median time of appending size bytes to a file in dir and of waiting until the disk has them, on a
// machine that does nothing else.
func fsyncTime(b *testing.B, dir string, size int) time.Duration {
	b.Helper()
	a, err := openAppender(dir, size)
	if err != nil {
		b.Fatal(err)
	}
	took, err := a.times(fsyncs)
	if err := errors.Join(err, a.close()); err != nil {
		b.Fatal(err)
	}
	return part(took, 0.5)
}

// fsyncPaced does the same n times at a fixed schedule, so many a second, and nothing else meanwhile. What is slow here
// is the disk alone.
func fsyncPaced(b *testing.B, dir string, size int, rate float64, n int) paced {
	b.Helper()
	a, err := openAppender(dir, size)
	if err != nil {
		b.Fatal(err)
	}
	seen, err := pace(b.Context(), rate, n, func(int, int) error { return a.add() })
	if err := errors.Join(err, a.close()); err != nil {
		b.Fatal(err)
	}
	return seen
}
