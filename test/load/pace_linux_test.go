package load_test

import (
	"syscall"
	"time"
)

// nap sleeps in the kernel, which comes back some 60 µs late. A signal ends it early; the schedule does not mind.
func nap(d time.Duration) {
	t := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&t, nil)
}
