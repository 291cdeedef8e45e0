// Package replay_test proves that old events which come again add nothing: they are indexed, and then all of them are sent
// again, to several indexers at once, through connections that lose answers. It also says what a duplicate costs.
//
//	make replay                    200,000 events over 30 days
//	go test ./test/replay -v       a few thousand, as CI does
package replay_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/test/harness"
)

// natsVariable names the folder of a NATS server: this program then is one, so that its processor time can be told from
// the sender's.
const natsVariable = "SLUICE_REPLAY_NATS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(natsVariable); dir != "" {
		os.Exit(serveNATS(dir))
	}
	os.Exit(m.Run())
}

func serveNATS(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	s, err := embedded.Start(ctx, embedded.Options{Dir: dir, MaxStore: 16 << 30, Monitor: true, Log: log})
	if err == nil {
		err = os.WriteFile(dir+".new", []byte(s.URL()+" "+s.MonitorURL()), 0o600)
	}
	if err == nil {
		err = os.Rename(dir+".new", dir+".at")
	}
	if err != nil {
		log.Error("no NATS server", "error", err)
		return 1
	}
	for parent := os.Getppid(); ctx.Err() == nil && os.Getppid() == parent; { // it ends with whoever started it
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s.Stop(limit) != nil {
		return 1
	}
	return 0
}

// process is one program that runs until the test ends.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
}

func start(t *testing.T, name, program string, env ...string) *process {
	t.Helper()
	p := &process{name: name, log: filepath.Join(harness.Dir(t), name+".log")}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(program)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), env...), log, log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s: %s", p.log, harness.Tail(p.log, 3000))
		}
	})
	return p
}

func startNATS(t *testing.T) (url, monitor string) {
	t.Helper()
	dir := filepath.Join(harness.Dir(t), "nats")
	start(t, "nats", os.Args[0], natsVariable+"="+dir)
	harness.Await(t, time.Minute, "a NATS server", func() bool {
		raw, err := os.ReadFile(dir + ".at")
		url, monitor, _ = strings.Cut(string(raw), " ")
		return err == nil
	})
	return url, monitor
}
