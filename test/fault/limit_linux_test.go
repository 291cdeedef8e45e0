package fault_test

import (
	"syscall"
	"unsafe"
)

// limitFiles reads a process's limit of open files and, unless next is nil, sets another one.
func limitFiles(pid int, next *rlimit) (rlimit, error) {
	var before rlimit
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(next)), uintptr(unsafe.Pointer(&before)), 0, 0)
	if errno != 0 {
		return before, errno
	}
	return before, nil
}
