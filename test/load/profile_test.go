package load_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"testing"
)

// profileSeconds is how long processor time is looked at: most of a round, since its end, when all is mapped, has other costs.
const profileSeconds = 30

// profiled names the folder that LOAD_PROFILE asks for; empty: nothing is profiled.
func profiled() string { return os.Getenv("LOAD_PROFILE") }

// profileRole writes what takes this process's processor time until stop into the folder that LOAD_PROFILE names.
func profileRole(name string) (stop func() error, err error) {
	if profiled() == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(filepath.Join(profiled(), fmt.Sprintf("%s-%d.pprof", name, os.Getpid())))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error { pprof.StopCPUProfile(); return file.Close() }, nil
}

// profile writes what takes Sluice's processor time from now on, and what has allocated memory so far, into the folder
// that LOAD_PROFILE names. It returns at once; wait ends when the files are written, and says which stages took that time.
func (r *rig) profile(b *testing.B) (wait func() shares) {
	b.Helper()
	if profiled() == "" {
		return func() shares { return shares{} }
	}
	r.runs++
	times := filepath.Join(profiled(), fmt.Sprintf("cpu-%d.pprof", r.runs))
	done := make(chan error, 1)
	go func() {
		done <- errors.Join(
			r.fetch(b.Context(), fmt.Sprintf("/debug/pprof/profile?seconds=%d", profileSeconds), times),
			r.fetch(b.Context(), "/debug/pprof/allocs", filepath.Join(profiled(), fmt.Sprintf("allocs-%d.pprof", r.runs))))
	}()
	return func() shares {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		found, err := readShares(times)
		if err != nil {
			b.Fatal(err)
		}
		return found
	}
}

// fetch writes a page of the admin address into a file.
func (r *rig) fetch(ctx context.Context, page, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.up.AdminURL+page, nil)
	if err != nil {
		return err
	}
	res, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", page, res.Status)
	}
	if err != nil {
		return err
	}
	return os.WriteFile(path, raw, 0o600)
}
