// Package leaktest knows secrets by their form and finds them where they must not be: in logs, output and data.
//
// Every token that Sluice makes begins with slc_ and has 43 characters more, and so do the passwords of its tests. The
// seed of a NATS user's key has a form of its own. So nobody need keep a list of the secrets of a run to find all of them
// in whatever it left behind.
package leaktest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
)

// form is how a secret looks: what it begins with, how many characters follow, and which.
type form struct {
	prefix string
	tail   int
	of     string
	valid  func(all []byte) bool // nil: whatever looks like it
}

const (
	base32    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	prefix    = "slc_" // of tokens and of a test's passwords
	longest   = 64     // bytes of any form
)

// forms are those of tokens and of the seeds of NATS users.
func forms() []form { return []form{{prefix, 43, base64URL, nil}, {"SU", 56, base32, isSeed}} }

// Secret makes a secret for a test, of a form that is searched for.
func Secret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return prefix + base64.RawURLEncoding.EncodeToString(raw)
}

// Leak is a secret in a place where none belongs.
type Leak struct {
	Path string
	Line int
	Text string // the line around it, with the secret cut off
}

// String names the place without telling the secret.
func (l Leak) String() string { return fmt.Sprintf("%s:%d: %s", l.Path, l.Line, l.Text) }

// In finds secrets in a text, but for those in lines that are announced to a person.
func In(path string, text []byte) (found []Leak) {
	line := 0
	for raw := range bytes.Lines(text) {
		line++
		if at := index(raw); at >= 0 && !announced(string(raw)) {
			found = append(found, Leak{Path: path, Line: line, Text: string(raw[max(0, at-120):at+8]) + "…"})
		}
	}
	return found
}

// index is where the first secret begins, -1 when there is none.
func index(text []byte) int {
	first := -1
	for _, f := range forms() {
		if at := f.index(text); at >= 0 && (first < 0 || at < first) {
			first = at
		}
	}
	return first
}

func (f form) index(text []byte) int {
	for from := 0; ; {
		at := bytes.Index(text[from:], []byte(f.prefix))
		if at < 0 {
			return -1
		}
		at += from
		from = at + len(f.prefix)
		// In the middle of a word it is chance: made-up ids are long, and there are many of them.
		if begins := at == 0 || !strings.ContainsRune(f.of, rune(text[at-1])); begins && f.isTail(text[from:]) {
			return at
		}
	}
}

func (f form) isTail(text []byte) bool {
	if len(text) < f.tail || len(bytes.Trim(text[:f.tail], f.of)) > 0 {
		return false
	}
	return f.valid == nil || f.valid(append([]byte(f.prefix), text[:f.tail]...))
}

// isSeed checks the sum that a seed ends with: data that is compressed looks like one now and then.
func isSeed(text []byte) bool {
	_, err := nkeys.FromSeed(text)
	return err == nil
}

// announced reports whether a line is what `up` and `endpoint create` print to their person: the field of Auth0's form,
// and the curl that works as it stands.
func announced(line string) bool {
	return strings.HasPrefix(line, "  Authorization Token ") || strings.HasPrefix(line, "  curl -sS -H 'Authorization: ")
}

// private are files that keep a secret for their owner, and must be readable by nobody else.
func private(name string) bool {
	return name == "credentials.json" || name == "ready.json" || name == "token" || strings.HasSuffix(name, ".nk")
}

// Find looks into every file below the paths. A file that may keep a secret is a leak when others can read it.
func Find(paths ...string) (found []Leak, files int, err error) {
	for _, top := range paths {
		problem := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return gone(err)
			}
			files++
			some, err := inFile(path)
			found = append(found, some...)
			return gone(err)
		})
		err = errors.Join(err, problem)
	}
	return found, files, err
}

// gone forgives files that vanish while they are looked for.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// inFile looks into one file. A secret in a long binary file is found as well, but only that there is one.
func inFile(path string) ([]Leak, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	has, err := contains(f)
	if err != nil || !has {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if private(filepath.Base(path)) {
		if info.Mode().Perm()&0o077 != 0 {
			return []Leak{{Path: path, Line: 1, Text: "keeps a secret and can be read by others: " + info.Mode().String()}}, nil
		}
		return nil, nil
	}
	text, err := os.ReadFile(path)
	return In(path, text), err
}

// contains reads on until a secret came by.
func contains(r io.Reader) (bool, error) {
	const step, overlap = 1 << 20, longest
	buffer, kept := make([]byte, overlap+step), 0
	for {
		n, err := io.ReadFull(r, buffer[kept:])
		all := buffer[:kept+n]
		if index(all) >= 0 {
			return true, nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept = copy(buffer, all[len(all)-overlap:])
	}
}

// Check fails a test that left a secret in a file below one of the paths.
func Check(tb testing.TB, paths ...string) {
	tb.Helper()
	found, _, err := Find(paths...)
	if err != nil {
		tb.Errorf("looking for secrets: %v", err)
	}
	for _, leak := range found {
		tb.Errorf("a secret lies where none belongs: %s", leak)
	}
}
