//go:build unix

package allinone

import "syscall"

// diskFree is the room on dir's disk that this user may take, in bytes, plus nothing for what we hold there already.
func diskFree(dir string) (int64, bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, false
	}
	return int64(fs.Bavail) * int64(fs.Bsize), true //nolint:unconvert // the types differ between systems
}
