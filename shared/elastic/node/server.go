package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const stdoutName = "stdout.log"

// server is an Elasticsearch that runs as processes of this machine. They are found by their arguments, which carry the
// cluster's random name: a process id alone could have passed to another program.
type server struct {
	cluster string
	ports   string // the file in which the server writes where it listens
}

// startServer launches the server and returns while it is still coming up. The launcher detaches the server once it
// is up, and both live in a session of their own: nothing that happens to the caller reaches them.
func startServer(ctx context.Context, opts Options, rec record) error {
	jdk, err := findJava(ctx)
	if err != nil {
		return err
	}
	home, err := distribution(ctx, opts)
	if err != nil {
		return err
	}
	if err := writeConfig(opts, serverSettings(opts), filepath.Join(home, "config")); err != nil {
		return err
	}
	stdout, err := freshFolders(opts.Dir)
	if err != nil {
		return err
	}
	defer stdout.Close() //nolint:errcheck // the server writes it, not this process
	runner, err := serverAccount(opts.Dir, home, jdk)
	if err != nil {
		return err
	}
	if err := runner.own(ownFolders(opts.Dir)); err != nil {
		return err
	}
	opts.Progress("starting Elasticsearch " + Version)
	cmd := exec.Command(filepath.Join(home, "bin", "elasticsearch"), "-d", markArgument+rec.Cluster, "-Ecluster.name="+rec.clusterName()) //nolint:noctx // it outlives ctx
	cmd.Dir = opts.Dir
	cmd.Env = serverEnvironment(opts, rec, jdk)
	cmd.Stdout, cmd.Stderr = stdout, stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := runner.start(cmd, opts.NetNamespace); err != nil {
		return err
	}
	opts.Log.InfoContext(ctx, "elasticsearch launched", "dir", opts.Dir, "pid", cmd.Process.Pid, "user", runner.String())
	go func() { _ = cmd.Wait() }() // the launcher ends by itself; how it went is seen in its processes and its log
	rec.PID = cmd.Process.Pid
	return rec.write()
}

// ownFolders are the folders in Dir that the server itself writes to.
func ownFolders(dir string) []string {
	var folders []string
	for _, name := range []string{"data", "logs", "config", "tmp"} {
		folders = append(folders, filepath.Join(dir, name))
	}
	return folders
}

// freshFolders makes the server's folders, forgets where an earlier server listened, and opens the new standard output.
func freshFolders(dir string) (*os.File, error) {
	for _, folder := range ownFolders(dir) {
		if err := os.MkdirAll(folder, 0o750); err != nil {
			return nil, fmt.Errorf("making a folder of the server: %w", err)
		}
	}
	stdout := filepath.Join(dir, "logs", stdoutName)
	for _, stale := range []string{stdout, filepath.Join(dir, "logs", "http.ports")} {
		if err := os.Remove(stale); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("removing a file of the last start: %w", err)
		}
	}
	file, err := os.OpenFile(stdout, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640) //nolint:gosec // below the caller's folder
	if err != nil {
		return nil, fmt.Errorf("opening the log of the start: %w", err)
	}
	return file, nil
}

func serverEnvironment(opts Options, rec record, jdk string) []string {
	return []string{
		"PATH=" + environment("PATH"),
		"LANG=C.UTF-8",
		"HOME=" + filepath.Join(opts.Dir, "tmp"),
		"ES_JAVA_HOME=" + jdk,
		"ES_PATH_CONF=" + filepath.Join(opts.Dir, "config"),
		"ES_TMPDIR=" + filepath.Join(opts.Dir, "tmp"),
		"ES_JAVA_OPTS=-Xms" + opts.Heap + " -Xmx" + opts.Heap + " " + clusterProperty + rec.Cluster,
	}
}

func (s server) look(_ context.Context) (state, error) {
	pids, err := processesOf(s.cluster)
	if err != nil || len(pids) == 0 {
		return state{}, err
	}
	seen := state{running: true, pid: pids[len(pids)-1]}
	data, err := os.ReadFile(s.ports)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return seen, fmt.Errorf("reading where the server listens: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		address := strings.TrimSpace(line)
		host, _, err := net.SplitHostPort(address)
		if err == nil && (seen.address == "" || net.ParseIP(host).To4() != nil) {
			seen.address = address
		}
	}
	return seen, nil
}

// stop ends launcher and server, by force when they do not end in time.
func (s server) stop(ctx context.Context) error {
	polite, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if gone, err := s.end(polite, syscall.SIGTERM); gone || err != nil {
		return err
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	gone, err := s.end(hard, syscall.SIGKILL)
	if err == nil && !gone {
		err = errors.New("its processes survive SIGKILL")
	}
	return err
}

// end signals every process of the cluster until none is left or ctx is done. A process that appears later (the
// launcher may be about to start the server) gets its signal too.
func (s server) end(ctx context.Context, signal syscall.Signal) (gone bool, err error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	told := map[int]bool{}
	for {
		pids, err := processesOf(s.cluster)
		if err != nil || len(pids) == 0 {
			return err == nil, err
		}
		for _, pid := range pids {
			if told[pid] {
				continue
			}
			told[pid] = true
			if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return false, fmt.Errorf("signaling process %d (does it belong to another user?): %w", pid, err)
			}
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-tick.C:
		}
	}
}
