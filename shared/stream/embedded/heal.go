package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
)

// answer takes what the server writes on its health page.
type answer struct {
	header http.Header
	body   []byte
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(int)     {}

func (a *answer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}

// Healthz is the server's health page with details, as /healthz?details=true of a monitoring address shows it.
func (s *Server) Healthz() ([]byte, error) {
	s.mu.RLock()
	ns, down := s.ns, s.down
	s.mu.RUnlock()
	if down {
		return nil, errors.New("the embedded NATS server does not run")
	}
	a := &answer{header: http.Header{}}
	ns.HandleHealthz(a, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/healthz", RawQuery: "details=true"}, Header: http.Header{}})
	return a.body, nil
}

// probeBytes is more than the largest message takes on disk, and less than any stream.
const probeBytes = 2 * MaxPayload

// TryDisk writes a file of some size beside the streams, syncs it and removes it: nil when streams could be written.
func (s *Server) TryDisk() (err error) {
	path := filepath.Join(s.opts.Dir, ".probe")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // below our own folder
	if err != nil {
		return fmt.Errorf("trying the disk of the streams: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close(), os.Remove(path)); err != nil {
			err = fmt.Errorf("trying the disk of the streams: %w", err)
		}
	}()
	block := make([]byte, 1<<20)
	for range probeBytes / len(block) {
		if _, err := f.Write(block); err != nil {
			return err
		}
	}
	return f.Sync()
}

// Restart ends the server and starts it again at the same address with the same files. Connections break and come back
// by themselves. When it fails the server is down, and Restart may be called again.
func (s *Server) Restart(ctx context.Context) error {
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	if s.opts.Port, err = strconv.Atoi(port); err != nil {
		return err
	}
	if err := s.Stop(ctx); err != nil {
		return err
	}
	return s.start(ctx)
}
