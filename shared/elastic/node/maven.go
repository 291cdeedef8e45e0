package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	archiveName = "elasticsearch-" + Version
	artifact    = "org.elasticsearch.distribution.integ-test-zip:elasticsearch:" + Version + ":zip"
)

// mavenUsable returns why the Maven artifact cannot be run here, or nil.
func mavenUsable(ctx context.Context, opts Options) error {
	if _, err := findJava(ctx); err != nil {
		return err
	}
	if unpacked(opts.CacheDir) {
		return nil
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return errors.New("the command mvn, which fetches Elasticsearch, is not on PATH")
	}
	return nil
}

func unpacked(cache string) bool {
	_, err := os.Stat(filepath.Join(cache, archiveName, "bin", "elasticsearch"))
	return err == nil
}

// distribution returns the folder of the unpacked artifact in the cache, fetching it the first time. The folder gets
// its name when it is complete, and a lock keeps other processes from fetching it as well.
func distribution(ctx context.Context, opts Options) (string, error) {
	home := filepath.Join(opts.CacheDir, archiveName)
	if unpacked(opts.CacheDir) {
		return home, nil
	}
	if err := os.MkdirAll(opts.CacheDir, 0o755); err != nil { //nolint:gosec // the unprivileged server reads it
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(opts.CacheDir, archiveName+".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if unpacked(opts.CacheDir) {
		return home, nil
	}
	// Whoever held the lock and died has left this behind.
	partial := home + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", fmt.Errorf("removing an unfinished download: %w", err)
	}
	defer func() { _ = os.RemoveAll(partial) }()     // what stays is removed by the next call
	if err := os.Mkdir(partial, 0o755); err != nil { //nolint:gosec // the unprivileged server reads it
		return "", fmt.Errorf("making a folder in the cache: %w", err)
	}
	archive, err := fetch(ctx, opts, partial)
	if err != nil {
		return "", err
	}
	opts.Progress("unpacking Elasticsearch " + Version)
	if err := unzip(ctx, archive, partial); err != nil {
		return "", fmt.Errorf("unpacking %s: %w", archive, err)
	}
	if err := os.Rename(filepath.Join(partial, archiveName), home); err != nil {
		return "", fmt.Errorf("placing the unpacked elasticsearch in the cache: %w", err)
	}
	return home, nil
}

// fetch has Maven bring the artifact, from wherever this machine's Maven is set up to get things, and returns the file.
func fetch(ctx context.Context, opts Options, dir string) (string, error) {
	opts.Progress("fetching Elasticsearch " + Version + " (95 MB, once)")
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "dependency:copy", "-Dartifact="+artifact, "-DoutputDirectory="+dir)
	cmd.Dir = dir // away from any pom.xml
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("fetching elasticsearch with mvn (can it reach its repository? see ~/.m2/settings.xml): %w\n%s",
			err, strings.TrimSpace(string(out)))
	}
	archive := filepath.Join(dir, archiveName+".zip")
	if _, err := os.Stat(archive); err != nil {
		return "", fmt.Errorf("fetching elasticsearch with mvn: it ended well without the file: %w", err)
	}
	return archive, nil
}
