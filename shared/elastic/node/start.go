package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// start runs a new node in opts.Dir and waits until it is ready. The caller holds the folder's lock.
func start(ctx context.Context, opts Options, probe *probe) (*Node, error) {
	before, err := previous(opts.Dir)
	if err != nil {
		return nil, err
	}
	kind, err := choose(ctx, opts, before)
	if err != nil {
		return nil, err
	}
	rec := newRecord(opts, before, kind)
	if err := rec.write(); err != nil {
		return nil, err
	}
	n := &Node{dir: opts.Dir, record: rec, process: rec.process(), started: true, log: opts.Log}
	if kind == KindDocker {
		err = startContainer(ctx, opts, rec)
	} else {
		err = startServer(ctx, samePort(ctx, opts, before.URL), rec)
	}
	if err != nil {
		return nil, fmt.Errorf("starting elasticsearch in %s: %w", opts.Dir, err)
	}
	if err := n.await(ctx, probe, opts.StartLimit); err != nil {
		n.abandon(ctx)
		return nil, err
	}
	return n, nil
}

// samePort asks for the port of the run before, if nobody else took it: whoever knows the node's address keeps it.
func samePort(ctx context.Context, opts Options, before string) Options {
	u, err := url.Parse(before)
	if err != nil || u.Port() == "" || opts.Settings["http.port"] != "" {
		return opts
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", u.Port()))
	if err != nil {
		return opts
	}
	_ = l.Close() // nobody else has it
	settings := maps.Clone(opts.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	settings["http.port"] = u.Port()
	opts.Settings = settings
	return opts
}

// abandon stops what did not become ready; the reason why is already on its way to the caller.
func (n *Node) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := n.process.stop(ctx); err != nil {
		n.log.ErrorContext(ctx, "elasticsearch keeps running", "dir", n.dir, "error", err)
	}
}

// await waits until the node answers that it is ready, and records where it listens.
func (n *Node) await(ctx context.Context, probe *probe, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last := errors.New("it does not listen yet")
	for {
		seen, err := n.process.look(ctx)
		switch {
		case err != nil:
			last = err
		case !seen.running:
			return n.failed(errGone)
		case seen.address != "":
			n.note(seen)
			if last = probe.check(ctx, n.record.URL, n.record.clusterName()); last == nil {
				n.log.InfoContext(ctx, "elasticsearch is ready", "dir", n.dir, "url", n.record.URL, "pid", n.record.PID)
				return n.record.write()
			}
			if errors.Is(last, errFinal) {
				return fmt.Errorf("waiting for elasticsearch in %s (process %d): %w", n.dir, n.record.PID, last)
			}
		}
		select {
		case <-ctx.Done():
			return n.failed(fmt.Errorf("%w; %w", ctx.Err(), last))
		case <-tick.C:
		}
	}
}

// failed adds to err what the server itself said last.
func (n *Node) failed(err error) error {
	logs := filepath.Join(n.dir, "logs")
	return fmt.Errorf("waiting for elasticsearch in %s: %w; its logs are in %s and end with:\n%s",
		n.dir, err, logs, lastLines(logs))
}

// choose decides how to run the node. Data of the full distribution cannot be read by the trimmed one, so a folder that
// has data keeps its kind.
func choose(ctx context.Context, opts Options, before record) (string, error) {
	want := opts.Prefer
	if before.Kind != "" && hasData(opts.Dir) {
		if want != "" && want != before.Kind {
			return "", fmt.Errorf("the data in %s was written with %s: it cannot be opened with %s, "+
				"choose another state folder", opts.Dir, before.Kind, want)
		}
		want = before.Kind
	}
	var missing error
	if want != KindMaven {
		if missing = dockerAnswers(ctx); missing == nil {
			return KindDocker, nil
		}
		if want == KindDocker {
			return "", fmt.Errorf("%w: %s needs Docker, and %w; start the engine or choose another state folder",
				ErrUnavailable, opts.Dir, missing)
		}
	}
	if err := mavenUsable(ctx, opts); err != nil {
		return "", fmt.Errorf("%w: %w; install the Debian packages openjdk-17-jdk-headless and maven, "+
			"or start a Docker engine, or name a running Elasticsearch yourself", ErrUnavailable, errors.Join(missing, err))
	}
	return KindMaven, nil
}

func hasData(dir string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, "data"))
	return err == nil && len(entries) > 0
}
