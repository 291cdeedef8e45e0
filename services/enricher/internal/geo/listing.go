package geo

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
)

// maxFiles bounds how many files of a folder are read: nobody needs more, and a wrong folder should not fill the memory.
const maxFiles = 16

// entryInfo is a file as it was when it was looked at.
type entryInfo struct {
	path string
	info os.FileInfo
}

// same says that nothing was replaced or written since.
func (e entryInfo) same(o entryInfo) bool {
	return e.path == o.path && os.SameFile(e.info, o.info) && e.info.Size() == o.info.Size() && e.info.ModTime().Equal(o.info.ModTime())
}

// listing are the files of a path, by name.
type listing []entryInfo

func (l listing) same(o listing) bool { return slices.EqualFunc(l, o, entryInfo.same) }

// list finds the file, or the *.mmdb of the folder.
func list(path string) (listing, error) {
	const hint = "set ENRICHER_GEOIP to an MMDB file or a folder of them; `make geoip` gets one"
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("there is no GeoIP database: %w; %s", err, hint)
	}
	if !info.IsDir() {
		return listing{{path, info}}, nil
	}
	names, err := filepath.Glob(filepath.Join(escape(path), "*.mmdb"))
	if err != nil {
		return nil, fmt.Errorf("looking for GeoIP databases in %s: %w", path, err)
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("the folder %s has no *.mmdb file; %s", path, hint)
	case len(names) > maxFiles:
		return nil, fmt.Errorf("the folder %s has %d *.mmdb files, but at most %d are read; is it the right one?", path, len(names), maxFiles)
	}
	var found listing
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("looking at the GeoIP databases in %s: %w", path, err)
		}
		found = append(found, entryInfo{name, info})
	}
	return found, nil
}

// read loads all files of a listing; those that have not changed since old are taken from there.
func (l listing) read(old *generation, log *slog.Logger) (*generation, error) {
	var files []*file
	var useless error
	for _, e := range l {
		f, err := old.find(e), error(nil)
		if f == nil {
			f, err = readFile(e)
		}
		switch {
		case errors.Is(err, errUseless):
			useless = err
			log.Warn("a GeoIP database is not used", "error", err)
		case err != nil:
			return nil, err
		default:
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil, useless
	}
	return newGeneration(files), nil
}

// find is the unchanged file of a generation, nil for none; the caller gets a copy that shares the reader.
func (g *generation) find(e entryInfo) *file {
	if g == nil {
		return nil
	}
	for _, f := range g.files {
		if f.from.same(e) {
			again := *f
			return &again
		}
	}
	return nil
}
