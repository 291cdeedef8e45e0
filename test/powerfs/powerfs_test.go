//go:build linux

package powerfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/powerfs"
)

// mounted is a fresh disk and where it is seen.
func mounted(t *testing.T, o powerfs.Options) (*powerfs.Disk, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("mounting a file system needs root, and CI is not root")
		}
		t.Skip("SKIPPED: mounting a file system needs root")
	}
	o.Dir = filepath.Join(t.TempDir(), "disk")
	d, err := powerfs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	at := t.TempDir()
	if err := d.Mount(at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, at
}

// must are file operations that have to succeed.
type must struct {
	t  *testing.T
	at string
}

func (m must) ok(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m must) path(name string) string { return filepath.Join(m.at, name) }

// open opens or makes a file for the length of a step.
func (m must) open(name string, flags int, do func(f *os.File)) {
	m.t.Helper()
	f, err := os.OpenFile(m.path(name), flags, 0o644)
	m.ok(err)
	do(f)
	m.ok(f.Close())
}

func (m must) write(name, text string) {
	m.t.Helper()
	m.ok(os.WriteFile(m.path(name), []byte(text), 0o644))
}

func (m must) add(name, text string) {
	m.t.Helper()
	m.open(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, func(f *os.File) {
		_, err := f.WriteString(text)
		m.ok(err)
	})
}

// sync syncs a file or a folder.
func (m must) sync(name string) {
	m.t.Helper()
	m.open(name, os.O_RDONLY, func(f *os.File) { m.ok(f.Sync()) })
}

func (m must) rename(from, to string) { m.t.Helper(); m.ok(os.Rename(m.path(from), m.path(to))) }
func (m must) remove(name string)     { m.t.Helper(); m.ok(os.Remove(m.path(name))) }
func (m must) mkdir(name string)      { m.t.Helper(); m.ok(os.MkdirAll(m.path(name), 0o755)) }
func (m must) truncate(name string, size int64) {
	m.t.Helper()
	m.ok(os.Truncate(m.path(name), size))
}

// tree is what is there: files with their content, folders with a slash.
func (m must) tree() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	m.ok(filepath.WalkDir(m.at, func(path string, e fs.DirEntry, err error) error {
		name, _ := filepath.Rel(m.at, path)
		switch {
		case err != nil || name == ".":
			return err
		case e.IsDir():
			all[name+"/"] = ""
		case e.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			all[name+"@"] = target
			return err
		default:
			raw, err := os.ReadFile(path)
			all[name] = string(raw)
			return err
		}
		return nil
	}))
	return all
}

// cutCase is what is done, and what must be there after a cut.
type cutCase struct {
	name   string
	strict bool
	do     func(m must)
	want   map[string]string
}

