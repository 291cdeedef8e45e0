package node

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	tailLines = 20
	tailBytes = 16 << 10
)

// lastLines returns the end of the newest readable log in dir, for people.
func lastLines(dir string) string {
	var newest os.FileInfo
	matches, _ := filepath.Glob(filepath.Join(dir, "*.log")) // the pattern is well formed
	for _, path := range matches {
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
			continue
		}
		if newest == nil || info.ModTime().After(newest.ModTime()) {
			newest = info
		}
	}
	if newest == nil {
		return "(nothing was written)"
	}
	return tail(filepath.Join(dir, newest.Name()))
}

func tail(path string) string {
	file, err := os.Open(path) //nolint:gosec // a log of the node itself
	if err != nil {
		return "(" + err.Error() + ")"
	}
	defer file.Close() //nolint:errcheck // only read
	if info, err := file.Stat(); err == nil && info.Size() > tailBytes {
		if _, err := file.Seek(-tailBytes, io.SeekEnd); err != nil {
			return "(" + err.Error() + ")"
		}
	}
	data, err := io.ReadAll(io.LimitReader(file, tailBytes))
	if err != nil {
		return "(" + err.Error() + ")"
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, "\n")
}
