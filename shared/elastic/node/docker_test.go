package node_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/shared/elastic/node"
)

// fakeDocker stands in for the docker command where no engine runs: it writes down how it was called and plays one
// container. What it cannot show is that the image takes these arguments.
const fakeDocker = `#!/bin/sh
cd "$(dirname "$0")" || exit 1
printf '%s\t' "$@" >> calls; echo >> calls
case "$1" in
info) echo 27.0.1 ;;
run) for a in "$@"; do case "$a" in sluice.cluster=*) echo "${a#sluice.cluster=}" > label ;; esac; done; echo true > running ;;
inspect) [ -f running ] || { echo "Error: No such container: x" >&2; exit 1; }; echo "$(cat running) 4242 $(cat label)" ;;
port) cat address ;;
logs) echo "the server said this" >&2 ;;
stop) echo false > running ;;
rm) [ -f running ] || { echo "Error response: No such container: x" >&2; exit 1; }; rm running ;;
esac
`

func TestDockerIsPreferredAndGetsOneLoopbackContainerPerFolder(t *testing.T) {
	dir, bin := t.TempDir(), dockerOnPath(t)
	health := healthOf(t, dir)
	write(t, filepath.Join(bin, "address"), health.Listener.Addr().String()+"\n")

	n := ensure(t, node.Options{
		Dir:      dir,
		Settings: map[string]string{"thread_pool.write.queue_size": "2"},
		Files:    map[string][]byte{"users": []byte("admin:x\n")},
	})
	if n.Kind() != node.KindDocker || !n.Started() || n.URL() != health.URL || n.PID() != 4242 {
		t.Errorf("kind %s, started %t, %s, process %d", n.Kind(), n.Started(), n.URL(), n.PID())
	}
	run := callsOf(t, bin, "run")
	if len(run) != 1 {
		t.Fatalf("docker run was called %d times", len(run))
	}
	config := filepath.Join(dir, "config")
	for _, want := range []string{
		"--detach", "127.0.0.1::9200", "elasticsearch:" + node.Version,
		"type=bind,source=" + filepath.Join(dir, "data") + ",target=/usr/share/elasticsearch/data",
		"type=bind,source=" + filepath.Join(config, "users") + ",target=/usr/share/elasticsearch/config/users,readonly",
	} {
		if !slices.Contains(run[0], want) {
			t.Errorf("docker run lacks %q: %q", want, run[0])
		}
	}
	settings, err := os.ReadFile(filepath.Join(config, "elasticsearch.yml"))
	if err != nil || !strings.Contains(string(settings), `thread_pool.write.queue_size: "2"`) ||
		!strings.Contains(string(settings), `discovery.type: "single-node"`) {
		t.Errorf("elasticsearch.yml: %s, %v", settings, err)
	}

	if again := ensure(t, node.Options{Dir: dir}); again.Started() {
		t.Error("a running container was not adopted")
	}
	stop(t, n)
	if _, ok := node.Running(dir); ok {
		t.Error("the container still runs after Stop")
	}
}

func TestAnEndedContainerIsReportedWithItsLog(t *testing.T) {
	dir, bin := t.TempDir(), dockerOnPath(t)
	health := healthOf(t, dir)
	write(t, filepath.Join(bin, "address"), health.Listener.Addr().String()+"\n")
	script := strings.Replace(fakeDocker, "echo true > running", "echo false > running", 1)
	write(t, filepath.Join(bin, "docker"), script)

	_, err := node.Ensure(t.Context(), node.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "the server said this") {
		t.Errorf("error = %v; want what the container said", err)
	}
}

func TestDataOfOneKindAreNotOpenedWithTheOther(t *testing.T) {
	dir, bin := t.TempDir(), dockerOnPath(t)
	health := healthOf(t, dir)
	write(t, filepath.Join(bin, "address"), health.Listener.Addr().String()+"\n")
	stop(t, ensure(t, node.Options{Dir: dir}))
	write(t, filepath.Join(dir, "data", "nodes"), "written by the full distribution")

	_, err := node.Ensure(t.Context(), node.Options{Dir: dir, Prefer: node.KindMaven})
	if err == nil || !strings.Contains(err.Error(), "another state folder") {
		t.Errorf("error = %v; want a refusal to open the data of docker with maven", err)
	}
}

// dockerOnPath puts the stand-in before everything else on PATH and returns its folder.
func dockerOnPath(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	write(t, filepath.Join(bin, "docker"), fakeDocker)
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return bin
}

// healthOf answers as the cluster that node.json of dir names.
func healthOf(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var record struct{ Cluster string }
		data, err := os.ReadFile(filepath.Join(dir, "node.json"))
		if err == nil {
			err = json.Unmarshal(data, &record)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, `{"cluster_name":%q,"status":"green"}`, record.Cluster)
	}))
	t.Cleanup(server.Close)
	return server
}

func callsOf(t *testing.T, bin, command string) [][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(bin, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	var calls [][]string
	for line := range strings.Lines(string(data)) {
		if args := strings.Split(strings.TrimSpace(line), "\t"); args[0] == command {
			calls = append(calls, args)
		}
	}
	return calls
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}
