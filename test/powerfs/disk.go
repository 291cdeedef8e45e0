//go:build linux

// Package powerfs is a file system for tests, mounted through FUSE, whose power can be cut: what a program wrote and did
// not sync is then gone, as on a real disk, where killing the program alone loses nothing. It is also a slow disk, a full
// one, a broken one and a read-only one. Mounting needs root.
//
// # What a cut leaves
//
// The model promises a program what the common journaling file systems of Linux promise (ext4, XFS, btrfs), and breaks
// everything beyond that:
//
//   - What a file holds is on disk when fsync, fdatasync or a write to a file opened with O_SYNC or O_DSYNC has returned.
//     Nothing is ever written back by itself, however long one waits.
//   - A creation, rename, link or removal is on disk when its folder was synced. Syncing a file or a folder also keeps the
//     name by which it is found, with all that was done to that folder before, up to the root; nothing else. With
//     Options.Strict not even that, as POSIX has it.
//   - A rename is kept as a whole or not at all, also between folders; but it says nothing about the file's content: a file
//     that was renamed and not synced is empty afterwards.
//   - After a torn cut (see [Disk.Restore]) of what was not synced anything may be there: of names a part from the
//     beginning, of contents any sectors, of a file that grew any size, with zeros where nothing was written, of one that
//     was cut either size. What was synced is never harmed, also not in a sector that was written again behind it.
//   - A sync that failed drops what it should have written: later syncs succeed without it, as Linux does.
//
// Owner, mode and times are kept at once. Memory maps can be read. Special files and extended attributes do not exist.
//
// # How
//
// Every file's present content lies in an ordinary file of a folder, by its number; what it replaced and what is on disk
// are in memory, so that a cut can put it back.
package powerfs

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// Options say what kind of disk it is.
type Options struct {
	Dir    string // keeps the contents; must be empty or missing
	Seed   uint64 // of what a torn cut keeps
	Strict bool   // a name is kept only by a sync of its folder
}

// sector is the unit of what a disk writes at once: it is there or not, never a part of it.
const sector = 512

// page is the unit in which changes are remembered.
const page = 4096

// Disk is one disk. It is safe for concurrent use.
type Disk struct {
	opts Options
	dice *rand.Rand

	mu      sync.Mutex
	wake    *sync.Cond
	off     bool // nothing gets an answer
	failing bool // and now what waits is told that it failed
	root    *node
	nodes   map[uint64]*node
	handles map[uint64]*handle
	last    uint64 // number given
	journal []op
	used    int64
	broken  broken
	counts  Counts

	at     string // where it is mounted
	server *fuse.Server
	done   chan struct{} // closed when server has ended
}

// Counts are what happened to a disk.
type Counts struct {
	Writes, Syncs int // answered well
	Refused       int // answered with an error by one of the Fail and Limit methods
}

// node is a file, folder or symbolic link.
type node struct {
	id       uint64
	mode     uint32 // with type
	uid, gid uint32
	mtime    time.Time
	links    uint32
	refs     int    // names, present and on disk, pending ones, and open handles
	opens    int    // open handles
	parent   *node  // by which it was last named
	target   string // of a link

	entries map[string]*node // of a folder: what programs see
	kept    map[string]*node // what is on disk

	file  *os.File         // of a file: its present content
	size  int64            //
	ksize int64            // on disk
	dirty map[int64][]byte // pages that are not synced, with what is on disk; shorter than a page at the file's end
	lost  map[int64][]byte // pages that a failed sync dropped
}

// handle is an open file, or the listing of an open folder.
type handle struct {
	node *node
	sync bool
	list []fuse.DirEntry
}

// New makes an empty disk.
func New(o Options) (*Disk, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder behind the disk: %w", err)
	}
	if there, err := os.ReadDir(o.Dir); err != nil || len(there) > 0 {
		return nil, fmt.Errorf("the folder behind the disk, %s, is not empty or cannot be read: %w", o.Dir, err)
	}
	d := &Disk{
		opts: o, dice: rand.New(rand.NewPCG(o.Seed, 0xd15c)), nodes: map[uint64]*node{}, handles: map[uint64]*handle{},
	}
	d.wake = sync.NewCond(&d.mu)
	d.broken.reset()
	d.root = d.newNode(syscall.S_IFDIR|0o755, uint32(os.Geteuid()), uint32(os.Getegid()))
	d.root.refs, d.root.links = 1, 2
	return d, nil
}

// newNode gives the next number; the first one is the root's, as FUSE wants it.
func (d *Disk) newNode(mode, uid, gid uint32) *node {
	d.last++
	n := &node{id: d.last, mode: mode, uid: uid, gid: gid, mtime: time.Now(), dirty: map[int64][]byte{}, lost: map[int64][]byte{}}
	if n.isDir() {
		n.entries, n.kept, n.links = map[string]*node{}, map[string]*node{}, 1
	}
	d.nodes[n.id] = n
	return n
}

func (n *node) isDir() bool  { return n.mode&syscall.S_IFMT == syscall.S_IFDIR }
func (n *node) isFile() bool { return n.mode&syscall.S_IFMT == syscall.S_IFREG }

// path is where a file's content lies.
func (d *Disk) path(n *node) string {
	return filepath.Join(d.opts.Dir, strconv.FormatUint(n.id, 10))
}

// release takes back a reference and forgets what nobody can reach any more.
func (d *Disk) release(n *node) {
	if n.refs--; n.refs > 0 {
		return
	}
	delete(d.nodes, n.id)
	if n.file != nil {
		_ = n.file.Close()
		_ = os.Remove(d.path(n))
	}
}

// free gives back the room of a file that no program can reach any more.
func (d *Disk) free(n *node) {
	if n.isFile() && n.links == 0 && n.opens == 0 {
		d.used -= n.size
		d.broken.took(-n.size)
	}
}

// Export links what programs see now into a folder, as ordinary files, for people who look for what went wrong.
func (d *Disk) Export(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.export(d.root, dir)
}

func (d *Disk) export(n *node, to string) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for name, child := range n.entries {
		path := filepath.Join(to, name)
		var err error
		switch {
		case child.isDir():
			err = d.export(child, path)
		case child.isFile():
			err = os.Link(d.path(child), path)
		default:
			err = os.Symlink(child.target, path)
		}
		if err != nil {
			return fmt.Errorf("exporting the disk: %w", err)
		}
	}
	return nil
}

// Counts says what happened so far.
func (d *Disk) Counts() Counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts
}

// errno is the answer for an error of the folder behind the disk.
func errno(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	if e, ok := err.(syscall.Errno); ok { //nolint:errorlint // bare system calls
		return fuse.Status(e)
	}
	if p, ok := err.(*fs.PathError); ok { //nolint:errorlint // as os returns it
		return errno(p.Err)
	}
	return fuse.EIO
}
