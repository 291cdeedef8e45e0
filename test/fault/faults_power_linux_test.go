package fault_test

import (
	"errors"
	"fmt"
	"time"
)

// powerFaults take the power away: what was not synced is gone.
func powerFaults() []*fault {
	nats := func(name, does string, hold time.Duration, strike func(x *trial) (func() error, error)) *fault {
		return &fault{name: name, does: does, root: true, once: true, disk: powered, hold: hold, strike: strike}
	}
	elastic := func(name, does string, strike func(x *trial) (func() error, error)) *fault {
		return &fault{name: name, does: does, root: true, once: true, disk: powered, ownDisk: true, strike: strike}
	}
	return []*fault{
		nats("nats-power-cut", "three power cuts of NATS: what it had not synced is gone", 0, natsPowerCuts(false)),
		nats("nats-power-cut-torn", "three power cuts of NATS: of what it had not synced anything may be left", 0, natsPowerCuts(true)),
		nats("slow-disk", "every sync of NATS's disk takes 300 ms", 10*time.Second, slowDisk),
		nats("nats-disk-error", "syncs of NATS's disk fail; the disk is repaired and NATS started again", 0, diskError),
		nats("nats-disk-read-only", "NATS's disk can only be read; it is repaired and NATS started again", 0, diskReadOnly),
		elastic("elasticsearch-power-cut", "a power cut of Elasticsearch: what it had not synced is gone", elasticPowerCut(false)),
		elastic("elasticsearch-power-cut-torn", "a power cut of Elasticsearch: of what it had not synced anything may be left", elasticPowerCut(true)),
		elastic("everything-power-cut", "the machine loses its power: Elasticsearch, NATS and all services at once", everythingPowerCut(false)),
		elastic("everything-power-cut-torn", "the same, with torn writes", everythingPowerCut(true)),
	}
}

// natsPowerCut takes NATS's power, brings it back, and starts NATS.
func (x *trial) natsPowerCut(torn bool) error {
	x.power.Cut()
	if err := die([]*process{x.nats}, nil, x.power); err != nil {
		return err
	}
	loss, err := x.power.Restore(torn)
	if err != nil {
		return err
	}
	x.saw("nats pid %d: %s; %s", x.nats.pid(), x.nats.cmd.ProcessState, loss)
	return x.startNATS()
}

func natsPowerCuts(torn bool) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		for range 3 {
			if err := x.natsPowerCut(torn); err != nil {
				return nil, err
			}
			x.pause(x.about(1500 * time.Millisecond))
		}
		return nil, nil
	}
}

func elasticPowerCut(torn bool) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		x.mains.Cut()
		return nil, errors.Join(die(nil, []int{x.node.PID()}, x.mains), x.elasticBack(torn))
	}
}

// elasticBack brings back the power of Elasticsearch and starts it.
func (x *trial) elasticBack(torn bool) error {
	pid := x.node.PID()
	loss, err := x.mains.Restore(torn)
	if err != nil {
		return err
	}
	if err := x.startNode(x.ctx); err != nil {
		return err
	}
	if x.node.PID() == pid {
		return fmt.Errorf("elasticsearch is still process %d", pid)
	}
	x.saw("elasticsearch pid %d gone; %s; back as pid %d", pid, loss, x.node.PID())
	return nil
}

func everythingPowerCut(torn bool) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		x.mains.Cut()
		x.power.Cut()
		all := []*process{x.nats}
		for _, name := range x.order {
			all = append(all, x.services[name].process)
		}
		if err := die(all, []int{x.node.PID()}, x.mains, x.power); err != nil {
			return nil, err
		}
		loss, err := x.power.Restore(torn)
		if err != nil {
			return nil, err
		}
		x.saw("nats and %d services gone; %s", len(all)-1, loss)
		return func() error {
			return errors.Join(x.elasticBack(torn), x.startNATS(), x.startServices(x.order...))
		}, nil
	}
}

func slowDisk(x *trial) (func() error, error) {
	const wait = 300 * time.Millisecond
	before := x.power.Counts().Syncs
	x.power.DelaySyncs(wait)
	return func() error {
		x.power.Repair()
		n := x.power.Counts().Syncs - before
		if n == 0 {
			return errors.New("nothing was synced while the disk was slow")
		}
		x.saw("%d syncs took %s each", n, wait)
		return nil
	}, nil
}

func diskError(x *trial) (func() error, error) {
	return x.hurtDisk(func() { x.power.FailSyncs(x.dice.IntN(20)) })
}

func diskReadOnly(x *trial) (func() error, error) { return x.hurtDisk(x.power.ReadOnly) }

// hurtDisk breaks NATS's disk until the sender is refused and the receiver says why.
func (x *trial) hurtDisk(hurt func()) (func() error, error) {
	before, refused := x.book.attempts()[503], x.power.Counts().Refused
	hurt()
	heal := func() error {
		x.power.Repair()
		x.saw("the disk refused %d operations", x.power.Counts().Refused-refused)
		return x.restartNATS()
	}
	if err := x.answered(503, 5, before, time.Minute); err != nil {
		return heal, err
	}
	return heal, x.writeDead()
}
