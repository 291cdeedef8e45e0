package fault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/test/powerfs"
)

// disk is one whose power can be cut.
type disk = *powerfs.Disk

// powered is the size of a fault's disk that says: one of those.
const powered = -1

// plugIn mounts a new disk at a folder; dir keeps what is on it.
func (l *lab) plugIn(dir, at string) (disk, error) {
	d, err := powerfs.New(powerfs.Options{Dir: dir, Seed: uint64(time.Now().UnixNano())})
	if err != nil {
		return nil, err
	}
	l.keeper.tell("+", "mount", at)
	return d, d.Mount(at)
}

// unplug takes a disk away and leaves what programs saw last in an ordinary folder, for people.
func (l *lab) unplug(d disk, at, files string) error {
	err := errors.Join(d.Export(files), d.Close())
	l.keeper.tell("-", "mount", at)
	return err
}

// onPowered is a lab like this one, with an Elasticsearch of its own on a disk whose power can be cut.
func (l *lab) onPowered(t *testing.T) *lab {
	t.Helper()
	if l.second != nil {
		return l.second
	}
	second := &lab{keeper: l.keeper, programs: l.programs, build: l.build, onDisk: true}
	if err := second.ownNode(l.top); errors.Is(err, node.ErrUnavailable) && os.Getenv("CI") == "" {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	var err error
	second.client, err = elastic.Open(elastic.Config{
		ElasticsearchURL:      config.URL(second.url),
		ElasticsearchUsername: second.admin.name, ElasticsearchPassword: config.Secret(second.admin.password),
	})
	if err != nil {
		t.Fatal(err)
	}
	l.second = second
	return second
}

// plugInData mounts a disk where a node of our own will have its data.
func (l *lab) plugInData(t *testing.T) (err error) {
	t.Helper()
	data := filepath.Join(l.options.Dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return err
	}
	if l.mains, err = l.plugIn(filepath.Join(l.options.Dir, "disk"), data); err != nil {
		return err
	}
	l.options.Prefer, l.options.Settings["node.store.allow_mmap"] = node.KindMaven, "false"
	t.Cleanup(func() {
		if err := l.unplug(l.mains, data, filepath.Join(l.options.Dir, "files")); err != nil {
			t.Error(err)
		}
	})
	return nil
}

// die kills processes whose disks have no power any more, and waits until they are gone: what they asked of the disk
// fails only then.
func die(processes []*process, pids []int, disks ...disk) error {
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.signal(syscall.SIGKILL))
	}
	for _, pid := range pids {
		errs = append(errs, syscall.Kill(pid, syscall.SIGKILL))
	}
	for _, d := range disks {
		d.Release()
	}
	for _, p := range processes {
		select {
		case <-p.exited:
		case <-time.After(30 * time.Second):
			errs = append(errs, fmt.Errorf("%s (%d) is still there after SIGKILL", p.name, p.pid()))
		}
	}
	for _, pid := range pids {
		errs = append(errs, gone(pid))
	}
	return errors.Join(errs...)
}
