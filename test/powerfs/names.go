//go:build linux

package powerfs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// op is one change of names that is not on disk yet. It gets there as a whole.
type op []change

// change gives a name to a node, or takes it away (nil).
type change struct {
	dir  *node
	name string
	node *node
}

func (o op) touches(dirs map[*node]bool) bool {
	for _, c := range o {
		if dirs[c.dir] {
			return true
		}
	}
	return false
}

// alter does a change of names for programs, and notes it for the disk.
func (d *Disk) alter(o op) {
	for _, c := range o {
		before := c.dir.entries[c.name]
		if c.node != nil {
			c.node.refs += 2 // the name, and the change that waits
			c.node.links++
			c.node.parent = c.dir
			c.dir.entries[c.name] = c.node
		} else {
			delete(c.dir.entries, c.name)
		}
		c.dir.refs++ // must outlive the change
		if before != nil {
			before.links--
			if c.node != before {
				d.free(before)
			}
			d.release(before)
		}
	}
	d.journal = append(d.journal, o)
}

// settle brings a change to the disk.
func (d *Disk) settle(o op) {
	for _, c := range o {
		before := c.dir.kept[c.name]
		if c.node != nil {
			c.dir.kept[c.name] = c.node // the reference of the change becomes that of the name
		} else {
			delete(c.dir.kept, c.name)
		}
		if before != nil {
			d.release(before)
		}
		d.release(c.dir)
	}
}

// drop forgets a change that the disk never sees.
func (d *Disk) drop(o op) {
	for _, c := range o {
		if c.node != nil {
			d.release(c.node)
		}
		d.release(c.dir)
	}
}

// commit brings all changes of some folders to the disk, in their order, with what they depend on.
func (d *Disk) commit(dirs map[*node]bool) {
	take := make([]bool, len(d.journal))
	for i := len(d.journal) - 1; i >= 0; i-- {
		if !d.journal[i].touches(dirs) {
			continue
		}
		take[i] = true
		for _, c := range d.journal[i] {
			dirs[c.dir] = true
		}
	}
	var rest []op
	for i, o := range d.journal {
		if take[i] {
			d.settle(o)
		} else {
			rest = append(rest, o)
		}
	}
	d.journal = rest
}

// keepNames is what a sync of a node does to names.
func (d *Disk) keepNames(n *node) {
	dirs := map[*node]bool{}
	if n.isDir() {
		dirs[n] = true
	}
	for at := n; !d.opts.Strict && at != nil; at = at.parent {
		for _, o := range d.journal {
			for _, c := range o {
				if c.node == at {
					dirs[c.dir] = true
				}
			}
		}
	}
	if len(dirs) > 0 {
		d.commit(dirs)
	}
}

// empty reports whether a folder may be removed.
func (n *node) empty() bool { return len(n.entries) == 0 }

// remove takes a name away.
func (d *Disk) remove(dir *node, name string, wantDir bool) fuse.Status {
	n := dir.entries[name]
	switch {
	case n == nil:
		return fuse.ENOENT
	case wantDir && !n.isDir():
		return fuse.ENOTDIR
	case !wantDir && n.isDir():
		return fuse.Status(syscall.EISDIR)
	case wantDir && !n.empty():
		return fuse.Status(syscall.ENOTEMPTY)
	}
	d.alter(op{{dir, name, nil}})
	return fuse.OK
}

// rename moves a name; what has the new name already goes away with it.
func (d *Disk) rename(from *node, oldName string, to *node, newName string, flags uint32) fuse.Status {
	const noReplace = 1
	n, there := from.entries[oldName], to.entries[newName]
	switch {
	case n == nil:
		return fuse.ENOENT
	case flags&^noReplace != 0:
		return fuse.EINVAL
	case there == n:
		return fuse.OK
	case there != nil && flags&noReplace != 0:
		return fuse.Status(syscall.EEXIST)
	case there != nil && there.isDir() && !n.isDir():
		return fuse.Status(syscall.EISDIR)
	case there != nil && !there.isDir() && n.isDir():
		return fuse.ENOTDIR
	case there != nil && there.isDir() && !there.empty():
		return fuse.Status(syscall.ENOTEMPTY)
	}
	for at := to; at != nil && n.isDir(); at = at.parent {
		if at == n {
			return fuse.EINVAL
		}
	}
	d.alter(op{{to, newName, n}, {from, oldName, nil}})
	return fuse.OK
}
