package node

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestANodeMapsItsFilesOnlyWhereTheKernelAllowsEnough(t *testing.T) {
	for name, c := range map[string]struct {
		limit, files int
		want         string // of node.store.allow_mmap; empty: Elasticsearch's own, which is to map
	}{
		"a limit that Elasticsearch is content with": {262144, 1 << 30, ""},
		"a usual limit and a new node":               {65530, 0, ""},
		"a usual limit and a small node":             {65530, 8190, ""},
		"a usual limit and a large node":             {65530, 8191, "false"},
		"no limit to be read":                        {0, 0, "false"},
	} {
		settings := map[string]string{}
		mapping(settings, c.limit, c.files)
		if got := settings["node.store.allow_mmap"]; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestFilesOfANodeAreCounted(t *testing.T) {
	dir := t.TempDir()
	if got := fileCount(filepath.Join(dir, "none")); got != 0 {
		t.Errorf("%d files in a folder that is not there", got)
	}
	for i := range 5 {
		sub := filepath.Join(dir, "indices", strconv.Itoa(i%2))
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sub, strconv.Itoa(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := fileCount(dir); got != 5 {
		t.Errorf("%d files, want 5", got)
	}
}
