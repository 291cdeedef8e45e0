package hostile_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/test/harness"
)

var (
	stormTime = flag.Duration("storm", 8*time.Second, "how long everything hostile comes at once")                      //nolint:gochecknoglobals // flags are
	crowd     = flag.Int("crowd", 1, "how many times the usual number of hostile connections (about 700) come at once") //nolint:gochecknoglobals // flags are
)

// few is how many good deliveries are served at least, however slow the machine is.
const few = 5

// mob is a kind of hostile sender.
type mob struct {
	name string
	size int
	once func(ctx context.Context, s *storm, conn net.Conn) // on a fresh connection, which is closed afterwards
}

// storm is what all mobs share.
type storm struct {
	*rig
	gzip, zstd []byte
}

func mobs() []mob {
	say := func(text string) func(context.Context, *storm, net.Conn) {
		return func(_ context.Context, s *storm, conn net.Conn) {
			_, _ = io.WriteString(conn, strings.NewReplacer("PATH", s.path, "TOKEN", s.token).Replace(text))
			_, _ = io.Copy(io.Discard, conn)
		}
	}
	slow := func(begin, more string) func(context.Context, *storm, net.Conn) {
		return func(ctx context.Context, s *storm, conn net.Conn) {
			_, err := io.WriteString(conn, strings.NewReplacer("PATH", s.path, "TOKEN", s.token).Replace(begin))
			for err == nil && ctx.Err() == nil {
				time.Sleep(200 * time.Millisecond) // as slow a sender as there is; the receiver ends it
				_, err = io.WriteString(conn, more)
			}
		}
	}
	bomb := func(encoding string, of func(*storm) []byte) func(context.Context, *storm, net.Conn) {
		return func(_ context.Context, s *storm, conn net.Conn) {
			packed := of(s)
			_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s", s.path, s.token, encoding, len(packed), packed)
			_, _ = io.Copy(io.Discard, conn)
		}
	}
	const wrong = "POST PATH HTTP/1.1\r\nHost: x\r\nAuthorization: nonsense-nonsense\r\n"
	return []mob{
		{"connections that say nothing", 300, func(_ context.Context, _ *storm, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }},
		{"heads of a byte at a time", 100, slow("POST PATH HTTP/1.1\r\nX: ", "y")},
		{"bodies of a byte at a time, with the right token", 100, slow(head("Content-Length: 100000\r\n\r\n"), " ")},
		{"bodies of 32 MiB with a wrong token", 40, func(_ context.Context, s *storm, conn net.Conn) {
			_, err := io.WriteString(conn, strings.Replace(wrong, "PATH", s.path, 1)+"Content-Length: 33554432\r\n\r\n")
			for err == nil {
				_, err = conn.Write(make([]byte, 64<<10))
			}
		}},
		{"wrong tokens, as fast as they are answered", 40, say(wrong + "Content-Length: 0\r\n\r\n")},
		{"heads of 1 MB", 20, say(head("X: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"))},
		{"bytes that are no HTTP", 40, say(strings.Repeat("\x80\x16\x00\xff", 4096))},
		{"gzip bombs with the right token", 20, bomb("gzip", func(s *storm) []byte { return s.gzip })},
		{"zstd bombs with the right token", 20, bomb("zstd", func(s *storm) []byte { return s.zstd })},
		{"deep and broken bodies with the right token", 20, say(head("Content-Length: 200000\r\n\r\n" + strings.Repeat(`[{"a":`, 200_000/6) + "  "))},
	}
}

// run sends one mob's senders until ctx ends; each connects again when it is thrown out.
func (s *storm) run(ctx context.Context, m mob, from net.Addr) {
	var all sync.WaitGroup
	for range m.size * *crowd {
		all.Go(func() {
			for ctx.Err() == nil {
				dialer := net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}
				conn, err := dialer.DialContext(ctx, "tcp", s.host)
				if err != nil {
					continue
				}
				end := context.AfterFunc(ctx, func() { _ = conn.Close() })
				m.once(ctx, s, conn)
				end()
				_ = conn.Close()
			}
		})
	}
	all.Wait()
}

// sample is what the process takes of the machine.
type sample struct{ memory, goroutines, inflight int64 }

