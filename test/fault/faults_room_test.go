package fault_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// roomFaults take away what a program needs to write to.
func roomFaults() []*fault {
	return []*fault{
		{name: "streams-full", does: "both streams are full, as Elasticsearch is away: 503 for the sender", strike: streamsFull},
		{name: "dead-letters-full", does: "DEAD_LETTERS has no room: enrichers hold what holds rubbish", once: true, hold: 5 * time.Second, strike: deadLettersFull},
		{name: "nats-disk-full", does: "the disk of NATS is full; room is made and NATS started again", root: true, once: true, disk: 96 << 20, strike: diskFull},
		{name: "storage-limit", does: "NATS has stored what it may store altogether: 503, although no stream is full", once: true, prepare: littleRoom, strike: storageLimit},
		{name: "receiver-no-files", does: "the receiver may open no more files: connections are not accepted", hold: 5 * time.Second, strike: noFiles("receiver")},
		{name: "indexer-no-files", does: "the indexer may open no more files, and its connections to Elasticsearch are cut", hold: 5 * time.Second, strike: noFiles("indexer")},
	}
}

// answered waits until the load got so many more answers of a status.
func (x *trial) answered(status, count, before int, limit time.Duration) error {
	return within(limit, fmt.Sprintf("%d answers %d to the sender", count, status), func() error {
		if n := x.book.attempts()[status] - before; n < count {
			return fmt.Errorf("%d so far", n)
		}
		return nil
	})
}

func streamsFull(x *trial) (func() error, error) {
	sizes := map[string]int64{}
	for _, name := range []string{stream.Deliveries, stream.Documents} {
		state, err := x.conn.State(x.ctx, name)
		if err != nil {
			return nil, err
		}
		sizes[name] = int64(state.Bytes) + 1<<20
	}
	before := x.book.attempts()[503]
	for _, s := range x.members("indexer") {
		s.es.set(shut, 1, 0)
	}
	heal := func() error {
		for _, s := range x.members("indexer") {
			s.es.open()
		}
		return x.setup(x.ctx, nil)
	}
	// What arrives while this command runs may already be more than the new size: then it is refused, and tried again.
	err := within(20*time.Second, "smaller streams", func() error {
		err := x.setup(x.ctx, sizes)
		for name := range sizes {
			sizes[name] += 256 << 10
		}
		return err
	})
	if err == nil {
		err = x.answered(503, 5, before, 90*time.Second)
	}
	return heal, err
}

func deadLettersFull(x *trial) (func() error, error) {
	state, err := x.conn.State(x.ctx, stream.DeadLetters)
	if err != nil {
		return nil, err
	}
	heal := func() error { return x.setup(x.ctx, nil) }
	if err := x.setup(x.ctx, map[string]int64{stream.DeadLetters: int64(state.Bytes) + 2048}); err != nil {
		return nil, err
	}
	return heal, within(30*time.Second, "deliveries that wait for room among the dead letters", func() error {
		for _, s := range x.members("enricher") {
			if n := x.logged(s, "stream is full"); n > 0 {
				x.saw("%s logged %d times that the stream is full", s.name, n)
				return nil
			}
		}
		return errors.New("no enricher says so")
	})
}

// logged is how often a service's log holds a text.
func (x *trial) logged(s *service, text string) int {
	raw, err := os.ReadFile(s.log)
	if err != nil {
		return 0
	}
	return bytes.Count(raw, []byte(text))
}

// diskFull fills NATS's disk with a file until nothing fits any more.
func diskFull(x *trial) (func() error, error) {
	ballast := filepath.Join(filepath.Dir(x.store()), "ballast")
	before := x.book.attempts()[503]
	f, err := os.Create(ballast)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	heal := func() error {
		if err := os.Remove(ballast); err != nil {
			return err
		}
		return x.restartNATS()
	}
	block, written := make([]byte, 64<<10), 0
	deadline := time.Now().Add(40 * time.Second)
	for x.book.attempts()[503]-before < 5 { // again and again: NATS itself makes room and takes it
		n, err := f.Write(block)
		written += n
		switch {
		case errors.Is(err, syscall.ENOSPC):
			x.pause(50 * time.Millisecond)
		case err != nil:
			return heal, err
		}
		if time.Now().After(deadline) {
			return heal, errors.New("the sender was not answered 503 although the disk is full")
		}
	}
	x.saw("disk of %d MiB full, %d MiB of them ballast", x.disk>>20, written>>20)
	return heal, x.writeDead()
}

