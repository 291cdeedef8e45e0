package stream_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// heavy is a message of which a few fill a block of the stream's files.
const heavy = 1 << 20

// block is the path of the nth block of a stream, counted from 1.
func (y *yard) block(name string, n int) string {
	y.t.Helper()
	files, err := filepath.Glob(filepath.Join(y.srv.Dir, "jetstream", "*", "streams", name, "msgs", fmt.Sprintf("%d.blk", n)))
	if err != nil || len(files) != 1 {
		y.t.Fatalf("block %d of %s: %v, %v", n, name, files, err)
	}
	return files[0]
}

// fill publishes heavy messages, each of its own text.
func (y *yard) fill(subject string, n int) {
	y.t.Helper()
	for i := range n {
		if _, err := y.conn.Publish(y.t.Context(), stream.Outgoing{Subject: subject, Data: bytes.Repeat([]byte{byte('A' + i)}, heavy)}); err != nil {
			y.t.Fatal(err)
		}
	}
}

// gone are the sequences that the server does not give out any more.
func (y *yard) gone(name string, last uint64) []uint64 {
	y.t.Helper()
	var all []uint64
	for seq := uint64(1); seq <= last; seq++ {
		switch _, err := y.conn.Get(y.t.Context(), name, seq); {
		case errors.Is(err, stream.ErrNotFound):
			all = append(all, seq)
		case err != nil:
			y.t.Fatal(err)
		}
	}
	return all
}

// flip changes a byte in the middle of a file.
func flip(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	raw[len(raw)/2] ^= 0x40
	return os.WriteFile(path, raw, 0o600)
}

// TestWhatADamagedBlockHeldIsNamedAndHoldsUpNoOther damages the files of a stream whose messages nobody has finished. The
// server says nothing of it and skips what it cannot read: exactly that must be named, and everything else be handled
// once and then purged.
func TestWhatADamagedBlockHeldIsNamedAndHoldsUpNoOther(t *testing.T) {
	const messages = 20
	deliveries := [3]string{stream.Deliveries, stream.SubjectDeliveries, stream.Enricher}
	documents := [3]string{stream.Documents, stream.SubjectDocuments("spare"), stream.Indexer("spare")}
	for _, c := range []struct {
		what   string
		where  [3]string
		damage func(y *yard, name string) error
	}{
		{"a block is gone", documents, func(y *yard, name string) error { return os.Remove(y.block(name, 2)) }},
		{"a block is cut", deliveries, func(y *yard, name string) error { return os.Truncate(y.block(name, 2), heavy*3/2) }},
		{"a byte flipped", documents, func(y *yard, name string) error { return flip(y.block(name, 1)) }},
		{"a byte flipped and the index gone", deliveries, func(y *yard, name string) error {
			path := y.block(name, 1)
			return errors.Join(flip(path), os.Remove(filepath.Join(filepath.Dir(path), "index.db")))
		}},
	} {
		t.Run(c.what+" in "+c.where[0], func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			y.fill(c.where[1], messages)
			y.restart(func() {
				if err := c.damage(y, c.where[0]); err != nil {
					t.Fatal(err)
				}
			})
			lost := y.gone(c.where[0], messages)
			if len(lost) == 0 || len(lost) > messages/2 {
				t.Fatalf("the server cannot read %v: the damage does not do what it should", lost)
			}
			t.Logf("the server cannot read %v", lost)
			y.settlesLoss(c.where[0], c.where[2], messages, lost)
		})
	}
}

// settlesLoss lets workers and a janitor do their work and looks whether the loss is told as it is.
func (y *yard) settlesLoss(name, consumer string, messages uint64, lost []uint64) {
	y.t.Helper()
	c := y.work(name, consumer)
	j := y.conn.NewJanitor(name, 0)
	j.Attach(c.Inbox)
	y.await("all others are handled", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.seen)+len(lost) == int(messages)
	})
	y.await("their verdicts are written down", func() bool { // else they would rightly get a second look
		counted := y.counted(name)
		return slices.Equal(slices.Collect(counted.Gaps(0, messages)), lost)
	})
	y.await("everything is accounted for and purged", func() bool {
		y.now = y.now.Add(31 * time.Second)
		_ = j.Sweep(y.t.Context(), y.now) // a slow machine may not get through in one round
		return y.first(name) == messages+1
	})
	losses, err := y.conn.Losses(y.t.Context())
	if err != nil {
		y.t.Fatal(err)
	}
	var named []uint64
	for _, l := range losses {
		for seq := l.From; seq <= l.To; seq++ {
			named = append(named, seq)
		}
		if l.Stream != name || l.Noticed.IsZero() || l.Before.IsZero() && l.To != messages {
			y.t.Errorf("a loss says too little: %+v", l)
		}
	}
	slices.Sort(named)
	if !slices.Equal(named, lost) {
		y.t.Errorf("named are %v, lost are %v", named, lost)
	}
	if n := y.log.count("level=ERROR", "messages are lost"); n != len(losses) {
		y.t.Errorf("the alarm was raised %d times for %d losses", n, len(losses))
	}
	for seq := uint64(1); seq <= messages; seq++ {
		want := 1
		if slices.Contains(lost, seq) {
			want = 0
		}
		if c.times(seq) != want {
			y.t.Errorf("message %d came %d times, not %d", seq, c.times(seq), want)
		}
	}
}
