//go:build linux

package powerfs

import (
	"math"
	"syscall"
	"time"
)

// broken is what is wrong with a disk.
type broken struct {
	delay      time.Duration
	left       int64 // bytes that may still be written anew
	syncsLeft  int   // until syncs fail
	writesLeft int   // until writes fail
	readOnly   bool
}

func (b *broken) reset() {
	*b = broken{left: math.MaxInt64, syncsLeft: math.MaxInt, writesLeft: math.MaxInt}
}

// room says whether a file may grow so far; it is asked once for every write.
func (b *broken) room(more int64) error {
	switch {
	case b.readOnly:
		return syscall.EROFS
	case b.writesLeft <= 0:
		return syscall.EIO
	case more > b.left:
		return syscall.ENOSPC
	}
	if b.writesLeft != math.MaxInt {
		b.writesLeft--
	}
	return nil
}

func (b *broken) took(bytes int64) {
	if b.left != math.MaxInt64 {
		b.left -= bytes
	}
}

func (b *broken) syncing() error {
	if b.syncsLeft <= 0 {
		return syscall.EIO
	}
	if b.syncsLeft != math.MaxInt {
		b.syncsLeft--
	}
	return nil
}

// set changes what is wrong.
func (d *Disk) set(change func(*broken)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.broken)
}

// DelaySyncs lets every sync take at least so long.
func (d *Disk) DelaySyncs(wait time.Duration) { d.set(func(b *broken) { b.delay = wait }) }

// LimitRoom lets files grow by so many bytes altogether, then no space is left. What is removed makes room again.
func (d *Disk) LimitRoom(bytes int64) { d.set(func(b *broken) { b.left = bytes }) }

// FailSyncs lets so many syncs succeed, and none after that: they give EIO.
func (d *Disk) FailSyncs(after int) { d.set(func(b *broken) { b.syncsLeft = after }) }

// FailWrites lets so many writes succeed, and none after that: they give EIO.
func (d *Disk) FailWrites(after int) { d.set(func(b *broken) { b.writesLeft = after }) }

// ReadOnly refuses every change from now on.
func (d *Disk) ReadOnly() { d.set(func(b *broken) { b.readOnly = true }) }

// Repair ends what DelaySyncs, LimitRoom, FailSyncs, FailWrites and ReadOnly began.
func (d *Disk) Repair() { d.set((*broken).reset) }
