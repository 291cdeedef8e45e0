// Package harness starts real Sluice processes for tests and keeps the ledger: what was acknowledged against what is
// searchable, each exactly once.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/leaktest"
)

// Ready is what a running all-in-one says of itself.
type Ready struct {
	PayloadURL       string `json:"payload_url"`
	LocalURL         string `json:"local_url"`
	Authorization    string `json:"authorization"`
	AdminURL         string `json:"admin_url"`
	NATSURL          string `json:"nats_url"`
	ElasticsearchURL string `json:"elasticsearch_url"`
	Index            string `json:"index"`
	PID              int    `json:"pid"`
	Endpoint         string `json:"endpoint"`
}

// Root is the repository's top folder.
func Root(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	tb.Fatal("no go.work above the test: where is the repository?")
	return ""
}

// binaries are built once per test process.
type binaries struct {
	once sync.Once
	dir  string
	err  error
}

var built binaries //nolint:gochecknoglobals // one build for all tests of a process

// Binary returns the path of a program of this repository, such as "sluice", built from the present source.
func Binary(tb testing.TB, name string) string {
	tb.Helper()
	built.once.Do(func() { built.dir, built.err = build(Root(tb)) })
	if built.err != nil {
		tb.Fatal(built.err)
	}
	return filepath.Join(built.dir, name)
}

// build compiles all programs into a folder that lives as long as the machine's temporary files.
func build(root string) (string, error) {
	dir := filepath.Join(os.TempDir(), "sluice-test-bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }() // and with it the lock: packages are tested side by side
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	for _, name := range []string{"sluice", "receiver", "enricher", "indexer", "retention"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), "./services/"+name+"/cmd/"+name) //nolint:noctx // our own source
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.New("building " + name + ": " + string(out))
		}
	}
	return dir, nil
}

// Options say how an all-in-one is started.
type Options struct {
	State string   // empty: a folder of the test's own
	Args  []string // after `up --state …`
	Env   []string
}

// Instance is an all-in-one that runs as a process of its own.
type Instance struct {
	Ready
	State   string
	options Options
	tb      testing.TB
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
	logs    string
	starts  int
}

// Up starts an all-in-one and waits until it is ready. It ends with the test; when the test failed, logs and data stay.
func Up(tb testing.TB, o Options) *Instance {
	tb.Helper()
	if o.State == "" {
		o.State = Dir(tb)
	}
	i := &Instance{State: o.State, options: o, tb: tb, logs: filepath.Join(Dir(tb), "up.log")}
	i.Start()
	tb.Cleanup(func() {
		if i.Running() {
			i.Stop()
		}
		if tb.Failed() {
			tb.Logf("logs: %s; data: %s\n%s", i.logs, i.State, i.Tail(4000))
		}
	})
	return i
}

// Dir is a folder that stays when the test fails.
func Dir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "sluice-e2e-*") //nolint:usetesting // it must stay when the test fails
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		leaktest.Check(tb, dir)
		if !tb.Failed() {
			if os.Getenv("SLUICE_TEST_KEEP") == "" {
				_ = os.RemoveAll(dir)
			}
		}
	})
	return dir
}

// Start starts the process again on the same state and waits until it is ready.
func (i *Instance) Start() {
	i.tb.Helper()
	i.starts++
	log, err := os.OpenFile(i.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		i.tb.Fatal(err)
	}
	args := append([]string{"up", "--state", i.State, "--listen", "127.0.0.1:0"}, i.options.Args...)
	i.cmd = exec.Command(Binary(i.tb, "sluice"), args...) //nolint:noctx // our own program; the test ends it
	i.cmd.Stdout, i.cmd.Stderr = log, log
	i.cmd.Env = append(os.Environ(), i.options.Env...)
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := i.cmd.Start(); err != nil {
		i.tb.Fatal(err)
	}
	_ = log.Close()
	i.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan<- struct{}) {
		_ = cmd.Wait() // ProcessState says how it ended
		close(exited)
	}(i.cmd, i.exited)
	Await(i.tb, 3*time.Minute, "ready.json of this start", func() bool {
		if !i.Running() {
			i.tb.Fatalf("up ended: %v\n%s", i.cmd.ProcessState, i.Tail(4000))
		}
		return i.readReady() && i.PID == i.cmd.Process.Pid
	})
}