// writeDead waits until the receiver says that a stream takes no messages before NATS was started again.
func (x *trial) writeDead() error {
	return within(time.Minute, "the metric that says a stream refuses writes", func() error {
		if x.metric("receiver", "sluice_stream_write_dead{") < 1 {
			return errors.New("it does not")
		}
		page, err := x.page("receiver", "/readyz")
		if err == nil {
			return fmt.Errorf("the receiver is ready: %s", page)
		}
		x.saw("the receiver names the stream that refuses writes")
		return nil
	})
}

// restartNATS is what its operator does.
func (x *trial) restartNATS() error {
	text, err := x.nats.end(syscall.SIGTERM)
	if err != nil {
		return err
	}
	x.saw("%s", text)
	return x.startNATS()
}

// rlimit is what prlimit(2) takes.
type rlimit struct{ soft, hard uint64 }

// noFiles lets a process open no more files, and closes the connections that it wants to open again.
func noFiles(name string) func(x *trial) (func() error, error) {
	return func(x *trial) (func() error, error) {
		s, ways := x.services[name], []*valve{x.door}
		if s.es != nil {
			ways = append(ways, s.es)
		}
		before, err := limitFiles(s.pid(), nil)
		if err != nil {
			return nil, err
		}
		logged := x.logged(s, emfile)
		for _, way := range ways {
			way.set(shut, 1, 0)
		}
		release := pressFiles(s.pid(), before.hard)
		x.pause(time.Second) // what was closed is free by now, and the limit below it
		for _, way := range ways {
			way.open()
		}
		carried, unanswered := ways[len(ways)-1].carried.Load(), x.book.attempts()[0]
		return func() error {
			signs := fileSigns{came: ways[len(ways)-1].carried.Load() - carried, unanswered: x.book.attempts()[0] - unanswered}
			var pressErr error
			signs.held, pressErr = release()
			_, err := limitFiles(s.pid(), &before)
			signs.logged = x.logged(s, emfile) - logged
			return errors.Join(pressErr, err, x.outOfFiles(s, signs))
		}, nil
	}
}

// emfile is how a program says that it may open no more files.
const emfile = "too many open files"

// fileSigns are what may show that a process was refused a file.
type fileSigns struct {
	logged     int    // times that it said so
	came       int64  // connections that came to its way since that is open
	unanswered int    // deliveries without an answer meanwhile
	held       uint64 // the number that no file of it could reach
}

// outOfFiles wants a sign that a process was refused a file. The indexer says why documents wait only now and then, and
// may have said another reason first: then it is that nobody came to Elasticsearch although the way was open. The receiver
// says so once a minute: then it is that connections came to it and were not answered.
func (x *trial) outOfFiles(s *service, signs fileSigns) error {
	switch {
	case signs.logged > 0:
		x.saw("%s logged %d times: %s", s.name, signs.logged, emfile)
	case s.es != nil && signs.came == 0:
		x.saw("%s could open no connection although its way was open: held below file %d", s.name, signs.held)
	case s.es == nil && signs.came > 0 && signs.unanswered > 0:
		x.saw("%s was held below file %d: %d connections came, %d deliveries had no answer", s.name, signs.held, signs.came, signs.unanswered)
	default:
		return fmt.Errorf("nothing shows that %s was refused a file: %+v", s.name, signs)
	}
	return nil
}

// pressFiles keeps the soft limit of open files at the lowest number that a process has free, until the function that it
// returns is called; that says where the limit was.
func pressFiles(pid int, hard uint64) (release func() (uint64, error)) {
	stop, done := make(chan struct{}), make(chan struct{})
	lowest, failed := hard, error(nil)
	go func() {
		defer close(done)
		for failed == nil {
			var free uint64
			if free, failed = freeFile(pid); failed == nil && free < lowest {
				lowest = free
				_, failed = limitFiles(pid, &rlimit{free, hard})
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() (uint64, error) {
		close(stop)
		<-done
		return lowest, failed
	}
}

// freeFile is the lowest number of a file that a process has not open: the next one that it would get.
func freeFile(pid int) (uint64, error) {
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, err
	}
	taken := map[string]bool{}
	for _, f := range open {
		taken[f.Name()] = true
	}
	n := uint64(0)
	for taken[strconv.FormatUint(n, 10)] {
		n++
	}
	return n, nil
}
