package fault_test

import (
	"fmt"
	"time"
)

// wayFaults break what lies between two programs.
func wayFaults() []*fault {
	return []*fault{
		{name: "receiver-nats-cut", does: "the receiver's connection to NATS is cut and refused, three times", strike: flapping("receiver", natsWay)},
		{name: "enricher-nats-cut", does: "the enricher's connection to NATS is cut and refused, three times", strike: flapping("enricher", natsWay)},
		{name: "indexer-nats-cut", does: "the indexer's connection to NATS is cut and refused, three times", strike: flapping("indexer", natsWay)},
		{name: "nats-partition", does: "all services are cut off from NATS", hold: 8 * time.Second, strike: broken("", natsWay, shut, 1, 0)},
		{name: "nats-answers-lost", does: "one of twenty pieces that NATS sends is lost with its connection: receipts, messages", hold: 6 * time.Second, strike: broken("", natsWay, loseAnswers, 0.05, 0)},
		{name: "nats-requests-lost", does: "one of twenty pieces that services send to NATS is lost with its connection: acknowledgements, documents", hold: 6 * time.Second, strike: broken("", natsWay, loseRequests, 0.05, 0)},
		{name: "nats-slow", does: "everything to and from NATS takes 0.4 s", hold: 6 * time.Second, strike: broken("", natsWay, delay, 1, 200*time.Millisecond)},
		{name: "elasticsearch-cut", does: "the indexer's connections to Elasticsearch are cut and refused", hold: 6 * time.Second, strike: broken("indexer", elasticWay, shut, 1, 0)},
		{name: "elasticsearch-requests-lost", does: "connections break while a request is sent", hold: 5 * time.Second, strike: broken("indexer", elasticWay, loseRequests, 1, 0)},
		{name: "elasticsearch-answers-lost", does: "connections break after the request and before its answer: Elasticsearch has stored it", hold: 5 * time.Second, strike: broken("indexer", elasticWay, loseAnswers, 1, 0)},
		{name: "elasticsearch-answers-halved", does: "connections break in the middle of an answer", hold: 5 * time.Second, strike: broken("indexer", elasticWay, halveAnswers, 1, 0)},
		{name: "elasticsearch-slow", does: "answers come later than the indexer waits", hold: 12 * time.Second, strike: broken("indexer", elasticWay, delay, 1, 3500*time.Millisecond)},
	}
}

// A way chooses one of the valves of a service.
func natsWay(s *service) *valve { return s.nats }

func elasticWay(s *service) *valve { return s.es }

// done is what a valve has done so far.
func (v *valve) done() int64 { return v.broken.Load() + v.refused.Load() + v.delayed.Load() }

// broken turns the valves of all services whose names begin with kind.
func broken(kind string, way func(*service) *valve, m mode, share float64, wait time.Duration) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		services := x.members(kind)
		before := make([]int64, len(services))
		for i, s := range services {
			before[i] = way(s).done()
			way(s).set(m, share, wait)
		}
		return func() error {
			total := int64(0)
			for i, s := range services {
				v := way(s)
				total += v.done() - before[i]
				v.open()
			}
			if total == 0 {
				return fmt.Errorf("nothing passed the broken way of %q", kind)
			}
			x.saw("%d connections or pieces broken, refused or delayed", total)
			return nil
		}, nil
	}
}

// flapping cuts a way three times for about a second.
func flapping(name string, way func(*service) *valve) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		v := way(x.services[name])
		brokenBefore, refusedBefore := v.broken.Load(), v.refused.Load()
		for range 3 {
			v.set(shut, 1, 0)
			x.pause(x.about(1500 * time.Millisecond))
			v.open()
			x.pause(x.about(time.Second))
		}
		cut, refused := v.broken.Load()-brokenBefore, v.refused.Load()-refusedBefore
		if cut == 0 {
			return nil, fmt.Errorf("%s had no connection to cut", name)
		}
		x.saw("%d connections cut, %d refused", cut, refused)
		return nil, nil
	}
}
