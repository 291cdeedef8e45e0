package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Room in the state folder that the streams of an all-in-one may still need.
const (
	diskWarn = 10 << 30
	diskFail = 1 << 30
)

// mapCount is what Elasticsearch asks of Linux for memory-mapped indices.
const mapCount = 262144

// checkFolder looks at the secrets of the state folder and who may read them.
func (d *doctor) checkFolder(context.Context) []finding {
	const name = "state folder"
	folder, err := os.Stat(string(d.dir))
	if errors.Is(err, fs.ErrNotExist) {
		return []finding{info(name, "there is none at %s; `sluice up` makes it, --state names another", d.dir)}
	}
	if err != nil {
		return []finding{fail(name, err, "correct the folder's owner and permissions")}
	}
	if !folder.IsDir() {
		return []finding{fail(name, fmt.Errorf("%s is a file", d.dir), "name a folder with --state")}
	}
	var found []finding
	for _, file := range []string{"credentials.json", "ready.json"} {
		path := filepath.Join(string(d.dir), file)
		switch at, err := os.Stat(path); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			found = append(found, fail(name, err, "correct the owner and permissions of "+path))
		case at.Mode().Perm()&0o077 != 0:
			found = append(found, fail(name, fmt.Errorf("others may read %s (%04o), which holds a token", path, at.Mode().Perm()), "chmod 600 "+path+" and rotate the token with `sluice endpoint rotate`"))
		}
	}
	if len(found) == 0 {
		found = append(found, ok(name, "%s: only its owner reads the tokens", d.dir))
	}
	return found
}

// checkProcess compares ready.json with what runs.
func (d *doctor) checkProcess(context.Context) []finding {
	const name = "all-in-one"
	if d.ready == nil {
		return []finding{info(name, "none is announced in %s", d.dir)}
	}
	process, err := os.FindProcess(d.ready.PID)
	if err == nil {
		err = process.Signal(syscall.Signal(0))
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return []finding{fail(name, fmt.Errorf("process %d, which wrote %s, is gone", d.ready.PID, d.dir.ReadyFile()), "start it again with `sluice up`; it goes on where it was")}
	}
	return []finding{ok(name, "version %s runs as process %d", d.ready.Version, d.ready.PID)}
}

// checkDisk looks at the room around the state folder.
func (d *doctor) checkDisk(context.Context) []finding {
	const name = "disk"
	place := string(d.dir)
	if _, err := os.Stat(place); err != nil {
		place = filepath.Dir(place)
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(place, &disk); err != nil {
		return []finding{skip(name, fmt.Sprintf("%s: %v", place, err))}
	}
	free := int64(disk.Bavail) * int64(disk.Bsize) //nolint:unconvert // the widths differ between systems
	detail := fmt.Sprintf("%s free at %s", readable(free), place)
	advice := "make room: a full disk stops the streams, and Auth0 is answered 503 until there is room again"
	switch {
	case free < diskFail:
		return []finding{fail(name, errors.New(detail), advice)}
	case free < diskWarn:
		return []finding{warn(name, detail, advice)}
	default:
		return []finding{ok(name, "%s", detail)}
	}
}

// checkMapCount looks at a limit of Linux that Elasticsearch minds.
func checkMapCount(context.Context) []finding {
	const name = "vm.max_map_count"
	raw, err := os.ReadFile("/proc/sys/vm/max_map_count")
	if err != nil {
		return []finding{skip(name, "only Linux has it")}
	}
	have, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		return []finding{skip(name, "its value cannot be read")}
	}
	if have < mapCount {
		return []finding{warn(name, fmt.Sprintf("%d, which is less than Elasticsearch wants (%d)", have, mapCount),
			"for an Elasticsearch on this machine: sysctl -w vm.max_map_count=262144, or set node.store.allow_mmap to false, which makes it slower (the one of `sluice up` does so by itself when it starts with many files)")}
	}
	return []finding{ok(name, "%d", have)}
}

// checkPrograms says what `sluice up` could start an Elasticsearch with.
func checkPrograms(context.Context) []finding {
	var found []finding
	for _, program := range []struct{ name, use string }{
		{"java", "runs Elasticsearch (17 or newer)"}, {"mvn", "fetches Elasticsearch"}, {"docker", "runs Elasticsearch in a container"},
	} {
		if path, err := exec.LookPath(program.name); err == nil {
			found = append(found, info(program.name, "%s; %s", path, program.use))
		} else {
			found = append(found, info(program.name, "not found; it %s", program.use))
		}
	}
	return found
}