func cutCases() []cutCase {
	big := strings.Repeat("0123456789abcdef", 1000)
	return []cutCase{
		{"nothing that was not synced", false, func(m must) { m.write("a", "x") }, map[string]string{}},
		{"a synced file with its name", false, func(m must) { m.write("a", "x"); m.sync("a") }, map[string]string{"a": "x"}},
		{"strict: a synced file without its name is gone", true, func(m must) { m.write("a", "x"); m.sync("a") }, map[string]string{}},
		{"strict: a synced file in a synced folder", true, func(m must) { m.write("a", "x"); m.sync("a"); m.sync(".") }, map[string]string{"a": "x"}},
		{"a name in a synced folder without its content", false, func(m must) { m.write("a", "x"); m.sync(".") }, map[string]string{"a": ""}},
		{"a synced file deep down with all its folders", false, func(m must) { m.mkdir("d/e/f"); m.write("d/e/f/a", "x"); m.sync("d/e/f/a") }, map[string]string{"d/": "", "d/e/": "", "d/e/f/": "", "d/e/f/a": "x"}},
		{"strict: a folder in a folder that was not synced is gone", true, func(m must) { m.mkdir("d/e"); m.write("d/e/a", "x"); m.sync("d/e/a"); m.sync("d/e"); m.sync("d") }, map[string]string{}},
		{"of two files the synced one, and its neighbour folder", false, func(m must) { m.mkdir("d"); m.mkdir("e"); m.write("d/a", "x"); m.write("e/b", "y"); m.sync("e/b") }, map[string]string{"d/": "", "e/": "", "e/b": "y"}},
		{"what was appended behind the sync is gone", false, func(m must) { m.write("a", big); m.sync("a"); m.add("a", big) }, map[string]string{"a": big}},
		{"what was overwritten is back", false, func(m must) {
			m.write("a", big)
			m.sync("a")
			m.open("a", os.O_WRONLY, func(f *os.File) { _, err := f.WriteAt([]byte("new"), 5000); m.ok(err) })
		}, map[string]string{"a": big}},
		{"what was cut off is back", false, func(m must) { m.write("a", big); m.sync("a"); m.truncate("a", 10); m.add("a", "other") }, map[string]string{"a": big}},
		{"what was cut off and synced is gone", false, func(m must) { m.write("a", big); m.sync("a"); m.truncate("a", 10); m.sync("a") }, map[string]string{"a": big[:10]}},
		{"a truncated open is undone", false, func(m must) { m.write("a", big); m.sync("a"); m.write("a", "short") }, map[string]string{"a": big}},
		{"the second sync counts", false, func(m must) { m.write("a", "1"); m.sync("a"); m.add("a", "2"); m.sync("a"); m.add("a", "3") }, map[string]string{"a": "12"}},
		{"a hole is zeros", false, func(m must) {
			m.open("a", os.O_CREATE|os.O_RDWR, func(f *os.File) { _, err := f.WriteAt([]byte("x"), 9000); m.ok(err); m.ok(f.Sync()) })
		}, map[string]string{"a": strings.Repeat("\x00", 9000) + "x"}},
		{"a write to a file opened with O_SYNC", false, func(m must) {
			m.open("a", os.O_CREATE|os.O_WRONLY|os.O_SYNC, func(f *os.File) { _, err := f.WriteString("x"); m.ok(err) })
		}, map[string]string{"a": "x"}},
		{"a removed file is back", false, func(m must) { m.write("a", "x"); m.sync("a"); m.remove("a") }, map[string]string{"a": "x"}},
		{"a removed file stays removed when its folder was synced", false, func(m must) { m.write("a", "x"); m.sync("a"); m.remove("a"); m.sync(".") }, map[string]string{}},
		{"a rename is undone, and what it replaced is back", false, func(m must) {
			m.write("a", "old")
			m.sync("a")
			m.write("a.new", "new")
			m.sync("a.new")
			m.rename("a.new", "a")
		}, map[string]string{"a": "old", "a.new": "new"}},
		{"a rename of a synced file in a synced folder", false, func(m must) {
			m.write("a", "old")
			m.sync("a")
			m.write("a.new", "new")
			m.sync("a.new")
			m.rename("a.new", "a")
			m.sync(".")
		}, map[string]string{"a": "new"}},
		{"a rename of a file that was not synced empties it", false, func(m must) {
			m.write("a", "old")
			m.sync("a")
			m.write("a.new", "new")
			m.rename("a.new", "a")
			m.sync(".")
		}, map[string]string{"a": ""}},
		{"a rename between folders is whole, whichever is synced", false, func(m must) {
			m.mkdir("d")
			m.mkdir("e")
			m.write("d/a", "x")
			m.sync("d/a")
			m.sync("e")
			m.rename("d/a", "e/b")
			m.sync("e")
		}, map[string]string{"d/": "", "e/": "", "e/b": "x"}},
		{"a name taken and given back is not resurrected", false, func(m must) {
			m.mkdir("d")
			m.mkdir("e")
			m.write("d/a", "x")
			m.rename("d/a", "e/b")
			m.sync("e")
			m.sync("d")
			m.sync("e/b")
		}, map[string]string{"d/": "", "e/": "", "e/b": "x"}},
		{"a removed folder is back with what was in it", false, func(m must) {
			m.mkdir("d")
			m.write("d/a", "x")
			m.sync("d/a")
			m.remove("d/a")
			m.remove("d")
		}, map[string]string{"d/": "", "d/a": "x"}},
		{"a hard link is another name", false, func(m must) {
			m.write("a", "x")
			m.sync("a")
			m.ok(os.Link(m.path("a"), m.path("b")))
			m.sync(".")
			m.remove("a")
			m.sync(".")
		}, map[string]string{"b": "x"}},
		{"a symbolic link", false, func(m must) { m.ok(os.Symlink("there", m.path("l"))); m.sync(".") }, map[string]string{"l@": "there"}},
		{"reserved room is zeros", false, func(m must) {
			m.open("a", os.O_CREATE|os.O_RDWR, func(f *os.File) { m.ok(syscall.Fallocate(int(f.Fd()), 0, 0, 5)); m.ok(f.Sync()) })
		}, map[string]string{"a": "\x00\x00\x00\x00\x00"}},
	}
}

