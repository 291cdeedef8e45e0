package access

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/sluicelog/sluice/shared/stream"
)

// ConfigFile is the file that the server includes, in a folder that Make was given.
const ConfigFile = "nats-users.conf"

// SeedFile is where a role's seed lies in the folder; NATS_NKEY_FILE of its service names it.
func SeedFile(dir, role string) string { return filepath.Join(dir, role+".nk") }

// retiring is where the public key lies that a rotation replaced and that still counts.
func retiring(dir, role string) string { return filepath.Join(dir, role+".before.pub") }

// Options say what to do with keys that are there already.
type Options struct {
	Rotate []string // roles that get a new key; the present one counts until Retire
	Retire bool     // the keys before the last rotation count no more
}

// Make makes what is missing in a folder: a key for each role, readable by its owner only, and the file for the server.
// It can be repeated. No seed is returned or printed.
func Make(dir string, o Options) ([]stream.Change, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the folder for NATS keys: %w", err)
	}
	var changes []stream.Change
	keys := map[string][]string{}
	for _, role := range Roles() {
		action, err := settle(dir, role.Name, o)
		if err != nil {
			return changes, err
		}
		if keys[role.Name], err = counting(dir, role.Name); err != nil {
			return changes, err
		}
		changes = append(changes, stream.Change{Kind: "nats user", Name: role.Name, Action: action, Detail: SeedFile(dir, role.Name)})
	}
	path := filepath.Join(dir, ConfigFile)
	action, err := replace(path, []byte(render(keys)), 0o644)
	if err != nil {
		return changes, err
	}
	return append(changes, stream.Change{Kind: "nats configuration", Name: path, Action: action}), nil
}

func (o Options) check() error {
	for _, name := range o.Rotate {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("there is no NATS user %q: use one of %s", name, strings.Join(names(), ", "))
		}
	}
	if o.Retire && len(o.Rotate) > 0 {
		return errors.New("rotate first, restart the services with their new keys, and retire the old ones then")
	}
	return nil
}

// names are those of all users.
func names() (all []string) {
	for _, role := range Roles() {
		all = append(all, role.Name)
	}
	return all
}

// settle brings one role's files to what the options say and tells what it did.
func settle(dir, role string, o Options) (action string, err error) {
	present, err := publicKey(dir, role)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "created", newSeed(dir, role)
	case err != nil:
		return "", err
	case slices.Contains(o.Rotate, role):
		if err := mayRotate(dir, role); err != nil {
			return "", err
		}
		if _, err := replace(retiring(dir, role), []byte(present+"\n"), 0o644); err != nil {
			return "", err
		}
		return "rotated", newSeed(dir, role)
	case o.Retire:
		err := os.Remove(retiring(dir, role))
		if errors.Is(err, fs.ErrNotExist) {
			return "unchanged", nil
		}
		return "old key retired", err
	}
	return "unchanged", nil
}

// mayRotate refuses a second rotation before the first one is over: services with the key before would be locked out.
func mayRotate(dir, role string) error {
	if _, err := os.Stat(retiring(dir, role)); err == nil {
		return fmt.Errorf("the NATS user %s is being rotated: restart its services with %s and run this with --retire first", role, SeedFile(dir, role))
	}
	return nil
}

// newSeed makes a key that nobody but the owner of the file can read.
func newSeed(dir, role string) error {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return fmt.Errorf("making a key for the NATS user %s: %w", role, err)
	}
	defer pair.Wipe()
	seed, err := pair.Seed()
	if err != nil {
		return fmt.Errorf("making a key for the NATS user %s: %w", role, err)
	}
	defer clear(seed)
	_, err = replace(SeedFile(dir, role), append(seed, '\n'), 0o600)
	return err
}

// publicKey reads the public half of a role's seed. The error does not show the file's content.
func publicKey(dir, role string) (string, error) {
	path := SeedFile(dir, role)
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	if err != nil {
		return "", err
	}
	defer clear(raw)
	if at, err := os.Stat(path); err == nil && at.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("others may read %s (%04o): chmod 600 it, and rotate the NATS user %s", path, at.Mode().Perm(), role)
	}
	pair, err := nkeys.FromSeed(bytes.TrimSpace(raw))
	if err != nil {
		return "", fmt.Errorf("%s holds no nkey seed; remove it to make a new one", path)
	}
	defer pair.Wipe()
	key, err := pair.PublicKey()
	if err != nil || !nkeys.IsValidPublicUserKey(key) {
		return "", fmt.Errorf("%s holds the seed of something else than a user; remove it to make a new one", path)
	}
	return key, nil
}

// counting are the public keys that the server shall take for a role, the newest first.
func counting(dir, role string) ([]string, error) {
	key, err := publicKey(dir, role)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(retiring(dir, role))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{key}, nil
	}
	if err != nil {
		return nil, err
	}
	before := strings.TrimSpace(string(raw))
	if !nkeys.IsValidPublicUserKey(before) {
		return nil, fmt.Errorf("%s holds no public key of a user; remove it", retiring(dir, role))
	}
	if before == key { // a rotation that was killed half way
		return []string{key}, nil
	}
	return []string{key, before}, nil
}

// replace replaces a file whole, or not at all; it tells whether that changed anything.
func replace(path string, content []byte, mode fs.FileMode) (action string, err error) {
	before, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	switch {
	case err == nil && bytes.Equal(before, content):
		return "unchanged", nil
	case err == nil:
		action = "updated"
	case errors.Is(err, fs.ErrNotExist):
		action = "created"
	default:
		return "", err
	}
	next, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600 from the beginning
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(next.Name()) }()
	_, err = next.Write(content)
	err = errors.Join(err, next.Chmod(mode), next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	return action, err
}
