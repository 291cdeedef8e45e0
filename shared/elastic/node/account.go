package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user the server runs as. Elasticsearch refuses to run as root, so root gives it to nobody.
type account struct {
	drop     bool // start as uid and gid; false: as the user that we are
	uid, gid int
	// closed is the first folder on the way to the server's files that this user may not pass, or empty.
	closed string
}

// serverAccount decides who runs a server that must reach the given paths.
func serverAccount(paths ...string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	runner := account{drop: true, uid: 65534, gid: 65534}
	if nobody, err := user.Lookup("nobody"); err == nil {
		uid, uidErr := strconv.Atoi(nobody.Uid)
		gid, gidErr := strconv.Atoi(nobody.Gid)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return runner, fmt.Errorf("looking up the user nobody: %w", err)
		}
		runner.uid, runner.gid = uid, gid
	}
	for _, path := range paths {
		if err := runner.walk(path); err != nil {
			return runner, err
		}
	}
	return runner, nil
}

func (a account) String() string {
	if !a.drop {
		return "own"
	}
	return strconv.Itoa(a.uid)
}

// walk looks for a folder on the way down to path that the account may not pass.
func (a *account) walk(path string) error {
	for dir := path; a.closed == ""; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("looking at the way to %s: %w", path, err)
		}
		if !a.passes(info) {
			a.closed = dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return nil
}

func (a *account) passes(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch {
	case int(owner.Uid) == a.uid:
		return info.Mode()&0o100 != 0
	case int(owner.Gid) == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}

// own gives the folders and all that is in them to the account.
func (a account) own(folders []string) error {
	if !a.drop {
		return nil
	}
	for _, folder := range folders {
		if err := a.ownTree(folder); err != nil {
			return fmt.Errorf("giving %s to user %d, as elasticsearch does not run as root: %w", folder, a.uid, err)
		}
	}
	return nil
}

// ownTree never leaves the folder, even if its present owner puts links there meanwhile.
func (a account) ownTree(folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing was written through it
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return root.Lchown(path, a.uid, a.gid)
	})
}

// start starts cmd as the account, in a network namespace where one is named.
func (a account) start(cmd *exec.Cmd, netns string) error {
	if a.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	err := startReaching(cmd, a.closed != "", netns)
	switch {
	case err == nil:
		return nil
	case a.closed != "":
		return fmt.Errorf("user %d, as whom elasticsearch runs instead of root, may not pass %s, and this process may "+
			"not give it the capability to do so: run as an ordinary user, or choose a folder outside, or chmod o+x %s: %w",
			a.uid, a.closed, a.closed, err)
	case a.drop:
		return fmt.Errorf("launching as user %d instead of root (an ordinary user can do without): %w", a.uid, err)
	}
	return fmt.Errorf("launching: %w", err)
}
