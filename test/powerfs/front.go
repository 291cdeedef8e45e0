//go:build linux

package powerfs

import (
	"errors"
	"io"
	"maps"
	"math"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// front answers the kernel.
type front struct {
	fuse.RawFileSystem
	disk *Disk
}

// keepFor is how long the kernel may remember names and attributes: nobody else changes them.
const keepFor = time.Hour

// on runs an operation on a node while there is power.
func (f *front) on(id uint64, do func(d *Disk, n *node) fuse.Status) fuse.Status {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.powered() {
		return fuse.EIO
	}
	n := d.nodes[id]
	if n == nil {
		return fuse.ENOENT
	}
	return do(d, n)
}

// change is on for what a read-only disk refuses.
func (f *front) change(id uint64, do func(d *Disk, n *node) fuse.Status) fuse.Status {
	return f.on(id, func(d *Disk, n *node) fuse.Status {
		if d.broken.readOnly {
			d.counts.Refused++
			return fuse.EROFS
		}
		return do(d, n)
	})
}

func (n *node) attr(out *fuse.Attr) {
	*out = fuse.Attr{Ino: n.id, Size: uint64(n.size), Blocks: uint64(n.size+sector-1) / sector, Mode: n.mode, Nlink: n.links, Owner: fuse.Owner{Uid: n.uid, Gid: n.gid}, Blksize: page}
	if n.target != "" {
		out.Size = uint64(len(n.target))
	}
	out.SetTimes(&n.mtime, &n.mtime, &n.mtime)
}

func (n *node) entry(out *fuse.EntryOut) fuse.Status {
	out.NodeId, out.Generation = n.id, 1
	out.SetEntryTimeout(keepFor)
	out.SetAttrTimeout(keepFor)
	n.attr(&out.Attr)
	return fuse.OK
}

func (f *front) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return f.on(h.NodeId, func(_ *Disk, dir *node) fuse.Status {
		n := dir.entries[name]
		if n == nil {
			return fuse.ENOENT
		}
		return n.entry(out)
	})
}

func (f *front) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return f.on(in.NodeId, func(_ *Disk, n *node) fuse.Status {
		out.SetTimeout(keepFor)
		n.attr(&out.Attr)
		return fuse.OK
	})
}

func (f *front) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	return f.change(in.NodeId, func(d *Disk, n *node) fuse.Status {
		if size, ok := in.GetSize(); ok && n.isFile() {
			if err := d.resize(n, int64(size)); err != nil {
				return errno(err)
			}
		}
		if mode, ok := in.GetMode(); ok {
			n.mode = n.mode&syscall.S_IFMT | mode
		}
		if uid, ok := in.GetUID(); ok {
			n.uid = uid
		}
		if gid, ok := in.GetGID(); ok {
			n.gid = gid
		}
		if at, ok := in.GetMTime(); ok {
			n.mtime = at
		}
		out.SetTimeout(keepFor)
		n.attr(&out.Attr)
		return fuse.OK
	})
}

// add makes a node and names it.
func (f *front) add(h *fuse.InHeader, name string, out *fuse.EntryOut, create func(d *Disk) (*node, error)) fuse.Status {
	return f.change(h.NodeId, func(d *Disk, dir *node) fuse.Status {
		if dir.entries[name] != nil {
			return fuse.Status(syscall.EEXIST)
		}
		n, err := create(d)
		if err != nil {
			return errno(err)
		}
		d.alter(op{{dir, name, n}})
		return n.entry(out)
	})
}

func (f *front) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return f.add(&in.InHeader, name, out, func(d *Disk) (*node, error) {
		return d.newNode(syscall.S_IFDIR|in.Mode&0o7777, in.Uid, in.Gid), nil
	})
}

func (f *front) Symlink(_ <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return f.add(h, name, out, func(d *Disk) (*node, error) {
		n := d.newNode(syscall.S_IFLNK|0o777, h.Uid, h.Gid)
		n.target = target
		return n, nil
	})
}

func (f *front) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if in.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return fuse.EPERM
	}
	return f.add(&in.InHeader, name, out, func(d *Disk) (*node, error) { return d.create(in.Mode, in.Uid, in.Gid) })
}

func (f *front) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	return f.add(&in.InHeader, name, out, func(d *Disk) (*node, error) {
		if n := d.nodes[in.Oldnodeid]; n != nil && !n.isDir() {
			return n, nil
		}
		return nil, syscall.EPERM
	})
}

func (f *front) Readlink(_ <-chan struct{}, h *fuse.InHeader) (out []byte, status fuse.Status) {
	status = f.on(h.NodeId, func(_ *Disk, n *node) fuse.Status {
		out = []byte(n.target)
		return fuse.OK
	})
	return out, status
}

func (f *front) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return f.change(h.NodeId, func(d *Disk, dir *node) fuse.Status { return d.remove(dir, name, false) })
}

func (f *front) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return f.change(h.NodeId, func(d *Disk, dir *node) fuse.Status { return d.remove(dir, name, true) })
}

