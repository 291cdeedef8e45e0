package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Clock is the processor time of each thread of a process, by the thread's id.
type Clock map[string]reading

type reading struct {
	thread string
	used   time.Duration
}

// ReadClock reads the times that the scheduler keeps, in nanoseconds.
func ReadClock(pid int) (Clock, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	if err != nil || len(tasks) == 0 {
		return nil, fmt.Errorf("process %d shows no threads: %w", pid, os.ErrNotExist)
	}
	c := Clock{}
	for _, task := range tasks {
		name, nameErr := os.ReadFile(task + "/comm")
		times, timesErr := os.ReadFile(task + "/schedstat")
		if nameErr != nil || timesErr != nil {
			continue // it ended meanwhile
		}
		used, _, _ := strings.Cut(string(times), " ")
		ns, err := strconv.ParseInt(used, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s/schedstat: %w", task, err)
		}
		c[filepath.Base(task)] = reading{strings.TrimSpace(string(name)), time.Duration(ns)}
	}
	if len(c) == 0 {
		return nil, fmt.Errorf("/proc/%d/task: this kernel keeps no schedstat: %w", pid, os.ErrNotExist)
	}
	return c, nil
}

// Since is the time that was used since an earlier reading. What the JVM's compilers used counts apart: a server that
// has run for a day compiles nothing any more, and in a short run they would hide what is measured.
func (c Clock) Since(before Clock) (work, compiling time.Duration) {
	for id, now := range c {
		used := now.used - before[id].used
		if strings.Contains(now.thread, "CompilerThre") {
			compiling += used
		} else {
			work += used
		}
	}
	return work, compiling
}
