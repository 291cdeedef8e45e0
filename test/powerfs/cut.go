//go:build linux

package powerfs

import (
	"fmt"
	"maps"
	"slices"
)

// Loss is what a cut took away.
type Loss struct {
	Files int // whose content was not all on disk
	Bytes int64
	Names int // changes of names
	Kept  int // sectors and changes of names that a torn cut kept
}

// String is the loss for people.
func (l Loss) String() string {
	return fmt.Sprintf("the cut took %d bytes that were not synced from %d files and %d changes of names, and kept %d pieces", l.Bytes, l.Files, l.Names, l.Kept)
}

// Cut takes the power away: from this moment on nothing is written, and whoever asks gets no answer. The programs on
// the disk must be killed then, and get one by Release.
func (d *Disk) Cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
}

// Release lets what waits for an answer since Cut fail, so that programs which were killed can end.
func (d *Disk) Release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = true
	d.wake.Broadcast()
}

// powered waits until an operation may go on; false when it must fail. The lock is held.
func (d *Disk) powered() bool {
	for d.off && !d.failing {
		d.wake.Wait()
	}
	return !d.off
}

// Restore unmounts a disk that was cut, drops what was not synced, or, torn, some of it, and mounts it again at the same
// place.
func (d *Disk) Restore(torn bool) (Loss, error) {
	at := d.at
	d.Release()
	if err := d.Unmount(); err != nil {
		return Loss{}, err
	}
	loss, err := d.revert(torn)
	if err != nil || at == "" {
		return loss, err
	}
	return loss, d.Mount(at)
}

// revert makes what is on disk what programs see.
func (d *Disk) revert(torn bool) (loss Loss, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.handles)
	d.off, d.failing = false, false
	keep := 0
	if torn {
		keep = d.dice.IntN(len(d.journal) + 1)
	}
	loss.Kept, loss.Names = keep, len(d.journal)-keep
	for i, o := range d.journal {
		if i < keep {
			d.settle(o)
		} else {
			d.drop(o)
		}
	}
	d.journal = nil
	d.used = 0
	seen := map[*node]bool{}
	if err := d.revertDir(d.root, torn, &loss, seen); err != nil {
		return loss, err
	}
	d.root.refs = 1
	for _, n := range d.nodes {
		if !seen[n] {
			d.discard(n, &loss)
		}
	}
	return loss, nil
}

// revertDir puts back a folder and all that is in it on disk.
func (d *Disk) revertDir(dir *node, torn bool, loss *Loss, seen map[*node]bool) error {
	seen[dir] = true
	dir.entries, dir.refs, dir.links = maps.Clone(dir.kept), 0, 2
	for _, name := range slices.Sorted(maps.Keys(dir.kept)) {
		n := dir.kept[name]
		n.parent = dir
		switch {
		case n.isDir():
			if err := d.revertDir(n, torn, loss, seen); err != nil {
				return err
			}
		case seen[n]:
			n.links++
		default:
			seen[n], n.refs, n.links, n.opens = true, 0, 1, 0
			if err := d.revertFile(n, torn, loss); err != nil {
				return fmt.Errorf("putting back %s: %w", name, err)
			}
		}
		n.refs += 2 // the name for programs, and the one on disk
	}
	return nil
}

// discard removes what no name on disk leads to.
func (d *Disk) discard(n *node, loss *Loss) {
	if n.isFile() {
		loss.Files++
		loss.Bytes += n.size
	}
	n.refs = 1
	d.release(n)
}

// revertFile puts back what is on disk of a file.
func (d *Disk) revertFile(n *node, torn bool, loss *Loss) error {
	if !n.isFile() {
		return nil
	}
	size := n.ksize
	if torn {
		size = d.tornSize(n)
	}
	if len(n.dirty) > 0 || n.size != n.ksize {
		loss.Files++
	}
	for _, p := range slices.Sorted(maps.Keys(n.dirty)) {
		if err := d.revertPage(n, p, torn, size, loss); err != nil {
			return err
		}
	}
	for p, old := range n.lost {
		if err := n.put(p, old); err != nil {
			return err
		}
	}
	if err := n.file.Truncate(size); err != nil {
		return err
	}
	n.size, n.ksize = size, size
	d.used += size
	clear(n.dirty)
	clear(n.lost)
	return nil
}

// put writes a page as it is on disk: with zeros where nothing is.
func (n *node) put(p int64, old []byte) error {
	whole := make([]byte, page)
	copy(whole, old)
	_, err := n.file.WriteAt(whole, p*page)
	return err
}

// revertPage puts back a page of a file that will have size bytes; torn, each of its sectors may stay new.
func (d *Disk) revertPage(n *node, p int64, torn bool, size int64, loss *Loss) error {
	now, whole := make([]byte, page), make([]byte, page)
	_, _ = n.file.ReadAt(now, p*page) // what is behind the end is zero
	copy(whole, n.dirty[p])
	for s := int64(0); s < page; s += sector {
		if string(now[s:s+sector]) == string(whole[s:s+sector]) {
			continue
		}
		// Where cutting the file short did not reach the disk, the sector at its end has bytes that it lost in memory only.
		full := size <= n.size || p*page+s+sector <= n.size
		if torn && full && p*page+s < size && d.dice.IntN(2) == 0 {
			copy(whole[s:s+sector], now[s:s+sector])
			loss.Kept++
		} else {
			loss.Bytes += sector
		}
	}
	return n.put(p, whole)
}

// tornSize is the size that a file has after a torn cut.
func (d *Disk) tornSize(n *node) int64 {
	switch d.dice.IntN(3) {
	case 0:
		return n.size
	case 1:
		if n.size > n.ksize {
			return n.ksize + d.dice.Int64N(n.size-n.ksize+1)
		}
	}
	return n.ksize
}
