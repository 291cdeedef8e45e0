package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/elastic/node"
	"github.com/sluicelog/sluice/test/harness"
)

// TestMakeRunShowsSearchableEventsAndStopsCleanly runs what `make run` runs, twice on one state folder, and interrupts it
// as a terminal does.
func TestMakeRunShowsSearchableEventsAndStopsCleanly(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	state := harness.Dir(t)
	for _, want := range []string{"200 events are searchable, 200 of them new", "400 events are searchable, 200 of them new"} {
		log := filepath.Join(harness.Dir(t), "run.log")
		out, err := os.Create(log)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(filepath.Join(harness.Root(t), "scripts", "run.sh"), "--listen", "127.0.0.1:0")
		cmd.Env = append(os.Environ(), "STATE="+state, "COUNT=200", "SLUICE="+harness.Binary(t, "sluice"))
		cmd.Stdout, cmd.Stderr = out, out
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = out.Close()
		t.Cleanup(func() { endScript(cmd) })
		harness.Await(t, 3*time.Minute, want, func() bool { return strings.Contains(harness.Tail(log, 1<<20), want) })
		begin := time.Now()
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || time.Since(begin) > 10*time.Second {
			t.Fatalf("the stop took %v and ended with %v\n%s", time.Since(begin), err, harness.Tail(log, 3000))
		}
		if _, running := node.Running(filepath.Join(state, "elasticsearch")); running {
			t.Error("elasticsearch still runs")
		}
	}
}

// endScript ends a script that a failed test left running. What it started has process groups of its own, which only the
// script can end.
func endScript(cmd *exec.Cmd) {
	if cmd.ProcessState != nil {
		return
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	kill := time.AfterFunc(30*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer kill.Stop()
	_ = cmd.Wait()
}
