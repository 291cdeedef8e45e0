//go:build linux

package powerfs

import (
	"errors"
	"io"
	"maps"
	"os"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// create makes an empty file without a name.
func (d *Disk) create(mode, uid, gid uint32) (*node, error) {
	n := d.newNode(mode, uid, gid)
	f, err := os.OpenFile(d.path(n), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		delete(d.nodes, n.id)
		return nil, err
	}
	n.file = f
	return n, nil
}

// remember notes what is on disk of the pages of a range, before they change.
func (n *node) remember(from, to int64) error {
	for p := from / page; p*page < to; p++ {
		if _, known := n.dirty[p]; known {
			continue
		}
		if old, known := n.lost[p]; known {
			n.dirty[p] = old
			continue
		}
		old := make([]byte, max(0, min(page, n.ksize-p*page)))
		if _, err := n.file.ReadAt(old, p*page); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		n.dirty[p] = old
	}
	return nil
}

func (d *Disk) write(n *node, data []byte, at int64) error {
	end := at + int64(len(data))
	if err := d.broken.room(end - n.size); err != nil {
		d.counts.Refused++
		return err
	}
	if err := n.remember(at, end); err != nil {
		return err
	}
	if _, err := n.file.WriteAt(data, at); err != nil {
		return err
	}
	d.grow(n, max(n.size, end))
	n.mtime = time.Now()
	d.counts.Writes++
	return nil
}

// resize cuts a file, or fills it up with zeros.
func (d *Disk) resize(n *node, size int64) error {
	if err := d.broken.room(size - n.size); err != nil {
		d.counts.Refused++
		return err
	}
	if err := n.remember(size, n.size); err != nil {
		return err
	}
	if err := n.file.Truncate(size); err != nil {
		return err
	}
	d.grow(n, size)
	n.mtime = time.Now()
	return nil
}

func (d *Disk) grow(n *node, size int64) {
	d.used += size - n.size
	d.broken.took(size - n.size)
	n.size = size
}

// sync brings a node to the disk, after the time that the disk takes.
func (d *Disk) sync(n *node) fuse.Status {
	if wait := d.broken.delay; wait > 0 {
		d.mu.Unlock()
		time.Sleep(wait)
		d.mu.Lock()
		if !d.powered() { // cut meanwhile
			return fuse.EIO
		}
	}
	if err := d.broken.syncing(); err != nil {
		d.counts.Refused++
		maps.Copy(n.lost, n.dirty)
		clear(n.dirty)
		return errno(err)
	}
	for p := range n.dirty {
		delete(n.lost, p)
	}
	clear(n.dirty)
	n.ksize = n.size
	d.keepNames(n)
	d.counts.Syncs++
	return fuse.OK
}
