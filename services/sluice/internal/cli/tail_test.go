package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
)

// follower is a running `sluice tail --json`.
type follower struct {
	t        *testing.T
	out, err *screen
	stop     context.CancelFunc
	done     chan error
}

func (a *archive) follow(args ...string) *follower {
	a.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	f := &follower{t: a.t, out: &screen{}, err: &screen{}, stop: stop, done: make(chan error, 1)}
	go func() {
		f.done <- a.start(ctx, f.out, f.err, append([]string{"tail", "--namespace", a.namespace, "--interval", "100ms", "--json"}, args...)...)
	}()
	a.t.Cleanup(stop)
	return f
}

// awaits waits until so many events were printed.
func (f *follower) awaits(count int) []string {
	f.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		all := idsOf(f.t, f.out.String())
		if len(all) >= count {
			return all
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%d events after 30 s, want %d; it says %s", len(all), count, f.err)
		}
	}
}

// ends stops it as Ctrl-C does and checks that it printed these events, each once.
func (f *follower) ends(want ...string) {
	f.t.Helper()
	f.awaits(len(want))
	f.stop()
	if err := <-f.done; err != nil {
		f.t.Errorf("tail ends with %v", err)
	}
	got := idsOf(f.t, f.out.String())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		f.t.Errorf("printed are %v, not %v", got, want)
	}
}

func TestTailPrintsLateAndOldEventsOnce(t *testing.T) {
	a := newArchive(t)
	taken := func(second, id int) string {
		return event(noon, fmt.Sprintf("2026-11-23T12:%02d:%02d.000Z", second/60, second%60), strconv.Itoa(id), "")
	}
	for i := range 20 {
		a.store(taken(600+i, i))
	}
	f := a.follow("-n", "3", "event.code : fp")
	if got := f.awaits(3); !slices.Equal(got, []string{"17", "18", "19"}) {
		t.Fatalf("it begins with %v", got)
	}
	a.store(taken(640, 40), taken(641, 41))
	f.awaits(5)
	a.store(taken(640, 42))  // as late as one that is known
	a.store(taken(605, 43))  // among those from before the start
	a.store(taken(1200, 44)) // far ahead: everything else is old from now on
	f.awaits(8)
	a.store(taken(601, 45), taken(641, 46), taken(1200, 47))
	a.store(event("2020-01-01T00:00:00Z", "2026-11-23T12:20:01Z", "48", "")) // sent again
	a.store(`"@timestamp":"2026-11-23T12:00:00Z","event":{"id":"no","ingested":"2026-11-23T12:20:02Z","code":"s"},"sluice":{"delivery":"D","item":1}`)
	f.awaits(12)
	a.store(taken(1300, 49))
	f.ends("17", "18", "19", "40", "41", "42", "43", "44", "45", "46", "47", "48", "49")
}

func TestTailBeginsInAnEmptyNamespaceAndPrintsManyOnce(t *testing.T) {
	a := newArchive(t)
	f := a.follow("-n", "0")
	var want []string
	for round := range 4 {
		var docs []string
		for i := range 2500 {
			id := fmt.Sprintf("%d-%d", round, i)
			want = append(want, id)
			docs = append(docs, event(noon, fmt.Sprintf("2026-11-23T12:00:%02d.%03dZ", (i*7+round)%60, i%1000), id, ""))
		}
		a.store(docs...)
	}
	f.ends(want...)
}

func TestTailEndsAfterSoManyEvents(t *testing.T) {
	a := newArchive(t)
	a.store(event(noon, noon, "old", ""))
	f := a.follow("--until-count", "2")
	f.awaits(1)
	a.store(event(noon, noon, "1", ""), event(noon, noon, "2", ""), event(noon, noon, "3", ""))
	if err := <-f.done; err != nil || len(idsOf(t, f.out.String())) != 3 {
		t.Errorf("%v, printed are %v", err, f.out)
	}
}

func TestTailWaitsForElasticsearch(t *testing.T) {
	a := newArchive(t)
	a.store(event(noon, noon, "old", ""))
	way := newDoor(t, a.url)
	a.dir = announce(t, readyAt(way.url))
	way.close()
	f := a.follow()
	f.says(1, "does not answer", 0)
	way.open()
	f.awaits(1)
	f.says(1, "answers again", 0)
	way.close()
	a.store(event(noon, "2026-11-23T12:00:05Z", "1", ""), event(noon, "2026-11-23T11:59:00Z", "2", ""))
	f.says(2, "does not answer", 500*time.Millisecond)
	way.open()
	f.ends("old", "1", "2")
	f.says(2, "answers again", 0)
}

func TestTailRefusesWhatCannotBeMended(t *testing.T) {
	a := newArchive(t)
	a.store(event(noon, noon, "old", ""))
	for want, args := range map[string][]string{
		"character 13": {"event.code:("}, "not an IP": {"source.ip:banana"}, "--interval": {"--interval", "1ns"}, "-n": {"-n", "-1"}, "--output": {"--output", "json"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := a.start(ctx, io.Discard, io.Discard, append([]string{"tail", "--namespace", a.namespace}, args...)...)
		if cancel(); err == nil || !strings.Contains(err.Error(), want) || cli.ExitCode(err) != 1 {
			t.Errorf("%v: %v", args, err)
		}
	}
	broken := errors.New("the disk is full")
	if err := a.start(t.Context(), failing{broken}, io.Discard, "tail", "--namespace", a.namespace); !errors.Is(err, broken) {
		t.Errorf("an output that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// says waits until it said something so often, and then watches that it is not said again.
func (f *follower) says(times int, what string, watch time.Duration) {
	f.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); strings.Count(f.err.String(), what) < times; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("it does not say %q but %s", what, f.err)
		}
	}
	time.Sleep(watch)
	if got := strings.Count(f.err.String(), what); got != times {
		f.t.Errorf("%q is said %d times: %s", what, got, f.err)
	}
}

// door is a way to Elasticsearch that can be closed.
type door struct {
	url    string
	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

func newDoor(t *testing.T, target string) *door {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{url: "http://" + l.Addr().String()}
	t.Cleanup(func() { l.Close(); d.close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.pass(c, u.Host)
		}
	}()
	return d
}

func (d *door) pass(c net.Conn, target string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil || d.closed {
		c.Close()
		return
	}
	d.conns = append(d.conns, c, server)
	for _, pair := range [][2]net.Conn{{c, server}, {server, c}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			pair[0].Close()
		}()
	}
}

func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, c := range d.conns {
		c.Close()
	}
	d.conns = nil
}

func (d *door) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = false
}
