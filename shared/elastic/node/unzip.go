package node

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// unzip unpacks archive into dir. Modes are set whatever the umask is, because another user will read the files.
func unzip(ctx context.Context, archive, dir string) error {
	reader, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	defer reader.Close() //nolint:errcheck // only read
	for _, entry := range reader.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !filepath.IsLocal(entry.Name) {
			return fmt.Errorf("entry %q points outside of the archive", entry.Name)
		}
		if err := unzipEntry(entry, filepath.Join(dir, entry.Name)); err != nil { //nolint:gosec // checked to be local
			return fmt.Errorf("entry %s: %w", entry.Name, err)
		}
	}
	return nil
}

func unzipEntry(entry *zip.File, path string) error {
	mode := entry.Mode()
	switch {
	case mode.IsDir():
		return folder(path)
	case !mode.IsRegular():
		return fmt.Errorf("mode %v is neither file nor folder", mode)
	}
	if err := folder(filepath.Dir(path)); err != nil {
		return err
	}
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // the unprivileged server reads it
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil { //nolint:gosec // an archive of a fixed name and version
		_ = file.Close()
		return err
	}
	return closeAs(file, 0o644|mode.Perm()&0o111)
}

func closeAs(file *os.File, mode fs.FileMode) error {
	err := file.Chmod(mode)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

func folder(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // the unprivileged server reads it
		return err
	}
	return os.Chmod(path, 0o755) //nolint:gosec // the unprivileged server reads it
}
