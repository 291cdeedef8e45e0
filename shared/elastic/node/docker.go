package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	image        = "elasticsearch:" + Version
	imageHome    = "/usr/share/elasticsearch/"
	imageUser    = 1000
	clusterLabel = "sluice.cluster"
)

var errNoContainer = errors.New("no such container")

// container is an Elasticsearch that runs in Docker. Its name comes from the state folder, and a label tells whether it
// is the one that node.json speaks of.
type container struct {
	name    string
	cluster string
	logs    string
}

func containerName(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "sluice-elasticsearch-" + hex.EncodeToString(sum[:6])
}

// dockerAnswers returns why no Docker engine can be used, or nil.
func dockerAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	version, err := docker(ctx, "info", "--format", "{{.ServerVersion}}")
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("there is no docker on PATH")
	case err != nil:
		return fmt.Errorf("no Docker engine answers: %w", err)
	case strings.TrimSpace(version) == "": // an old client ends well without an engine
		return errors.New("no Docker engine answers")
	}
	return nil
}

// startContainer runs the official image on a loopback port that Docker chooses. The server runs as the user we are, so
// that the data are ours; as root, as the image's own user.
func startContainer(ctx context.Context, opts Options, rec record) error {
	settings := commonSettings()
	mapping(settings, mapLimit(), math.MaxInt) // its engine may be another machine, with a limit of its own
	settings["network.host"] = "0.0.0.0"       // inside the container; only loopback is published
	settings["http.port"] = "9200"
	settings["cluster.name"] = rec.Cluster
	maps.Copy(settings, opts.Settings)
	if err := writeConfig(opts, settings, ""); err != nil {
		return err
	}
	stdout, err := freshFolders(opts.Dir)
	if err != nil {
		return err
	}
	_ = stdout.Close()
	runner := account{uid: os.Getuid(), gid: 0}
	if runner.uid == 0 {
		runner = account{drop: true, uid: imageUser, gid: 0}
	}
	if err := runner.own(ownFolders(opts.Dir)); err != nil {
		return err
	}
	name := containerName(opts.Dir)
	if _, err := docker(ctx, "rm", "--force", name); err != nil {
		opts.Log.DebugContext(ctx, "no earlier container removed", "container", name, "reason", err)
	}
	opts.Progress("starting Elasticsearch " + Version + " with Docker (the image is fetched the first time)")
	_, err = docker(ctx, runArguments(opts, rec, runner.uid)...)
	return err
}

func runArguments(opts Options, rec record, uid int) []string {
	args := []string{
		"run", "--detach", "--name", containerName(opts.Dir),
		"--label", clusterLabel + "=" + rec.Cluster,
		"--publish", "127.0.0.1::9200",
		"--user", strconv.Itoa(uid) + ":0",
		"--ulimit", "nofile=65535:65535",
		"--env", "ES_JAVA_OPTS=-Xms" + opts.Heap + " -Xmx" + opts.Heap,
		"--mount", bind(filepath.Join(opts.Dir, "data"), "data"),
		"--mount", bind(filepath.Join(opts.Dir, "config", "elasticsearch.yml"), "config/elasticsearch.yml") + ",readonly",
	}
	for _, name := range slices.Sorted(maps.Keys(opts.Files)) {
		args = append(args, "--mount", bind(filepath.Join(opts.Dir, "config", name), "config/"+filepath.ToSlash(name))+",readonly")
	}
	return append(args, image)
}

func bind(source, target string) string {
	return "type=bind,source=" + source + ",target=" + imageHome + target
}

func (c container) look(ctx context.Context) (state, error) {
	out, err := docker(ctx, "inspect", "--type", "container", "--format",
		`{{.State.Running}} {{.State.Pid}} {{index .Config.Labels "`+clusterLabel+`"}}`, c.name)
	if err != nil {
		if errors.Is(err, errNoContainer) {
			return state{}, nil
		}
		return state{}, err
	}
	fields := strings.Fields(out)
	if len(fields) != 3 || fields[2] != c.cluster {
		return state{}, nil
	}
	if fields[0] != "true" {
		c.keepLog(ctx)
		return state{}, nil
	}
	seen := state{running: true}
	seen.pid, _ = strconv.Atoi(fields[1]) // 0 where the engine does not tell
	out, err = docker(ctx, "port", c.name, "9200/tcp")
	if err != nil {
		return seen, err
	}
	seen.address, _, _ = strings.Cut(strings.TrimSpace(out), "\n")
	return seen, nil
}

// keepLog saves what an ended container said, where the logs of the other kind lie.
func (c container) keepLog(ctx context.Context) {
	if out, err := docker(ctx, "logs", "--tail", "200", c.name); err == nil {
		path := filepath.Join(c.logs, stdoutName)
		_ = os.Remove(path)
		_ = os.WriteFile(path, []byte(out), 0o600) // for people; the cause is reported without it, too
	}
}

func (c container) stop(ctx context.Context) error {
	if _, err := docker(ctx, "stop", "--time", strconv.Itoa(int(stopGrace.Seconds())), c.name); err != nil &&
		!errors.Is(err, errNoContainer) && ctx.Err() == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if _, err := docker(ctx, "rm", "--force", c.name); err != nil && !errors.Is(err, errNoContainer) {
		return err
	}
	return nil
}

// docker runs the docker command and returns its output, standard error included for logs.
func docker(ctx context.Context, args ...string) (string, error) {
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdout, cmd.Stderr = &out, &problems
	if args[0] == "logs" {
		cmd.Stderr = &out
	}
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(problems.String())
		if strings.Contains(strings.ToLower(said), "no such container") {
			return "", fmt.Errorf("docker %s: %w", args[0], errNoContainer)
		}
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, said)
	}
	return out.String(), nil
}
