package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/shared/elastic/node"
)

// childDir names the state folder for a copy of this test binary that only starts a node, to be killed by its parent.
const childDir = "NODE_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		n, err := node.Ensure(context.Background(), node.Options{Dir: dir, Heap: "512m"})
		if err != nil {
			fmt.Fprintln(os.Stdout, "error", err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stdout, "ready", n.PID())
		select {}
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func TestNodeStartsIsAdoptedStopsAndKeepsItsData(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Elasticsearch: not with -short")
	}
	dir := filepath.Join(openDir(t), "a state")
	first := ensure(t, node.Options{Dir: dir})
	if !first.Started() || first.Version() != node.Version || first.PID() == 0 {
		t.Fatalf("first Ensure: started %t, version %s, process %d", first.Started(), first.Version(), first.PID())
	}
	request(t, http.MethodPut, first.URL()+"/kept/_doc/1?refresh=true", `{"a":1}`)
	checkUser(t, first)
	if info, err := os.Stat(filepath.Join(dir, "node.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("node.json: %v, %v; want mode 0600", info, err)
	}

	second := ensure(t, node.Options{Dir: dir})
	if second.Started() || second.PID() != first.PID() || second.URL() != first.URL() {
		t.Errorf("second Ensure: started %t, process %d at %s; want process %d at %s adopted",
			second.Started(), second.PID(), second.URL(), first.PID(), first.URL())
	}
	if seen, ok := node.Running(dir); !ok || seen.PID() != first.PID() || seen.URL() != first.URL() {
		t.Errorf("Running = %v, %t; want process %d", seen, ok, first.PID())
	}

	stop(t, second)
	checkNothingRuns(t, dir)
	stop(t, first)
	if _, ok := node.Running(dir); ok {
		t.Error("Running finds a node that was stopped")
	}

	third := ensure(t, node.Options{Dir: dir})
	if got := request(t, http.MethodGet, third.URL()+"/kept/_doc/1", ""); !strings.Contains(got, `"a":1`) {
		t.Errorf("after the restart the document is %s", got)
	}
}

func TestNodeSurvivesTheDeathOfItsParentAndIsAdopted(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Elasticsearch: not with -short")
	}
	dir := openDir(t)
	t.Cleanup(func() { stopWhatRuns(t, dir) })
	// The first parent dies while Elasticsearch is still coming up, the second one after it was ready.
	killParent(t, dir, func(string) bool {
		_, ok := node.Running(dir)
		return ok
	})
	launched, ok := node.Running(dir)
	if !ok {
		t.Fatal("the node did not survive its parent")
	}
	var ready string
	killParent(t, dir, func(said string) bool {
		ready = said
		return said != ""
	})
	n := ensure(t, node.Options{Dir: dir})
	if n.Started() || ready != fmt.Sprintf("ready %d", n.PID()) {
		t.Errorf("after two dead parents: started %t, process %d; the second parent said %q, the first left process %d",
			n.Started(), n.PID(), ready, launched.PID())
	}
	stop(t, n)
	checkNothingRuns(t, dir)
}

func TestNodeRunsBelowFoldersThatAreClosedToItsUser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Elasticsearch: not with -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("only a node started by root runs as another user")
	}
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	// The artifact is in root's default cache from here on; a copy of it goes behind the closed door, too.
	warm := ensure(t, node.Options{Dir: openDir(t), Prefer: node.KindMaven})
	stop(t, warm)
	name := "elasticsearch-" + node.Version
	cache := filepath.Join(closed, "cache")
	if err := os.CopyFS(filepath.Join(cache, name), os.DirFS(filepath.Join("/var/cache/sluice", name))); err != nil {
		t.Fatal(err)
	}
	opts := node.Options{Dir: filepath.Join(closed, "deep", "state"), CacheDir: cache, Prefer: node.KindMaven}
	if !mayPassReading(t) {
		if _, err := node.Ensure(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "chmod o+x") {
			t.Errorf("error = %v; want what to do when the capability cannot be given", err)
		}
		return
	}
	n := ensure(t, opts)
	checkUser(t, n)
	request(t, http.MethodPut, n.URL()+"/here/_doc/1?refresh=true", `{"a":1}`)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "CapPrm:") && strings.TrimSpace(strings.TrimPrefix(line, "CapPrm:")) != "0000000000000004" {
			t.Errorf("the server has %s; want CAP_DAC_READ_SEARCH alone", strings.TrimSpace(line))
		}
	}
}

