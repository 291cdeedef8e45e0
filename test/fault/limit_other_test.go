//go:build !linux

package fault_test

import "errors"

// limitFiles is possible on Linux only.
func limitFiles(int, *rlimit) (rlimit, error) {
	return rlimit{}, errors.New("changing the limits of another process: only on Linux")
}
