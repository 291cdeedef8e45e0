package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// From linux/capability.h, linux/prctl.h and linux/securebits.h.
const (
	capDACReadSearch  = 2
	prSetSecurebits   = 28
	secureNoUIDFixups = 1 << 2 // SECBIT_NO_SETUID_FIXUP
)

// enter moves the calling thread into a named network namespace; an empty name moves nothing.
func enter(netns string) error {
	if netns == "" {
		return nil
	}
	f, err := os.Open(filepath.Join("/run/netns", netns)) //nolint:gosec // the caller names the namespace
	if err != nil {
		return fmt.Errorf("entering a network namespace: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering network namespace %s: %w", netns, err)
	}
	return nil
}

// startReaching starts cmd. With reach it gets one capability along: to pass and read folders that are closed to its
// user, so that root's state may lie below a folder of mode 0700. It can write nothing by that but what is its own.
//
// The capability alone would not do: access(2), which the JVM and the shell ask before they open a file, leaves the
// capabilities of an ordinary user out of account. The secure bit ends that. It belongs to a thread and is inherited,
// so it is set on a thread that starts the command and then ends.
//
// A network namespace belongs to a thread, too, so cmd is started from one that has entered it.
func startReaching(cmd *exec.Cmd, reach bool, netns string) error {
	if !reach && netns == "" {
		return cmd.Start()
	}
	if reach {
		cmd.SysProcAttr.AmbientCaps = []uintptr{capDACReadSearch}
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if reach {
			if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetSecurebits, secureNoUIDFixups, 0); errno != 0 {
				done <- fmt.Errorf("setting secure bits: %w", errno)
				return
			}
		}
		if err := enter(netns); err != nil {
			done <- err
			return
		}
		done <- cmd.Start()
	}()
	err := <-done
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("this needs CAP_SETPCAP, CAP_SETUID and CAP_DAC_READ_SEARCH: %w", err)
	}
	return err
}
