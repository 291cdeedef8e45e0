package node

import (
	"os"
	"strconv"
	"strings"
)

// eachProcess calls visit for every process that has arguments; kernel threads and zombies have none.
func eachProcess(visit func(pid int, args []string)) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile("/proc/" + entry.Name() + "/cmdline")
		if err != nil || len(line) == 0 {
			continue // it ended meanwhile
		}
		visit(pid, strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00"))
	}
	return nil
}
