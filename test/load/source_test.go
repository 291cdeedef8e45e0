package load_test

import (
	"os/exec"
	"strings"
	"sync"
)

// source names what is measured, as it was when somebody first asked. The pages that a run writes are no source: after its
// first section all the others would be of a changed tree.
var source = sync.OnceValue(func() string { //nolint:gochecknoglobals // one answer for all benchmarks of a process
	name, err := git("describe", "--always")
	if err != nil {
		return "an unknown commit"
	}
	changes, err := git("status", "--porcelain", "--", ":(top)", ":(top,exclude)test/load/RESULTS.md", ":(top,exclude)test/load/TARGETS.md")
	if err != nil || changes != "" {
		name += "-dirty"
	}
	return "commit " + name
})

// git asks in the folder of this package, where go test runs.
func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	return strings.TrimSpace(string(out)), err
}
