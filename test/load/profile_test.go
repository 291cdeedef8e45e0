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
// that LOAD_PROFILE names. It returns at once; wait ends when the files are written.
func (r *rig) profile(b *testing.B) (wait func()) {
	b.Helper()
	if profiled() == "" {
		return func() {}
	}
	done := make(chan error, 1)
	go func() { done <- r.writeProfiles(b.Context(), profiled()) }()
	return func() {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

func (r *rig) writeProfiles(ctx context.Context, dir string) error {
	r.runs++
	for _, kind := range []string{fmt.Sprintf("profile?seconds=%d", profileSeconds), "allocs"} {
		name := fmt.Sprintf("%.*s-%d.pprof", 6, kind, r.runs)
		if err := r.fetch(ctx, "/debug/pprof/"+kind, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
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