func (r *rig) sample() (s sample) {
	r.t.Helper()
	s.memory = memory(r.t, r.PID, "VmRSS")
	res, err := http.Get(r.AdminURL + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	for line := range bytes.Lines(page) {
		var value float64
		if name, rest, ok := bytes.Cut(line, []byte{' '}); ok {
			_, _ = fmt.Sscan(string(rest), &value)
			switch string(name) {
			case "go_goroutines":
				s.goroutines = int64(value)
			case "sluice_receiver_inflight_bytes":
				s.inflight = int64(value)
			}
		}
	}
	return s
}

// most keeps the larger of each.
func (s sample) most(other sample) sample {
	return sample{max(s.memory, other.memory), max(s.goroutines, other.goroutines), max(s.inflight, other.inflight)}
}

func (s sample) String() string {
	return fmt.Sprintf("%d MiB, %d goroutines, %d MiB of bodies", s.memory>>20, s.goroutines, s.inflight>>20)
}

func TestEverythingHostileAtOnceIsBoundedAndHoldsUpNoGoodSender(t *testing.T) {
	r := newRig(t)
	s := &storm{rig: r, gzip: bytes.Repeat(gzipped(zerosOf(16<<20)), 16), zstd: bytes.Repeat(zstded(zerosOf(16<<20)), 64)}
	if _, err := r.good(); err != nil {
		t.Fatal(err)
	}
	before := r.sample()
	ctx, cancel := context.WithTimeout(t.Context(), *stormTime+2*time.Minute)
	defer cancel()
	var mobsters sync.WaitGroup
	connections := 0
	for i, m := range mobs() {
		connections += m.size * *crowd
		mobsters.Go(func() { s.run(ctx, m, &net.TCPAddr{IP: net.IPv4(127, 0, 2, byte(1+i))}) })
	}
	served, putOff, slowest, peak := map[string]bool{}, 0, time.Duration(0), before
	for start := time.Now(); ctx.Err() == nil && (time.Since(start) < *stormTime || len(served) < few); {
		begin := time.Now()
		id, later, err := r.persist(ctx)
		if err != nil {
			t.Errorf("the good sender, %d deliveries in: %v", len(served), err)
			break
		}
		putOff += later
		served[id], slowest = true, max(slowest, time.Since(begin))
		peak = peak.most(r.sample())
	}
	cancel()
	mobsters.Wait()
	peak.memory = memory(t, r.PID, "VmHWM") // what was between two looks counts as well
	t.Logf("before: %s", before)
	t.Logf("while %d hostile connections at once came for %s: at most %s; %d good deliveries were answered 200, the slowest after %s, with %d answers to come again", connections, *stormTime, peak, len(served), slowest.Round(time.Millisecond), putOff)
	harness.Await(t, time.Minute, "goroutines and bodies as before", func() bool {
		now := r.sample()
		return now.goroutines <= before.goroutines+20 && now.inflight == 0
	})
	t.Logf("after: %s", r.sample())
	if peak.memory > ceiling {
		t.Errorf("the process took %d MiB, the ceiling is %d MiB", peak.memory>>20, ceiling>>20)
	}
	if most := before.goroutines + int64(4*connections) + 500; peak.goroutines > most {
		t.Errorf("%d goroutines, for %d connections", peak.goroutines, connections)
	}
	r.settle(2 * time.Minute)
	r.checkServed(served)
}

// persist delivers a good event as Auth0 does: what is answered with 429 or 503 comes again. Any other refusal is an error.
func (r *rig) persist(ctx context.Context) (id string, later int, err error) {
	id = r.id()
	body := fmt.Sprintf(`{"log_id":%q,"data":{"date":%q,"type":"s","client_name":"good"}}`, id, time.Now().UTC().Format(time.RFC3339))
	for {
		status, answer, _ := r.Post([]byte(body), nil) //nolint:contextcheck // it takes the test's
		switch {
		case status == http.StatusOK:
			return id, later, nil
		case status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable, ctx.Err() != nil:
			return id, later, fmt.Errorf("a good delivery was answered %d %s, and %d times before that it should come again", status, answer, later)
		}
		later++
	}
}

// checkServed fails unless each good event is searchable exactly once.
func (r *rig) checkServed(served map[string]bool) {
	r.t.Helper()
	found := map[string]int{}
	for _, d := range r.documents() {
		found[d.Event.ID]++
	}
	for id := range served {
		if found[id] != 1 {
			r.t.Errorf("good event %s is searchable %d times", id, found[id])
		}
	}
	if len(served) < few {
		r.t.Errorf("only %d good deliveries were served", len(served))
	}
	for _, word := range []string{"panic", "runtime error", r.token} {
		if strings.Contains(r.Tail(1<<30), word) {
			r.t.Errorf("the log says %.20q", word)
		}
	}
}
