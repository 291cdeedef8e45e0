package load_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
)

// message is one as a stream holds it; its payload lies in a file beside.
type message struct {
	Header nats.Header `json:"header"`
	Offset int         `json:"offset"`
	Size   int         `json:"size"`
}

// score names a file of payloads and how to publish them.
type score struct {
	File     string  `json:"file"` // and File.json, the list of messages
	InFlight int     `json:"in_flight"`
	Rate     float64 `json:"rate"` // messages a second at a fixed schedule; 0: as fast as it goes
	Count    int     `json:"count"`
	Serial   int     `json:"serial"`
}

// played is how it went.
type played struct {
	Took time.Duration `json:"took"`
	CPU  float64       `json:"cpu"` // seconds of this process meanwhile
	P50  time.Duration `json:"p50"`
	P99  time.Duration `json:"p99"`
}

// jetStream is bare JetStream: the server and the stream of the all-in-one, and a client of NATS without Sluice.
type jetStream struct {
	js     jetstream.JetStream
	dir    string
	serial int
}

// playJetStream publishes what it is asked to, each time into an empty stream.
func playJetStream(ctx context.Context, dir string, t talk) error {
	ns, conn, err := openStream(ctx, dir)
	if err != nil {
		return err
	}
	defer conn.Close()
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		return err
	}
	defer nc.Close()
	p := &jetStream{dir: dir}
	if p.js, err = jetstream.New(nc); err != nil {
		return err
	}
	if err := t.out.Encode(struct{}{}); err != nil {
		return err
	}
	for {
		var s score
		more, err := t.asked(&s)
		if err != nil || !more {
			return errors.Join(err, stopServer(ctx, ns))
		}
		done, err := p.perform(ctx, s)
		if err != nil {
			return err
		}
		if err := t.out.Encode(done); err != nil {
			return err
		}
	}
}

func stopServer(ctx context.Context, ns *embedded.Server) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return ns.Stop(ctx)
}

func (p *jetStream) perform(ctx context.Context, s score) (played, error) {
	list, payload, done, err := readStored(s.File)
	if err != nil {
		return played{}, err
	}
	defer done()
	if err := purge(ctx, p.js, p.dir); err != nil {
		return played{}, err
	}
	p.serial = s.Serial
	before, begin := processorTime(), time.Now()
	waits, err := p.publishAll(ctx, s, list, payload)
	return played{time.Since(begin), processorTime() - before, part(waits, 0.5), part(waits, 0.99)}, err
}

// processorTime is what this process has used, in seconds.
func processorTime() float64 {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // it knows this process
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// publishAll returns how long each message took, shortest first.
func (p *jetStream) publishAll(ctx context.Context, s score, list []message, payload []byte) ([]time.Duration, error) {
	if s.Rate > 0 {
		seen, err := pace(ctx, s.Rate, s.Count, func(_, n int) error { return p.publish(ctx, n, list[n%len(list)], payload) })
		return seen.latencies, err
	}
	return p.fast(ctx, s, list, payload)
}

// fast publishes the whole list, so many messages at a time.
func (p *jetStream) fast(ctx context.Context, s score, list []message, payload []byte) ([]time.Duration, error) {
	waits := make([][]time.Duration, s.InFlight)
	var next atomic.Int64
	err := inParallel(s.InFlight, make([][]byte, len(list)), func(worker int, _ []byte) error {
		n, start := int(next.Add(1))-1, time.Now()
		err := p.publish(ctx, n, list[n], payload)
		waits[worker] = append(waits[worker], time.Since(start))
		return err
	})
	all := slices.Concat(waits...)
	slices.Sort(all)
	return all, err
}

// publish stores one message again, under an id of its own that is as long as the one it had.
func (p *jetStream) publish(ctx context.Context, n int, m message, payload []byte) error {
	header := maps.Clone(m.Header)
	if id := header.Get(jetstream.MsgIDHeader); id != "" {
		header[jetstream.MsgIDHeader] = []string{fmt.Sprintf("%0*d", len(id), p.serial*10_000_000+n)}
	}
	_, err := p.js.PublishMsg(ctx, &nats.Msg{Subject: stream.SubjectDeliveries, Header: header, Data: payload[m.Offset : m.Offset+m.Size]}, jetstream.WithRetryAttempts(1))
	return err
}

// purge empties the stream of deliveries and waits until the disk of dir is calm.
func purge(ctx context.Context, js jetstream.JetStream, dir string) error {
	s, err := js.Stream(ctx, stream.Deliveries)
	if err != nil {
		return err
	}
	if err := s.Purge(ctx); err != nil {
		return err
	}
	return calm(ctx, dir)
}

// readStored maps the payloads into memory, so that they are no burden of the garbage collector.
func readStored(path string) (list []message, payload []byte, done func(), err error) {
	raw, err := os.ReadFile(path + ".json")
	if err != nil {
		return nil, nil, nil, err
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, nil, nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = file.Close() }()
	last := list[len(list)-1]
	payload, err = syscall.Mmap(int(file.Fd()), 0, last.Offset+last.Size, syscall.PROT_READ, syscall.MAP_SHARED)
	_ = crc32.ChecksumIEEE(payload) // touches every page, which must not be part of what is measured
	return list, payload, func() { _ = syscall.Munmap(payload) }, err
}

// writeStored writes what readStored reads.
func writeStored(path string, list []message, payloads func(n int) []byte) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	offset := 0
	for i := range list {
		data := payloads(i)
		list[i].Offset, list[i].Size = offset, len(data)
		offset += len(data)
		if _, err := file.Write(data); err != nil {
			_ = file.Close()
			return err
		}
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.WriteFile(path+".json", raw, 0o600))
}