func TestAfterACutThereIsWhatWasSynced(t *testing.T) {
	for _, c := range cutCases() {
		t.Run(c.name, func(t *testing.T) {
			d, at := mounted(t, powerfs.Options{Strict: c.strict})
			m := must{t, at}
			c.do(m)
			d.Cut()
			loss, err := d.Restore(false)
			m.ok(err)
			if got := m.tree(); !maps.Equal(got, c.want) {
				t.Errorf("%s; there is %.300q, want %.300q", loss, got, c.want)
			}
			m.write("still", "usable")
			m.sync("still")
			if m.tree()["still"] != "usable" {
				t.Error("the disk cannot be written after the cut")
			}
		})
	}
}

func TestUnmountingCleanlyLosesNothing(t *testing.T) {
	d, at := mounted(t, powerfs.Options{})
	m := must{t, at}
	m.mkdir("d")
	m.write("d/a", "never synced")
	m.ok(d.Unmount())
	m.ok(d.Mount(at))
	if got := m.tree(); got["d/a"] != "never synced" {
		t.Errorf("there is %q", got)
	}
	out := t.TempDir()
	m.ok(d.Export(out))
	if raw, err := os.ReadFile(filepath.Join(out, "d", "a")); string(raw) != "never synced" {
		t.Errorf("exported: %q, %v", raw, err)
	}
}

func TestDuringACutNobodyGetsAnAnswerAndThenAnError(t *testing.T) {
	d, at := mounted(t, powerfs.Options{})
	m := must{t, at}
	m.write("a", "x")
	m.sync("a")
	d.Cut()
	answer := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(m.path("new"), os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			err = f.Close()
		}
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Fatalf("a disk without power answered: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	d.Release()
	if err := <-answer; !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want EIO", err)
	}
	_, err := d.Restore(false)
	m.ok(err)
	if got := m.tree(); !maps.Equal(got, map[string]string{"a": "x"}) {
		t.Errorf("there is %q", got)
	}
}

// TestATornCutKeepsAnythingButHarmsNothingSynced writes at random and compares with what it knows: behind a cut each
// sector is the synced or the written one, and what was synced last and not written since is untouched.
func TestATornCutKeepsAnythingButHarmsNothingSynced(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	d, at := mounted(t, powerfs.Options{Seed: seed})
	m := must{t, at}
	kept, undone := 0, 0
	for range 60 {
		synced := random(dice, dice.IntN(20_000))
		m.write("a", string(synced))
		m.sync("a")
		now := slices.Clone(synced)
		m.open("a", os.O_RDWR, func(f *os.File) {
			for range 1 + dice.IntN(4) {
				at, piece := dice.IntN(len(now)+3000), random(dice, 1+dice.IntN(6000))
				_, err := f.WriteAt(piece, int64(at))
				m.ok(err)
				now = append(now, make([]byte, max(0, at+len(piece)-len(now)))...)
				copy(now[at:], piece)
			}
		})
		d.Cut()
		_, err := d.Restore(true)
		m.ok(err)
		raw, err := os.ReadFile(m.path("a"))
		m.ok(err)
		k, u, why := torn(raw, synced, now)
		if why != "" {
			t.Fatalf("seed %d: %s", seed, why)
		}
		kept, undone = kept+k, undone+u
	}
	if kept == 0 || undone == 0 {
		t.Errorf("over 60 cuts %d sectors stayed new and %d became old: neither may be 0", kept, undone)
	}
}

