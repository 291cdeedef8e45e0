package fault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// processFaults end, freeze and restart programs.
func processFaults() []*fault {
	return []*fault{
		{name: "receiver-kill", does: "kill -9 of the receiver", hold: time.Second, strike: killed("receiver")},
		{name: "enricher-kill", does: "kill -9 of the enricher", hold: time.Second, strike: killed("enricher")},
		{name: "indexer-kill", does: "kill -9 of the indexer", hold: time.Second, strike: killed("indexer")},
		{name: "indexer-kill-holding", does: "kill -9 of the indexer while it holds messages, as Elasticsearch is away", hold: time.Second, strike: holdThenKill(3 * time.Second)},
		{name: "nats-kill", does: "kill -9 of NATS", hold: 2 * time.Second, strike: natsEnds(syscall.SIGKILL)},
		{name: "elasticsearch-kill", does: "kill -9 of Elasticsearch", own: true, hold: time.Second, strike: elasticKill},
		{name: "crew-kill", does: "kill -9 of one of two enrichers and one of two indexers, while the others go on", crew: 2, hold: 2 * time.Second, strike: killed("enricher", "indexer")},
		{name: "services-kill", does: "kill -9 of receiver, enricher and indexer at once", hold: time.Second, strike: killed("receiver", "enricher", "indexer")},
		{name: "everything-kill", does: "kill -9 of NATS and all services at once", hold: time.Second, strike: everythingKill},
		{name: "crash-loop", does: "kill -9 of enricher and indexer three times, a moment after each start", hold: 0, strike: crashLoop},

		{name: "receiver-freeze", does: "SIGSTOP of the receiver for longer than the sender waits", hold: 13 * time.Second, strike: frozen("receiver")},
		{name: "enricher-freeze", does: "SIGSTOP of one of two enrichers for longer than AckWait: the other gets its messages, then it goes on", crew: 2, hold: 30 * time.Second, strike: frozen("enricher")},
		{name: "indexer-freeze", does: "SIGSTOP of one of two indexers for longer than AckWait", crew: 2, hold: 30 * time.Second, strike: frozen("indexer")},
		{name: "nats-freeze", does: "SIGSTOP of NATS", hold: 8 * time.Second, strike: func(x *trial) (func() error, error) { return x.freeze(x.nats) }},
		{name: "elasticsearch-freeze", does: "SIGSTOP of Elasticsearch for longer than a request may take", own: true, hold: 12 * time.Second, strike: elasticFreeze},

		{name: "receiver-restart", does: "SIGTERM of the receiver and a new start, three times", strike: restarted("receiver")},
		{name: "enricher-restart", does: "SIGTERM of the enricher and a new start, three times", strike: restarted("enricher")},
		{name: "indexer-restart", does: "SIGTERM of the indexer and a new start, three times", strike: restarted("indexer")},
		{name: "nats-restart", does: "SIGTERM of NATS and a new start", hold: time.Second, strike: natsEnds(syscall.SIGTERM)},
		{name: "elasticsearch-restart", does: "a clean stop of Elasticsearch and a new start", own: true, strike: elasticRestart},
		{name: "rolling-restart", does: "SIGTERM and a new start of every service, one after another", crew: 2, strike: rolling},
	}
}

// killed kills services by SIGKILL; they are started again when the fault ends.
func killed(names ...string) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		if err := x.kill(names...); err != nil {
			return nil, err
		}
		return func() error { return x.startServices(names...) }, nil
	}
}

// holdThenKill takes Elasticsearch away, waits until the indexer holds messages that it cannot get rid of, and for some
// time more, and kills it.
func holdThenKill(more time.Duration) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		es := x.services["indexer"].es
		es.set(shut, 1, 0)
		heal := func() error { es.open(); return x.startService("indexer") }
		err := within(30*time.Second, "messages that the indexer holds", func() error {
			if n := x.metric("indexer", "sluice_indexer_retries_total"); n < 1 {
				return errors.New("none so far")
			}
			return nil
		})
		x.pause(x.about(more))
		if err == nil {
			err = x.kill("indexer")
		}
		return heal, err
	}
}

func (x *trial) kill(names ...string) error {
	for _, name := range names {
		text, err := x.services[name].end(syscall.SIGKILL)
		if err != nil {
			return err
		}
		x.saw("%s", text)
	}
	return nil
}