func (f *front) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	return f.change(in.NodeId, func(d *Disk, dir *node) fuse.Status {
		to := d.nodes[in.Newdir]
		if to == nil {
			return fuse.ENOENT
		}
		return d.rename(dir, oldName, to, newName, in.Flags)
	})
}

// open gives a handle. The kernel keeps what it has read, as nobody else changes it.
func (d *Disk) open(n *node, flags uint32, out *fuse.OpenOut) *handle {
	n.refs++
	n.opens++
	h := &handle{node: n, sync: flags&(syscall.O_SYNC|syscall.O_DSYNC) != 0}
	d.last++
	d.handles[d.last] = h
	out.Fh, out.OpenFlags = d.last, fuse.FOPEN_KEEP_CACHE
	return h
}

func (f *front) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return f.on(in.NodeId, func(d *Disk, n *node) fuse.Status {
		if in.Flags&syscall.O_TRUNC != 0 {
			if err := d.resize(n, 0); err != nil {
				return errno(err)
			}
		}
		d.open(n, in.Flags, out)
		return fuse.OK
	})
}

func (f *front) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	return f.add(&in.InHeader, name, &out.EntryOut, func(d *Disk) (*node, error) {
		n, err := d.create(syscall.S_IFREG|in.Mode&0o7777, in.Uid, in.Gid)
		if err == nil {
			d.open(n, in.Flags, &out.OpenOut)
		}
		return n, err
	})
}

func (f *front) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return f.on(in.NodeId, func(d *Disk, n *node) fuse.Status {
		h := d.open(n, 0, out)
		out.OpenFlags = 0
		for _, name := range slices.Sorted(maps.Keys(n.entries)) {
			child := n.entries[name]
			h.list = append(h.list, fuse.DirEntry{Name: name, Mode: child.mode, Ino: child.id, Off: uint64(len(h.list)) + 1})
		}
		return fuse.OK
	})
}

func (f *front) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.on(in.NodeId, func(d *Disk, _ *node) fuse.Status {
		h := d.handles[in.Fh]
		if h == nil {
			return fuse.EBADF
		}
		for i := in.Offset; i < uint64(len(h.list)); i++ {
			if !out.AddDirEntry(h.list[i]) {
				break
			}
		}
		return fuse.OK
	})
}

func (f *front) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	n := 0
	status := f.on(in.NodeId, func(_ *Disk, node *node) (status fuse.Status) {
		if !node.isFile() {
			return fuse.Status(syscall.EISDIR)
		}
		var err error
		if n, err = node.file.ReadAt(buf, int64(in.Offset)); errors.Is(err, io.EOF) {
			err = nil
		}
		return errno(err)
	})
	return fuse.ReadResultData(buf[:n]), status
}

func (f *front) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (written uint32, status fuse.Status) {
	status = f.on(in.NodeId, func(d *Disk, n *node) fuse.Status {
		if !n.isFile() {
			return fuse.EBADF
		}
		if err := d.write(n, data, int64(in.Offset)); err != nil {
			return errno(err)
		}
		if h := d.handles[in.Fh]; h != nil && h.sync {
			return d.sync(n)
		}
		return fuse.OK
	})
	if status == fuse.OK {
		written = uint32(len(data))
	}
	return written, status
}

func (f *front) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	return f.change(in.NodeId, func(d *Disk, n *node) fuse.Status {
		if in.Mode != 0 || in.Offset+in.Length > math.MaxInt64 {
			return fuse.Status(syscall.EOPNOTSUPP)
		}
		if end := int64(in.Offset + in.Length); end > n.size {
			return errno(d.resize(n, end))
		}
		return fuse.OK
	})
}

func (f *front) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return f.on(in.NodeId, func(d *Disk, n *node) fuse.Status { return d.sync(n) })
}

func (f *front) FsyncDir(c <-chan struct{}, in *fuse.FsyncIn) fuse.Status { return f.Fsync(c, in) }

func (f *front) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { f.close(in.Fh) }

func (f *front) ReleaseDir(in *fuse.ReleaseIn) { f.close(in.Fh) }

// close forgets a handle, also of a disk that is off.
func (f *front) close(fh uint64) {
	d := f.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if h := d.handles[fh]; h != nil {
		delete(d.handles, fh)
		h.node.opens--
		d.free(h.node)
		d.release(h.node)
	}
}

func (f *front) StatFs(_ <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	return f.on(h.NodeId, func(d *Disk, _ *node) fuse.Status {
		const whole = 1 << 40
		free := min(int64(whole)-d.used, max(d.broken.left, 0))
		*out = fuse.StatfsOut{Bsize: page, Frsize: page, NameLen: 255, Files: 1 << 30, Ffree: 1 << 29}
		out.Blocks, out.Bfree = uint64(d.used+free)/page, uint64(free)/page
		out.Bavail = out.Bfree
		return fuse.OK
	})
}