// torn compares what is there with what was synced and what was written last, sector by sector.
func torn(there, synced, now []byte) (kept, undone int, why string) {
	if len(there) < len(synced) || len(there) > len(now) {
		return 0, 0, fmt.Sprintf("%d bytes are there, %d were synced and %d written", len(there), len(synced), len(now))
	}
	padded := append(slices.Clone(synced), make([]byte, len(now)-len(synced))...)
	for from := 0; from < len(there); from += 512 {
		to := min(from+512, len(there))
		isOld, isNew := bytes.Equal(there[from:to], padded[from:to]), bytes.Equal(there[from:to], now[from:to])
		switch {
		case !isOld && !isNew:
			return 0, 0, fmt.Sprintf("the sector at %d is neither the synced nor the written one", from)
		case isNew && !isOld:
			kept++
		case isOld && !isNew:
			undone++
		}
	}
	return kept, undone, ""
}

func random(dice *rand.Rand, n int) []byte {
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(dice.Uint32())
	}
	return raw
}

func TestATornCutKeepsNamesFromTheBeginning(t *testing.T) {
	d, at := mounted(t, powerfs.Options{Seed: 7})
	m := must{t, at}
	sizes := map[int]bool{}
	for range 20 {
		for n := range 8 {
			m.write(strconv.Itoa(n), "")
		}
		d.Cut()
		_, err := d.Restore(true)
		m.ok(err)
		got := slices.Sorted(maps.Keys(m.tree()))
		for i, name := range got {
			if name != strconv.Itoa(i) {
				t.Fatalf("there is %q: not a beginning", got)
			}
			m.remove(name)
		}
		m.sync(".")
		sizes[len(got)] = true
	}
	if len(sizes) < 3 {
		t.Errorf("only %d different results of 20 torn cuts", len(sizes))
	}
}

func TestAFullDisk(t *testing.T) {
	d, at := mounted(t, powerfs.Options{})
	m := must{t, at}
	m.write("old", strings.Repeat("x", 1000))
	d.LimitRoom(1500)
	m.write("a", strings.Repeat("x", 1000))
	if err := os.WriteFile(m.path("b"), make([]byte, 1000), 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	var stat syscall.Statfs_t
	m.ok(syscall.Statfs(at, &stat))
	if stat.Bavail*uint64(stat.Bsize) > 1500 {
		t.Errorf("%d bytes are said to be free", stat.Bavail*uint64(stat.Bsize))
	}
	m.open("a", os.O_WRONLY, func(f *os.File) { _, err := f.WriteAt([]byte("y"), 5); m.ok(err) }) // needs no room
	m.remove("old")
	m.write("b", strings.Repeat("x", 1000))
	if err := os.WriteFile(m.path("c"), make([]byte, 1000), 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v, want ENOSPC", err)
	}
	d.Repair()
	m.write("c", strings.Repeat("x", 1000))
}

func TestABrokenDisk(t *testing.T) {
	d, at := mounted(t, powerfs.Options{})
	m := must{t, at}
	m.open("a", os.O_CREATE|os.O_RDWR, func(f *os.File) {
		put := func(text string) { _, err := f.WriteString(text); m.ok(err) }
		put("1")
		d.FailSyncs(1)
		m.ok(f.Sync())
		put("2")
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Errorf("a failing sync gave %v", err)
		}
		d.Repair()
		m.ok(f.Sync()) // succeeds, without what the failed one dropped
	})
	d.FailWrites(1)
	m.add("b", "x")
	if err := os.WriteFile(m.path("c"), []byte("x"), 0o644); !errors.Is(err, syscall.EIO) {
		t.Errorf("a failing write gave %v", err)
	}
	d.Repair()
	d.ReadOnly()
	if err := os.WriteFile(m.path("c"), []byte("x"), 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a read-only disk gave %v", err)
	}
	if raw, err := os.ReadFile(m.path("a")); string(raw) != "12" {
		t.Errorf("a read-only disk reads %q, %v", raw, err)
	}
	d.Repair()
	if n := d.Counts().Refused; n != 3 {
		t.Errorf("%d refusals counted, want 3", n)
	}
	d.Cut()
	_, err := d.Restore(false)
	m.ok(err)
	if got := m.tree()["a"]; got != "1\x00" {
		t.Errorf("after a failed sync, one that worked and a cut there is %q", got)
	}
}

func TestASlowDisk(t *testing.T) {
	d, at := mounted(t, powerfs.Options{})
	m := must{t, at}
	m.write("a", "x")
	d.DelaySyncs(50 * time.Millisecond)
	begin := time.Now()
	m.sync("a")
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("a slow sync took %s", took)
	}
}
