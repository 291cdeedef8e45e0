//go:build !linux

package node

import (
	"errors"
	"os/exec"
)

// startReaching starts cmd. Letting it pass folders that are closed to its user (reach) is possible on Linux only.
func startReaching(cmd *exec.Cmd, reach bool) error {
	if reach {
		return errors.New("there are no capabilities on this system")
	}
	return cmd.Start()
}
