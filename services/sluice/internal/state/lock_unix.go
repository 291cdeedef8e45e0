//go:build unix

package state

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrInUse says that another all-in-one runs on the folder.
var ErrInUse = errors.New("another sluice runs on this state folder")

// Lock makes sure that only one all-in-one runs on the folder; it ends with the process, however that ends.
func (d Dir) Lock() (release func(), err error) {
	f, err := os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the state folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%w: %s; stop it or give another --state", ErrInUse, d)
	}
	return func() { _ = f.Close() }, nil
}
