package node_test

import (
	"archive/zip"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sluicelog/sluice/shared/elastic/node"
)

// fakeMaven counts its calls and hands out the archive that lies beside it.
const fakeMaven = `#!/bin/sh
here="$(dirname "$0")"
echo call >> "$here/calls"
for a in "$@"; do case "$a" in -DoutputDirectory=*) out="${a#-DoutputDirectory=}" ;; esac; done
cp "$here/elasticsearch.zip" "$out/elasticsearch-VERSION.zip"
`

func TestTheArtifactIsFetchedOnceForManyNodes(t *testing.T) {
	bin := t.TempDir()
	write(t, filepath.Join(bin, "mvn"), strings.ReplaceAll(fakeMaven, "VERSION", node.Version))
	pack(t, filepath.Join(bin, "elasticsearch.zip"), map[string]string{
		"bin/elasticsearch":        "#!/bin/sh\necho this is no server\nexit 1\n",
		"config/jvm.options":       "",
		"config/log4j2.properties": "",
	})
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	cache := filepath.Join(openDir(t), "cache")

	var wait sync.WaitGroup
	for range 4 {
		dir := openDir(t)
		wait.Go(func() {
			_, err := node.Ensure(t.Context(), node.Options{Dir: dir, CacheDir: cache, Prefer: node.KindMaven})
			if !errors.Is(err, node.ErrUnavailable) && (err == nil || !strings.Contains(err.Error(), "this is no server")) {
				t.Errorf("error = %v; want what the command said", err)
			}
		})
	}
	wait.Wait()
	calls, err := os.ReadFile(filepath.Join(bin, "calls"))
	if errors.Is(err, os.ErrNotExist) {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no JDK here, and in CI there must be one")
		}
		t.Skip("there is no JDK here")
	}
	if got := strings.Count(string(calls), "call"); got != 1 {
		t.Errorf("mvn was called %d times; want once", got)
	}
	left, err := filepath.Glob(filepath.Join(cache, "*.partial"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAnArchiveThatPointsOutsideIsRefused(t *testing.T) {
	bin := t.TempDir()
	write(t, filepath.Join(bin, "mvn"), strings.ReplaceAll(fakeMaven, "VERSION", node.Version))
	pack(t, filepath.Join(bin, "elasticsearch.zip"), map[string]string{"../../escaped": "x"})
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	cache := filepath.Join(t.TempDir(), "cache")
	_, err := node.Ensure(t.Context(), node.Options{Dir: t.TempDir(), CacheDir: cache, Prefer: node.KindMaven})
	skipWithoutElasticsearch(t, err)
	if err == nil || !strings.Contains(err.Error(), "outside") {
		t.Errorf("error = %v; want a refusal", err)
	}
}

func TestWithoutDockerAndMavenTheErrorNamesWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := node.Ensure(t.Context(), node.Options{Dir: t.TempDir(), CacheDir: t.TempDir()})
	if !errors.Is(err, node.ErrUnavailable) {
		t.Fatalf("error = %v; want ErrUnavailable", err)
	}
	for _, want := range []string{"openjdk-17-jdk-headless", "maven", "Docker"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for name, opts := range map[string]node.Options{
		"no folder":         {},
		"heap with options": {Dir: "x", Heap: "1g -XX:OnError=sh"},
		"unknown kind":      {Dir: "x", Prefer: "podman"},
		"cluster name":      {Dir: "x", Settings: map[string]string{"cluster.name": "mine"}},
		"key with a line":   {Dir: "x", Settings: map[string]string{"a: b\nc": "d"}},
		"file outside":      {Dir: "x", Files: map[string][]byte{"../x": nil}},
	} {
		if _, err := node.Ensure(t.Context(), opts); err == nil || errors.Is(err, node.ErrUnavailable) {
			t.Errorf("%s: error = %v; want a refusal", name, err)
		}
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("refused options left a folder behind")
	}
}

// pack writes an archive with the given files below the folder that the real one has.
func pack(t *testing.T, path string, files map[string]string) {
	t.Helper()
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(out)
	for name, content := range files {
		header := &zip.FileHeader{Name: "elasticsearch-" + node.Version + "/" + name}
		header.SetMode(0o755)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
}