func (x *trial) startServices(names ...string) error {
	for _, name := range names {
		if err := x.startService(name); err != nil {
			return err
		}
	}
	return nil
}

func natsEnds(s syscall.Signal) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		text, err := x.nats.end(s)
		if err != nil {
			return nil, err
		}
		x.saw("%s", text)
		return x.startNATS, nil
	}
}

func everythingKill(x *trial) (func() error, error) {
	if err := x.kill(x.order...); err != nil {
		return nil, err
	}
	text, err := x.nats.end(syscall.SIGKILL)
	if err != nil {
		return nil, err
	}
	x.saw("%s", text)
	return func() error { return errors.Join(x.startNATS(), x.startServices(x.order...)) }, nil
}

func crashLoop(x *trial) (func() error, error) {
	for range 3 {
		if err := x.kill("enricher", "indexer"); err != nil {
			return nil, err
		}
		if err := x.startServices("enricher", "indexer"); err != nil {
			return nil, err
		}
		x.pause(x.about(2 * time.Second))
	}
	return nil, nil
}

// freeze stops a process without ending it.
func (x *trial) freeze(p *process) (func() error, error) {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return nil, err
	}
	begin := time.Now()
	return func() error {
		x.saw("%s pid %d stood still for %s", p.name, p.pid(), age(time.Since(begin)))
		return p.signal(syscall.SIGCONT)
	}, nil
}

func frozen(name string) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) { return x.freeze(x.services[name].process) }
}

func restarted(name string) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		for range 3 {
			if err := x.restart(name); err != nil {
				return nil, err
			}
			x.pause(x.about(time.Second))
		}
		return nil, nil
	}
}

func (x *trial) restart(name string) error {
	text, err := x.services[name].end(syscall.SIGTERM)
	if err != nil {
		return err
	}
	x.saw("%s", text)
	if !strings.Contains(text, "exit status 0") {
		return fmt.Errorf("the stop was not clean: %s, see %s", text, x.services[name].log)
	}
	return x.startService(name)
}

func rolling(x *trial) (func() error, error) {
	for _, name := range x.order {
		if err := x.restart(name); err != nil {
			return nil, err
		}
		x.pause(x.about(500 * time.Millisecond))
	}
	return nil, nil
}

// gone waits until there is no process of that number.
func gone(pid int) error {
	return within(30*time.Second, fmt.Sprintf("the end of process %d", pid), func() error {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			return errors.New("it is still there")
		}
		return nil
	})
}

func elasticKill(x *trial) (func() error, error) {
	pid := x.node.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return nil, err
	}
	if err := gone(pid); err != nil {
		return nil, err
	}
	x.saw("elasticsearch pid %d: gone by SIGKILL", pid)
	return func() error {
		if err := x.startNode(x.ctx); err != nil {
			return err
		}
		x.saw("back as pid %d", x.node.PID())
		return nil
	}, nil
}

func elasticFreeze(x *trial) (func() error, error) {
	pid, begin := x.node.PID(), time.Now()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	return func() error {
		x.saw("elasticsearch pid %d stood still for %s", pid, age(time.Since(begin)))
		return syscall.Kill(pid, syscall.SIGCONT)
	}, nil
}

func elasticRestart(x *trial) (func() error, error) {
	pid := x.node.PID()
	if err := x.node.Stop(x.ctx); err != nil {
		return nil, err
	}
	x.saw("elasticsearch pid %d: stopped", pid)
	return func() error {
		if err := x.startNode(x.ctx); err != nil {
			return err
		}
		x.saw("back as pid %d", x.node.PID())
		return nil
	}, nil
}

// mend brings a node of our own back to what it was, whatever a fault that failed left behind.
func (l *lab) mend(ctx context.Context) error {
	if l.node == nil {
		return nil
	}
	if pid := l.node.PID(); pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGCONT) // gone or not, the next line says
	}
	if err := l.startNode(ctx); err != nil {
		return err
	}
	if err := l.rewriteRealm(true, writerRole); err != nil {
		return err
	}
	_, err := l.do(ctx, "PUT", "/_cluster/settings", `{"persistent":{"cluster.blocks.read_only":null,"cluster.routing.allocation.enable":null,"cluster.routing.allocation.disk.watermark.*":null}}`)
	return err
}
