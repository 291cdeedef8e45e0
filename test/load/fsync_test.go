package load_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// fsyncs is how many are measured.
const fsyncs = 200

// fsyncTime is the median time of appending size bytes to a file in dir and of waiting until the disk has them, on a
// machine that does nothing else.
func fsyncTime(b *testing.B, dir string, size int) time.Duration {
	b.Helper()
	path := filepath.Join(dir, "fsync")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = file.Close(); _ = os.Remove(path) }()
	data, took := make([]byte, size), make([]time.Duration, 0, fsyncs)
	for i := range data {
		data[i] = byte(i * 31)
	}
	for range fsyncs {
		begin := time.Now()
		if _, err := file.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return part(took, 0.5)
}
