package stock

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Package is one version of an npm package.
type Package struct {
	Name, Version string
	Megabytes     int
	Integrity     string // sha512- and base64, as registries and lock files write it
}

func (p Package) String() string { return p.Name + "@" + p.Version }

// built is the moment in the last part of the version.
func (p Package) built() time.Time {
	at, err := time.Parse("2006010215", p.Version[strings.LastIndexByte(p.Version, '.')+1:])
	if err != nil {
		return time.Unix(0, 0) // a version of another form: the database counts as very old
	}
	return at
}

// check compares an archive with what it was when the version was pinned.
func (p Package) check(archive string) error {
	f, err := os.Open(archive) //nolint:gosec // in a folder of our own
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	sum := sha512.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("reading %s: %w", archive, err)
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != p.Integrity {
		return fmt.Errorf("%s is not what was expected: its hash is %s instead of %s; nothing was changed: look at your registry", p, got, p.Integrity)
	}
	return nil
}

// npm asks the registry that npm is set up for.
func npm(ctx context.Context, p Package, folder string) (string, error) {
	program, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is needed to get the databases, and is not installed: install Node.js with npm; " +
			"or put an MMDB file, such as GeoLite2 or IPinfo Lite, into the folder yourself")
	}
	var stderr strings.Builder
	cmd := exec.CommandContext(ctx, program, "pack", "--silent", "--ignore-scripts", "--pack-destination", ".", p.String())
	cmd.Dir, cmd.Stderr = folder, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("npm could not get %s: %w; is the registry reachable (npm ping)?\n%s", p, err, strings.TrimSpace(stderr.String()))
	}
	archive := strings.ReplaceAll(strings.TrimPrefix(p.Name, "@"), "/", "-") + "-" + p.Version + ".tgz"
	return filepath.Join(folder, archive), nil
}
