//go:build !linux

package node

import (
	"errors"
	"os/exec"
)

// startReaching starts cmd. Letting it pass folders that are closed to its user (reach) and network namespaces are
// possible on Linux only.
func startReaching(cmd *exec.Cmd, reach bool, netns string) error {
	if reach || netns != "" {
		return errors.New("there are no capabilities and no network namespaces on this system")
	}
	return cmd.Start()
}