func TestAnotherFolderNeverAdoptsACopiedRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Elasticsearch: not with -short")
	}
	original, copied := openDir(t), openDir(t)
	n := ensure(t, node.Options{Dir: original})
	data, err := os.ReadFile(filepath.Join(original, "node.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "node.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	if other, ok := node.Running(copied); ok {
		t.Errorf("the copy adopts process %d of %s", other.PID(), original)
	}
	stop(t, n)
}

func TestAFailedStartShowsTheEndOfTheLog(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Elasticsearch: not with -short")
	}
	dir := openDir(t)
	_, err := node.Ensure(t.Context(), node.Options{Dir: dir, Settings: map[string]string{"no.such.setting": "1"}})
	skipWithoutElasticsearch(t, err)
	if err == nil || !strings.Contains(err.Error(), "unknown setting [no.such.setting]") ||
		!strings.Contains(err.Error(), filepath.Join(dir, "logs")) {
		t.Errorf("error = %v; want the unknown setting and where the logs lie", err)
	}
	checkNothingRuns(t, dir)
}

func TestACanceledStartLeavesNothingRunning(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Elasticsearch: not with -short")
	}
	dir := openDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			if _, ok := node.Running(dir); ok { //nolint:contextcheck // it bounds itself
				cancel()
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	_, err := node.Ensure(ctx, node.Options{Dir: dir})
	skipWithoutElasticsearch(t, err)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v; want context.Canceled", err)
	}
	checkNothingRuns(t, dir)
}

// mayPassReading tells whether this process has CAP_DAC_READ_SEARCH to give away.
func mayPassReading(t *testing.T) bool {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapPrm:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && caps&(1<<2) != 0
		}
	}
	return false
}

// openDir is a temporary folder that every user can reach: t.TempDir is closed to others.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice-node-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func ensure(t *testing.T, opts node.Options) *node.Node {
	t.Helper()
	if opts.Heap == "" {
		opts.Heap = "512m"
	}
	began := time.Now()
	n, err := node.Ensure(t.Context(), opts)
	skipWithoutElasticsearch(t, err)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Ensure took %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() { stop(t, n) })
	return n
}

func skipWithoutElasticsearch(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, node.ErrUnavailable) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
}

func stop(t *testing.T, n *node.Node) {
	t.Helper()
	if err := n.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func stopWhatRuns(t *testing.T, dir string) {
	t.Helper()
	if n, ok := node.Running(dir); ok {
		stop(t, n)
	}
}

// killParent has a copy of this test binary ensure a node in dir, and kills it without warning once due says so.
func killParent(t *testing.T, dir string, due func(said string) bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		buffer := make([]byte, 4096)
		n, _ := pipe.Read(buffer)
		line <- strings.TrimSpace(string(buffer[:n]))
	}()
	deadline := time.Now().Add(2 * time.Minute)
	said := ""
	for !due(said) {
		select {
		case said = <-line:
		case <-time.After(20 * time.Millisecond):
		}
		if strings.HasPrefix(said, "error") {
			t.Fatal(said)
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill() // it failed the test already
			t.Fatal("the parent did not get so far within two minutes")
		}
	}
	if err := syscall.Kill(cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
}

// checkUser checks that a node started by root runs as somebody else.
func checkUser(t *testing.T, n *node.Node) {
	t.Helper()
	if n.Kind() != node.KindMaven {
		return
	}
	info, err := os.Stat(fmt.Sprintf("/proc/%d", n.PID()))
	if err != nil {
		t.Skip("no /proc here")
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || owner.Uid == 0 {
		t.Errorf("process %d runs as root", n.PID())
	}
}

// checkNothingRuns looks for any process that has the folder in its arguments or its working directory.
func checkNothingRuns(t *testing.T, dir string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		args, _ := os.ReadFile(path)
		cwd, _ := os.Readlink(filepath.Join(filepath.Dir(path), "cwd"))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if pid != os.Getpid() && (strings.Contains(string(args), dir) || strings.HasPrefix(cwd, dir)) {
			t.Errorf("process %d still runs: %q in %s", pid, strings.ReplaceAll(string(args), "\x00", " "), cwd)
		}
	}
}

func request(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, url, resp.Status, answer, err)
	}
	return string(answer)
}
