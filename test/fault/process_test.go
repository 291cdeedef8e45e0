package fault_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// process is one program that can be started, signaled and started again.
type process struct {
	name    string
	program string
	args    []string
	env     []string
	log     string
	keeper  *keeper

	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended
}

func (p *process) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	p.cmd = exec.Command(p.program, p.args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), p.env...), log, log
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.keeper.tell("+", "process", strconv.Itoa(p.pid()))
	p.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan<- struct{}) {
		_ = cmd.Wait()                                               // ProcessState says how it ended
		p.keeper.tell("-", "process", strconv.Itoa(cmd.Process.Pid)) // from now on another process may have the number
		close(exited)
	}(p.cmd, p.exited)
	return nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal sends a signal; what must end by it is waited for.
func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("signaling %s (%d): %w", p.name, p.pid(), err)
	}
	return nil
}

// end sends a signal and returns how the process ended.
func (p *process) end(s syscall.Signal) (string, error) {
	if err := p.signal(s); err != nil {
		return "", err
	}
	begin := time.Now()
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return "", fmt.Errorf("%s (%d) did not end within 30 s after %s", p.name, p.pid(), s)
	}
	return fmt.Sprintf("%s pid %d: %s after %s", p.name, p.pid(), p.cmd.ProcessState, time.Since(begin).Round(time.Millisecond)), nil
}

// stop ends the process, whatever state it is in.
func (p *process) stop() error {
	if !p.running() {
		return nil
	}
	err := p.signal(syscall.SIGCONT) // it may be frozen
	_, endErr := p.end(syscall.SIGTERM)
	return errors.Join(err, endErr)
}