func (i *Instance) readReady() bool {
	raw, err := os.ReadFile(filepath.Join(i.State, "ready.json"))
	return err == nil && json.Unmarshal(raw, &i.Ready) == nil
}

// Running reports whether the process lives.
func (i *Instance) Running() bool {
	select {
	case <-i.exited:
		return false
	default:
		return true
	}
}

// Kill ends the process as a crash would.
func (i *Instance) Kill() {
	i.tb.Helper()
	if err := i.cmd.Process.Kill(); err != nil {
		i.tb.Fatal(err)
	}
	<-i.exited
}

// Stop asks the process to end as Ctrl-C does and returns its exit code and how long it took.
func (i *Instance) Stop() (code int, took time.Duration) {
	i.tb.Helper()
	begin := time.Now()
	if err := i.cmd.Process.Signal(os.Interrupt); err != nil {
		i.tb.Fatal(err)
	}
	select {
	case <-i.exited:
	case <-time.After(30 * time.Second):
		i.tb.Errorf("up did not end within 30 s after SIGINT")
		_ = i.cmd.Process.Kill()
		<-i.exited
	}
	return i.cmd.ProcessState.ExitCode(), time.Since(begin)
}

// Tail is the end of the process's output.
func (i *Instance) Tail(bytes int) string { return Tail(i.logs, bytes) }

// Tail is the end of a file.
func Tail(path string, most int) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-most):])
}

// Command runs the operator's binary against this instance and returns what it printed and its exit code.
func (i *Instance) Command(args ...string) (stdout, stderr string, code int) {
	i.tb.Helper()
	return Run(i.tb, i.options.Env, Binary(i.tb, "sluice"), append(args, "--state", i.State)...)
}

// Run runs a program for at most three minutes.
func Run(tb testing.TB, env []string, program string, args ...string) (stdout, stderr string, code int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 3*time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &errs, append(os.Environ(), env...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		tb.Fatalf("%s %s: %v", filepath.Base(program), strings.Join(args, " "), err)
	}
	checkSecrecy(tb, out.String(), errs.String(), args)
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// checkSecrecy fails when a command told a secret, or was told one where every user of the machine sees it. Only the
// commands that make a token print one.
func checkSecrecy(tb testing.TB, stdout, stderr string, args []string) {
	tb.Helper()
	command := strings.Join(args, " ")
	told := stdout + stderr
	if strings.HasPrefix(command, "endpoint create") || strings.HasPrefix(command, "endpoint rotate") {
		told = stderr
	}
	for place, text := range map[string]string{"its arguments": command, "what it printed": told} {
		for _, leak := range leaktest.In(place, []byte(text)) {
			tb.Errorf("a command has a secret in %s", leak)
		}
	}
}

// Post sends one delivery and returns status, answer and headers.
func (i *Instance) Post(body []byte, header map[string]string) (int, string, http.Header) {
	i.tb.Helper()
	req, err := http.NewRequestWithContext(i.tb.Context(), http.MethodPost, i.LocalURL, bytes.NewReader(body))
	if err != nil {
		i.tb.Fatal(err)
	}
	req.Header.Set("Authorization", i.Authorization)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		i.tb.Fatal(err)
	}
	return res.StatusCode, string(answer), res.Header
}

// Await polls until done, for at most limit.
func Await(tb testing.TB, limit time.Duration, what string, done func() bool) {
	tb.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !done(); {
		if time.Now().After(deadline) {
			tb.Fatalf("%s: not within %s", what, limit)
		}
		<-tick.C
	}
}
