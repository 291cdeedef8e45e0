//go:build linux

package powerfs

import (
	"errors"
	"fmt"
	"io"
	"log" //nolint:depguard // what go-fuse takes
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Mount shows the disk at a folder, to every user. It needs root.
func (d *Disk) Mount(at string) error {
	at, err := filepath.Abs(at)
	if err != nil {
		return err
	}
	// Not by the library's own way: that lets every program started from here keep the connection open.
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("mounting a disk at %s: opening /dev/fuse: %w", at, err)
	}
	const largest = 1 << 20
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=%d,allow_other,default_permissions", fd, largest)
	if err := syscall.Mount("powerfs", at, "fuse.powerfs", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		_ = syscall.Close(fd)
		return fmt.Errorf("mounting a disk at %s (that needs root): %w", at, err)
	}
	server, err := fuse.NewServer(&front{fuse.NewDefaultRawFileSystem(), d}, fmt.Sprintf("/dev/fd/%d", fd), &fuse.MountOptions{
		AllowOther: true, MaxWrite: largest, DisableReadDirPlus: true, DisableXAttrs: true, Logger: log.New(io.Discard, "", 0),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("serving a disk at %s: %w", at, err), syscall.Unmount(at, syscall.MNT_DETACH))
	}
	d.at, d.server, d.done = at, server, make(chan struct{})
	go func(done chan<- struct{}) { server.Serve(); close(done) }(d.done)
	return errors.Join(server.WaitMount(), noPolling(at))
}

// noPolling has the kernel ask once whether files here can be waited for, and be told that they cannot: asked later, by
// the goroutine scheduler of this very process, the question could meet nobody to answer it.
func noPolling(at string) error {
	fd, err := syscall.Open(filepath.Join(at, ".go-fuse-epoll-hack"), syscall.O_RDONLY, 0) // a name that go-fuse itself answers
	if err != nil {
		return err
	}
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return syscall.Close(fd)
}

// Unmount takes the disk away from its folder; what is on it stays, synced or not, for the next Mount. Programs that
// still have files open lose them.
func (d *Disk) Unmount() error {
	if d.at == "" {
		return nil
	}
	var err error
	for range 100 { // the kernel closes the files of programs that just ended a moment later
		if err = syscall.Unmount(d.at, 0); !errors.Is(err, syscall.EBUSY) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("unmounting the disk at %s: a program still uses it: %w", d.at, err)
	}
	if err != nil {
		return fmt.Errorf("unmounting the disk at %s: %w", d.at, err)
	}
	<-d.done
	d.at, d.server = "", nil
	return nil
}

// Close unmounts the disk, by force if need be, and closes its files. What programs saw last can still be read where
// Export put it.
func (d *Disk) Close() error {
	d.Cut()
	d.Release()
	err := d.Unmount()
	if err != nil && errors.Is(err, syscall.EBUSY) {
		_ = syscall.Unmount(d.at, syscall.MNT_DETACH)
		d.at = ""
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.nodes {
		if n.file != nil {
			_ = n.file.Close()
		}
	}
	return err
}
