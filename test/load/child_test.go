package load_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

// child is a service, or the NATS server, as a process of its own.
type child struct {
	stage  string
	cmd    *exec.Cmd
	input  io.Closer   // the NATS server ends with it
	said   chan string // its first line, for the NATS server
	log    string
	admin  string        // URL of its admin address
	public string        // URL of a receiver's public address
	exited chan struct{} // closed when it has ended
}

// spawn starts a process; its output goes to a file that is shown when the benchmark fails.
func spawn(b *testing.B, dir, stage string, env []string, program string, args ...string) *child {
	b.Helper()
	c := &child{stage: stage, log: filepath.Join(dir, fmt.Sprintf("%s-%d.log", stage, time.Now().UnixNano())), said: make(chan string, 1), exited: make(chan struct{})}
	log, err := os.Create(c.log)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	c.cmd = exec.Command(program, args...)
	c.cmd.Env, c.cmd.Stderr = append(os.Environ(), env...), log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		lines := bufio.NewReader(out)
		line, _ := lines.ReadString('\n') // the services say nothing
		c.said <- line
		_, _ = io.Copy(io.Discard, lines)
		_ = c.cmd.Wait() // ProcessState says how it ended
		close(c.exited)
	}()
	b.Cleanup(func() {
		c.end(b)
		if said := harness.Tail(c.log, 2000); b.Failed() && said != "" {
			b.Logf("%s: %s", c.log, said)
		}
	})
	return c
}

// greeting is what a NATS server said in its first line.
func (c *child) greeting(b *testing.B) (at addresses) {
	b.Helper()
	if err := json.Unmarshal([]byte(<-c.said), &at); err != nil {
		b.Fatalf("the NATS server did not say where it is: %v\n%s", err, harness.Tail(c.log, 2000))
	}
	return at
}

// end asks the process to end, and waits.
func (c *child) end(b *testing.B) {
	b.Helper()
	if c.stage == stageNATS {
		_ = c.input.Close()
	} else {
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	}
	select {
	case <-c.exited:
	case <-time.After(30 * time.Second):
		b.Errorf("%s did not end within 30 s", c.stage)
		_ = c.cmd.Process.Kill()
		<-c.exited
	}
}

// seconds is the processor time that the process has used.
func (c *child) seconds(b *testing.B, m machine) float64 {
	b.Helper()
	select {
	case <-c.exited:
		return (c.cmd.ProcessState.UserTime() + c.cmd.ProcessState.SystemTime()).Seconds()
	default:
		return m.seconds(b, c.cmd.Process.Pid)
	}
}

// await waits until a service is ready. It finds its addresses by its sockets: each takes a free port.
func (c *child) await(b *testing.B, m machine) {
	b.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; {
		select {
		case <-c.exited:
			b.Fatalf("%s ended: %s\n%s", c.stage, c.cmd.ProcessState, harness.Tail(c.log, 2000))
		case <-tick.C:
		}
		if time.Now().After(end) {
			b.Fatalf("%s is not ready within a minute\n%s", c.stage, harness.Tail(c.log, 2000))
		}
		for _, url := range m.listening(c.cmd.Process.Pid) {
			if status(url+"/livez") != http.StatusOK {
				c.public = url
			} else {
				c.admin = url
			}
		}
		if c.admin != "" && (c.public != "" || c.stage != stageReceiver) && status(c.admin+"/readyz") == http.StatusOK {
			return
		}
	}
}

// status is what a page answers, 0 when it does not.
func status(url string) int {
	res, err := http.Get(url)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// listening are the addresses on loopback at which a process waits for connections, as URLs.
func (m machine) listening(pid int) (urls []string) {
	const listen = "0A" // the kernel's number of that state
	proc, err := m.fs.Proc(pid)
	if err != nil {
		return nil
	}
	targets, err := proc.FileDescriptorTargets()
	if err != nil {
		return nil
	}
	sockets, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(sockets)) {
		f := strings.Fields(line) // number, address:port, peer, state, …, the tenth is the inode
		if len(f) < 10 || f[3] != listen || !slices.Contains(targets, "socket:["+f[9]+"]") {
			continue
		}
		_, hexadecimal, _ := strings.Cut(f[1], ":")
		if port, err := strconv.ParseUint(hexadecimal, 16, 16); err == nil {
			urls = append(urls, "http://"+net.JoinHostPort("127.0.0.1", strconv.FormatUint(port, 10)))
		}
	}
	return urls
}
