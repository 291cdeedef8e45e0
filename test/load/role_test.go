package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// What tells a process of this program which part it plays, and where its files are.
const (
	roleVariable = "LOAD_ROLE"
	dirVariable  = "LOAD_ROLE_DIR"
)

// TestMain runs the tests, or plays a part in a benchmark that another process of this program runs: what is measured
// is a process of its own, so that its processor time and its garbage collection are its own, too.
func TestMain(m *testing.M) {
	if name := os.Getenv(roleVariable); name != "" {
		if err := play(context.Background(), name, os.Getenv(dirVariable)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func play(ctx context.Context, name, dir string) (err error) {
	stop, err := profileRole(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	t := talk{json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)}
	switch name {
	case "receiver":
		return playReceiver(ctx, dir, t)
	case "jetstream":
		return playJetStream(ctx, dir, t)
	case "http":
		return playHTTP(ctx, t)
	case "nats":
		return playNATS(ctx, dir, t)
	}
	return fmt.Errorf("there is no role %q", name)
}

// talk is a process's side of the conversation with the benchmark: JSON values on standard input and output.
type talk struct {
	in  *json.Decoder
	out *json.Encoder
}

// asked reads the next question; false when the benchmark is over.
func (t talk) asked(into any) (bool, error) {
	err := t.in.Decode(into)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

// actor is the benchmark's side: a process that plays a role.
type actor struct {
	pid int
	in  io.WriteCloser
	out *json.Decoder
	log string
}

// cast starts a process that plays a role and reads what it says when it is ready. It ends with the benchmark.
func cast(b *testing.B, name string, hello any) *actor {
	b.Helper()
	dir := harness.Dir(b)
	a := &actor{log: filepath.Join(dir, name+".log")}
	log, err := os.Create(a.log)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), roleVariable+"="+name, dirVariable+"="+dir), log
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, cmd.Start(), log.Close()); err != nil {
		b.Fatal(err)
	}
	a.pid, a.in, a.out = cmd.Process.Pid, in, json.NewDecoder(out)
	b.Cleanup(func() {
		timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			b.Errorf("the %s process: %v\n%s", name, err, harness.Tail(a.log, 4000))
		}
	})
	a.hear(b, hello)
	return a
}

// ask sends a question and reads the answer.
func (a *actor) ask(b *testing.B, question, reply any) {
	b.Helper()
	if err := json.NewEncoder(a.in).Encode(question); err != nil {
		b.Fatal(err)
	}
	a.hear(b, reply)
}

func (a *actor) hear(b *testing.B, reply any) {
	b.Helper()
	if err := a.out.Decode(reply); err != nil {
		b.Fatalf("%v\n%s", err, harness.Tail(a.log, 4000))
	}
}
