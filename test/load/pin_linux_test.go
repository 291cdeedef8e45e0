package load_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// processors are those on which this process may run.
func processors() (all []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all, nil
}

// pin keeps all threads of a process, and those that they will start, on some processors. It looks again until it finds
// no thread that it has not seen: one may have been started meanwhile.
func pin(pid int, cpus ...int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	seen := map[string]bool{}
	for fresh := true; fresh; {
		fresh = false
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil || len(tasks) == 0 {
			return fmt.Errorf("process %d shows no threads: %w", pid, os.ErrNotExist)
		}
		for _, task := range tasks {
			name := filepath.Base(task)
			if seen[name] {
				continue
			}
			seen[name], fresh = true, true
			tid, err := strconv.Atoi(name)
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
	}
	return nil
}
