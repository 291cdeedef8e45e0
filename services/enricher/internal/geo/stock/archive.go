package stock

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// maxEntry bounds one file of an archive, in bytes.
const maxEntry = 256 << 20

// walk shows every file of an npm archive, until see returns io.EOF.
func walk(archive string, see func(name string, r io.Reader) error) error {
	f, err := os.Open(archive) //nolint:gosec // in a folder of our own
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", archive, err)
	}
	for t := tar.NewReader(z); ; {
		header, err := t.Next()
		if err == nil && header.Typeflag == tar.TypeReg {
			err = see(path.Base(header.Name), io.LimitReader(t, maxEntry))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpacking %s: %w", archive, err)
		}
	}
}

// read hands one file of an archive to use.
func read(archive, name string, use func(io.Reader) error) error {
	found := false
	err := walk(archive, func(entry string, r io.Reader) error {
		if entry != name {
			return nil
		}
		found = true
		if err := use(r); err != nil {
			return err
		}
		return io.EOF
	})
	if err == nil && !found {
		return fmt.Errorf("%s holds no %s", archive, name)
	}
	return err
}

// extract writes one file of an archive to a place, on disk when it returns.
func extract(archive, name, to string) error {
	return read(archive, name, func(r io.Reader) error {
		return write(to, func(w io.Writer) error {
			_, err := io.Copy(w, r)
			return err
		})
	})
}

// write fills a new file.
func write(to string, fill func(io.Writer) error) error {
	f, err := os.Create(to) //nolint:gosec // in a folder of our own
	if err != nil {
		return err
	}
	b := bufio.NewWriterSize(f, 1<<20)
	return errors.Join(fill(b), b.Flush(), f.Sync(), f.Close())
}

// licences are the texts in an archive whose names say so.
func licences(archive string) ([]string, error) {
	var all []string
	err := walk(archive, func(name string, r io.Reader) error {
		if !strings.Contains(name, "LICENSE") && name != "MODIFICATIONS" {
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(r, 1<<20))
		all = append(all, string(text))
		return err
	})
	return all, err
}
