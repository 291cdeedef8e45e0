// Package node finds, starts, adopts and stops a real Elasticsearch that belongs to one state folder.
//
// It is for people who try the product and for tests, not for production: one node, on loopback, with data in the
// folder. The node runs in the official Docker image when an engine answers, else from the Maven artifact of the same
// version with a JDK. It outlives the process that started it, and the next Ensure on the same folder adopts it; a node
// of anybody else is never touched, because every folder's cluster has a random name and the processes carry it.
package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Version is the Elasticsearch version that Ensure starts.
const Version = "8.19.8"

// The two ways to run a node, as Options.Prefer takes them and Node.Kind reports them.
const (
	KindDocker = "docker"
	KindMaven  = "maven"
)

// ErrUnavailable is what Ensure's error wraps when this machine has neither a Docker engine nor Maven with a JDK.
var ErrUnavailable = errors.New("this machine has nothing to run Elasticsearch with")

// errGone says that the node ended while it was waited for.
var errGone = errors.New("elasticsearch ended")

const (
	lockName     = "node.lock"
	startTimeout = 3 * time.Minute
	stopGrace    = 20 * time.Second
	pollEvery    = 150 * time.Millisecond
)

// Options say where a node lives and how it is set up. Only Dir is required.
type Options struct {
	// Dir is the state folder; data, logs, config and tmp are made below it, and node.json beside them.
	Dir string
	// CacheDir keeps the unpacked Maven artifact for all folders. Empty means the user's cache folder, as root
	// /var/cache/sluice.
	CacheDir string
	// Heap is the size of the Java heap, such as "512m"; empty means "1g".
	Heap string
	// Settings are further lines of elasticsearch.yml, flat keys; lists are written with commas. They win over the
	// defaults of this package.
	Settings map[string]string
	// Files are further files of the config folder (users, roles.yml, certificates) by their relative name.
	Files map[string][]byte
	// Prefer is KindDocker, KindMaven or empty for whichever is there. A folder with data keeps its kind.
	Prefer string
	// Cluster is the name of a cluster that several nodes make together; how they find each other is in Settings. Empty
	// means that the node is a cluster of its own. Without Docker only.
	Cluster string
	// NetNamespace is the named network namespace (ip netns) that the server lives in; empty means ours. It takes Linux
	// and root, and works without Docker only.
	NetNamespace string
	// StartLimit is how long a start may take; 0 means three minutes.
	StartLimit time.Duration
	// Username, Password and CAFile (PEM) are what the health probe needs when Settings turn on security and TLS.
	Username string
	Password string
	CAFile   string
	// Log takes what happens for operators; nil discards it.
	Log *slog.Logger
	// Progress takes short sentences for people while Ensure works; nil discards them.
	Progress func(step string)
}

// process is one running or stopped Elasticsearch, however it is run.
type process interface {
	look(ctx context.Context) (state, error)
	stop(ctx context.Context) error
}

// state is what look saw: the process id (0 when unknown) and the HTTP address as host:port (empty while starting).
type state struct {
	running bool
	pid     int
	address string
}

// Node is the Elasticsearch of one state folder.
type Node struct {
	dir     string
	record  record
	process process
	started bool
	log     *slog.Logger
}

// URL is the address of the HTTP interface, such as "http://127.0.0.1:40123". It is empty only for a node from Running
// that is still starting.
func (n *Node) URL() string { return n.record.URL }

// PID is the process id of the server, or 0 when Docker does not tell.
func (n *Node) PID() int { return n.record.PID }

// Started tells whether this Ensure started the node; false means that it was running and has been adopted.
func (n *Node) Started() bool { return n.started }

// Version is the Elasticsearch version of the node.
func (n *Node) Version() string { return n.record.Version }

// Kind is KindDocker or KindMaven.
func (n *Node) Kind() string { return n.record.Kind }

// Ensure returns the ready node of opts.Dir: the one that still runs, else a new one. Ready means that its health is at
// least yellow. A canceled ctx stops a node that this call started, and leaves an adopted one alone. Settings of an
// adopted node stay as they were when it was started. The error wraps ErrUnavailable when there is nothing to run it with.
func Ensure(ctx context.Context, opts Options) (*Node, error) {
	opts, err := opts.complete()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, 0o755); err != nil { //nolint:gosec // the unprivileged server must reach its folders
		return nil, fmt.Errorf("making the state folder of elasticsearch: %w", err)
	}
	if opts.Dir, err = canonical(opts.Dir); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, filepath.Join(opts.Dir, lockName))
	if err != nil {
		return nil, err
	}
	defer unlock()
	probe, err := newProbe(opts)
	if err != nil {
		return nil, err
	}
	if n, running := find(ctx, opts.Dir, opts.Log); running {
		opts.Progress("adopting the running Elasticsearch")
		if err := n.await(ctx, probe, opts.StartLimit); !errors.Is(err, errGone) {
			return n, err
		}
	}
	return start(ctx, opts, probe)
}

// Running returns the node of dir if one still runs that was started for dir. It asks no questions over HTTP, so it
// needs no credentials; a node that is still starting counts as running.
func Running(dir string) (*Node, bool) {
	dir, err := canonical(dir)
	if err != nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return find(ctx, dir, slog.New(slog.DiscardHandler))
}

// Stop ends the node and waits until nothing of it is left: politely for 20 seconds or as long as ctx allows, then by
// force. Stopping a stopped node does nothing.
func (n *Node) Stop(ctx context.Context) error {
	// Without the lock, an Ensure that begins while the old node ends could see its new one stopped.
	unlock, err := lock(ctx, filepath.Join(n.dir, lockName))
	switch {
	case err == nil:
		defer unlock()
	case !errors.Is(err, fs.ErrNotExist): // a node whose folder was removed must be stopped all the same
		return fmt.Errorf("stopping elasticsearch in %s: %w", n.dir, err)
	}
	n.log.InfoContext(ctx, "stopping elasticsearch", "dir", n.dir, "pid", n.record.PID)
	if err := n.process.stop(ctx); err != nil {
		return fmt.Errorf("stopping elasticsearch in %s: %w", n.dir, err)
	}
	return nil
}

func find(ctx context.Context, dir string, log *slog.Logger) (*Node, bool) {
	rec, err := readRecord(dir)
	if err != nil {
		return nil, false
	}
	n := &Node{dir: dir, record: rec, process: rec.process(), log: log}
	seen, err := n.process.look(ctx)
	if err != nil || !seen.running {
		return nil, false
	}
	n.note(seen)
	return n, true
}

// note takes over what was seen of the process.
func (n *Node) note(seen state) {
	n.record.PID = seen.pid
	n.record.URL = ""
	if seen.address != "" {
		n.record.URL = n.record.Scheme + "://" + seen.address
	}
}
