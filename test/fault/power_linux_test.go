package fault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/test/harness"
)

// bench is a NATS server on a disk whose power can be cut, and nothing else.
type bench struct {
	t      *testing.T
	disk   disk
	store  string
	server *process
	acked  map[string]uint64 // messages that were acknowledged, with their sequences
}

func newBench(t *testing.T, lazy bool) *bench {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("mounting a file system needs root, and CI is not root")
		}
		t.Skip("SKIPPED: mounting a file system needs root")
	}
	keeper, err := newKeeper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(keeper.end)
	dir, l := harness.Dir(t), &lab{keeper: keeper}
	b := &bench{t: t, store: filepath.Join(dir, "nats", "store"), acked: map[string]uint64{}}
	if err := os.Mkdir(filepath.Dir(b.store), 0o755); err != nil {
		t.Fatal(err)
	}
	if b.disk, err = l.plugIn(filepath.Join(dir, "disk"), filepath.Dir(b.store)); err != nil {
		t.Fatal(err)
	}
	b.server = &process{name: "nats", keeper: keeper, log: filepath.Join(dir, "nats.log"), program: os.Args[0], env: []string{natsVariable + "=" + b.store}}
	if lazy {
		b.server.env = append(b.server.env, lazyVariable+"=1")
	}
	t.Cleanup(func() {
		if err := errors.Join(b.server.stop(), l.unplug(b.disk, filepath.Dir(b.store), filepath.Join(dir, "files"))); err != nil {
			t.Error(err)
		}
	})
	return b
}

// start starts the server and connects.
func (b *bench) start() *stream.Conn {
	b.t.Helper()
	_ = os.Remove(b.store + ".json")
	if err := b.server.start(); err != nil {
		b.t.Fatal(err)
	}
	var at addresses
	err := within(time.Minute, "NATS's address", func() error {
		raw, err := os.ReadFile(b.store + ".json")
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, &at)
	})
	if err != nil {
		b.t.Fatalf("%v, see %s", err, b.server.log)
	}
	conn, err := stream.Open(b.t.Context(), "bench", stream.Config{NATSURL: config.URL(at.URL), SyncAlways: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(conn.Close)
	return conn
}

// setUp makes the streams.
func (b *bench) setUp(conn *stream.Conn) {
	b.t.Helper()
	small := stream.Topology{DeliveriesMaxBytes: roomDeliveries, DocumentsMaxBytes: roomDocuments, DeadLettersMaxBytes: roomLetters, Replicas: 1, DuplicateWindow: time.Minute}
	if _, err := conn.Setup(b.t.Context(), small); err != nil {
		b.t.Fatal(err)
	}
}

// publishAndCut publishes from several places at once and cuts the power when so many more are acknowledged. The
// messages have sizes by the dice.
func (b *bench) publishAndCut(conn *stream.Conn, enough int, dice *rand.Rand, torn bool) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	var mu sync.Mutex
	var group sync.WaitGroup
	reached := make(chan struct{})
	before := len(b.acked)
	for n := range 4 {
		seed := dice.Uint64()
		group.Go(func() {
			own := rand.New(rand.NewPCG(seed, uint64(n)))
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%x-%d", seed, i)
				r, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDeliveries, ID: id, Header: stream.Header{"Mark": id}, Data: make([]byte, 1+own.IntN(20_000))})
				if err != nil {
					return
				}
				mu.Lock()
				b.acked[id] = r.Sequence
				if len(b.acked) == before+enough {
					close(reached)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(2 * time.Minute):
		b.t.Fatalf("%d of %d messages acknowledged within two minutes, see %s", len(b.acked)-before, enough, b.server.log)
	}
	b.disk.Cut()
	if err := die([]*process{b.server}, nil, b.disk); err != nil {
		b.t.Fatal(err)
	}
	cancel()
	group.Wait()
	loss, err := b.disk.Restore(torn)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("%d messages acknowledged; %s", len(b.acked), loss)
}

// missing are the acknowledged messages that cannot be read.
func (b *bench) missing(conn *stream.Conn) (all []string, err error) {
	there := map[string]uint64{}
	for m, err := range conn.Scan(b.t.Context(), stream.Deliveries, stream.Range{}) {
		if err != nil {
			return nil, err
		}
		if id := m.Header["Mark"]; there[id] == 0 {
			there[id] = m.Sequence
		} else {
			return nil, fmt.Errorf("%s is there twice, at %d and %d", id, there[id], m.Sequence)
		}
	}
	for id, seq := range b.acked {
		if there[id] != seq {
			all = append(all, id+" at "+strconv.FormatUint(seq, 10))
		}
	}
	return all, nil
}

// TestAPowerCutTakesNothingThatNATSAcknowledged is the promise's lowest step alone, without the services above it.
func TestAPowerCutTakesNothingThatNATSAcknowledged(t *testing.T) {
	if testing.Short() {
		t.Skip("many syncs: not with -short")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 11))
	b := newBench(t, false)
	conn := b.start()
	b.setUp(conn)
	for round := range 4 {
		b.publishAndCut(conn, 50+dice.IntN(100), dice, round%2 == 1)
		conn = b.start()
		missing, err := b.missing(conn)
		if err != nil {
			t.Fatal(err)
		}
		if len(missing) > 0 {
			t.Fatalf("after cut %d %d of %d acknowledged messages are missing: %.500q", round+1, len(missing), len(b.acked), missing)
		}
	}
}

// TestAPowerCutIsReal shows that the cut takes what a server did acknowledge when it does not sync before: otherwise the
// test above would prove nothing.
func TestAPowerCutIsReal(t *testing.T) {
	if testing.Short() {
		t.Skip("starts servers: not with -short")
	}
	b := newBench(t, true)
	conn := b.start()
	b.setUp(conn)
	b.publishAndCut(conn, 100, rand.New(rand.NewPCG(1, 1)), false)
	missing, err := b.missing(b.start())
	switch {
	case errors.Is(err, stream.ErrNotFound):
		t.Logf("the whole stream is gone: %v", err)
	case err != nil:
		t.Fatal(err)
	case len(missing) == 0:
		t.Fatal("with the default of sync_interval a power cut lost nothing: the cut does not cut")
	default:
		t.Logf("%d of %d acknowledged messages are gone", len(missing), len(b.acked))
	}
}
