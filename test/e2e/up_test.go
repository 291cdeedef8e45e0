package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/test/harness"
)

func get(t *testing.T, url string) (body string, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw), res.StatusCode
}

func TestAnElasticsearchOfItsOwnSurvivesACrashAndEndsWithACleanStop(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	state := harness.Dir(t)
	i := harness.Up(t, harness.Options{State: state})
	first := i.Ready
	for name, want := range map[string]os.FileMode{"ready.json": 0o600, "credentials.json": 0o600} {
		info, err := os.Stat(filepath.Join(state, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	runAsPrinted(t, i)
	i.AwaitCount(1, 30*time.Second)
	before, running := node.Running(filepath.Join(state, "elasticsearch"))
	if !running {
		t.Fatal("no elasticsearch runs for the state folder")
	}
	i.Kill()
	if _, running := node.Running(filepath.Join(state, "elasticsearch")); !running {
		t.Fatal("elasticsearch went down with up")
	}
	begin := time.Now()
	i.Start()
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("the restart took %v", took)
	} else {
		t.Logf("ready again after %v", took)
	}
	after, _ := node.Running(filepath.Join(state, "elasticsearch"))
	if after.PID() != before.PID() || i.Authorization != first.Authorization || i.Endpoint != first.Endpoint {
		t.Errorf("another elasticsearch (%d, %d) or another endpoint", before.PID(), after.PID())
	}
	i.AwaitCount(1, 30*time.Second)
	stalled := stall(t, i)
	defer func() { _ = stalled.Close() }()
	code, took := i.Stop()
	if code != 0 || took > 10*time.Second {
		t.Errorf("the stop took %v and ended with %d\n%s", took, code, i.Tail(2000))
	}
	if _, running := node.Running(filepath.Join(state, "elasticsearch")); running {
		t.Error("elasticsearch still runs after a clean stop")
	}
	if _, err := os.Stat(filepath.Join(state, "ready.json")); err == nil {
		t.Error("ready.json is still there")
	}
}

// stall begins a delivery and never ends it.
func stall(t *testing.T, i *harness.Instance) net.Conn {
	t.Helper()
	u, err := url.Parse(i.LocalURL)
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: 1000\r\n\r\n{", u.Path, u.Host, i.Authorization); err != nil {
		t.Fatal(err)
	}
	return conn
}

// runAsPrinted runs the curls that up printed, as a person would: the first sends an event, the second finds it.
func runAsPrinted(t *testing.T, i *harness.Instance) {
	t.Helper()
	var printed []string
	for line := range strings.Lines(i.Tail(20000)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") {
			printed = append(printed, line)
		}
	}
	if len(printed) != 2 {
		t.Fatalf("%d curls were printed:\n%s", len(printed), i.Tail(4000))
	}
	run := func(line string) string {
		out, err := exec.CommandContext(t.Context(), "bash", "-c", line).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	if out := run(printed[0]); !strings.Contains(out, `"status":"accepted"`) {
		t.Fatalf("the printed curl: %s", out)
	}
	harness.Await(t, 30*time.Second, "the event by the printed search", func() bool { return strings.Contains(run(printed[1]), "a first login") })
}

func TestTheFoldersOwnElasticsearchStaysItsOwnWhenItIsNamed(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	state := harness.Dir(t)
	i := harness.Up(t, harness.Options{State: state})
	i.Kill()
	named := harness.Up(t, harness.Options{State: state, Args: []string{"--elasticsearch", strings.Replace(i.ElasticsearchURL, "127.0.0.1", "localhost", 1) + "/"}})
	if code, _ := named.Stop(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if _, running := node.Running(filepath.Join(state, "elasticsearch")); running {
		t.Error("elasticsearch still runs after a clean stop")
	}
}

func TestASecondUpOnTheSameFolderIsRefused(t *testing.T) {
	i := upOnShared(t)
	_, errs, code := harness.Run(t, nil, harness.Binary(t, "sluice"), "up", "--state", i.State, "--elasticsearch", i.ElasticsearchURL)
	if code != 1 || !strings.Contains(errs, "another sluice runs on this state folder") {
		t.Fatalf("%d %s", code, errs)
	}
	if status, _, _ := i.Post([]byte(" "), nil); status != 200 {
		t.Errorf("the first one answers %d", status)
	}
}
