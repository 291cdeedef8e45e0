package access_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/access"
)

// lines keeps what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// files reads a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, "listing", err)
	all := map[string]string{}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, "reading", err)
		all[e.Name()] = string(raw)
	}
	return all
}

func TestKeysAreMadeOnceAndReadByTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	changes, err := access.Make(dir, access.Options{})
	must(t, "making keys", err)
	before := files(t, dir)
	if len(before) != 5 || len(changes) != 5 {
		t.Fatalf("%d files, %d changes", len(before), len(changes))
	}
	for name, text := range before {
		at, err := os.Stat(filepath.Join(dir, name))
		must(t, "looking", err)
		if strings.HasSuffix(name, ".nk") {
			if at.Mode().Perm() != 0o600 || !strings.HasPrefix(text, "SU") {
				t.Errorf("%s has mode %04o", name, at.Mode().Perm())
			}
			if strings.Contains(before[access.ConfigFile], strings.TrimSpace(text)) {
				t.Errorf("the seed in %s is in the server's file", name)
			}
			for _, c := range changes {
				if strings.Contains(c.Detail+c.Name, strings.TrimSpace(text)) {
					t.Errorf("the seed in %s is told", name)
				}
			}
		}
	}
	changes, err = access.Make(dir, access.Options{})
	must(t, "making keys again", err)
	for _, c := range changes {
		if c.Action != "unchanged" {
			t.Errorf("%s is %s the second time", c.Name, c.Action)
		}
	}
	for name, text := range files(t, dir) {
		if before[name] != text {
			t.Errorf("%s has changed", name)
		}
	}
}

func TestARotationLetsBothKeysInUntilTheOldOneIsRetired(t *testing.T) {
	s := open(t)
	old := s.dir + "/old"
	raw, err := os.ReadFile(access.SeedFile(s.dir, access.Receiver))
	must(t, "reading", err)
	must(t, "copying", os.WriteFile(old, raw, 0o600))
	enters := func(file string) error {
		cfg := s.config(access.Receiver)
		cfg.NATSNkey = file
		conn, err := stream.Open(t.Context(), "receiver", cfg, slog.New(slog.DiscardHandler))
		if err == nil {
			conn.Close()
		}
		return err
	}
	change := func(o access.Options) {
		t.Helper()
		_, err := access.Make(s.dir, o)
		must(t, "changing keys", err)
		s.Reload(t)
	}
	change(access.Options{Rotate: []string{access.Receiver}})
	must(t, "the new key", enters(access.SeedFile(s.dir, access.Receiver)))
	must(t, "the old key before it is retired", enters(old))
	if _, err := access.Make(s.dir, access.Options{Rotate: []string{access.Receiver}}); err == nil || !strings.Contains(err.Error(), "--retire") {
		t.Errorf("a second rotation before the first one is over: %v", err)
	}
	change(access.Options{Retire: true})
	must(t, "the new key", enters(access.SeedFile(s.dir, access.Receiver)))
	if err := enters(old); !errors.Is(err, nats.ErrAuthorization) || !strings.Contains(err.Error(), "NATS_NKEY_FILE") {
		t.Errorf("the retired key: %v", err)
	}
}

func TestKeysThatCannotBeTrustedAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path string) error
		want  string
	}{
		"others may read it": {func(path string) error { return os.Chmod(path, 0o644) }, "chmod 600"},
		"no seed":            {func(path string) error { return os.WriteFile(path, []byte("SUrubbish-that-must-not-be-shown"), 0o600) }, "no nkey seed"},
	} {
		dir := t.TempDir()
		_, err := access.Make(dir, access.Options{})
		must(t, "making keys", err)
		must(t, "spoiling", c.spoil(access.SeedFile(dir, access.Indexer)))
		if _, err := access.Make(dir, access.Options{}); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "must-not-be-shown") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := access.Make(t.TempDir(), access.Options{Rotate: []string{"janitor"}}); err == nil || !strings.Contains(err.Error(), "janitor") {
		t.Errorf("an unknown role: %v", err)
	}
}
