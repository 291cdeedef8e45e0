package stream_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/stream"
)

// blind makes the files of a stream unreadable for the server until the returned function is called, as a disk with read
// errors or a process without free file numbers does.
func (y *yard) blind(name string) (heal func()) {
	y.t.Helper()
	blocks, err := filepath.Glob(filepath.Join(y.srv.Dir, "jetstream", "*", "streams", name, "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		y.t.Fatalf("%v, %v", blocks, err)
	}
	for _, block := range blocks {
		if err := errors.Join(os.Rename(block, block+".away"), os.Mkdir(block, 0o700)); err != nil {
			y.t.Fatal(err)
		}
	}
	return func() {
		y.t.Helper()
		for _, block := range blocks {
			if err := errors.Join(os.Remove(block), os.Rename(block+".away", block)); err != nil {
				y.t.Fatal(err)
			}
		}
	}
}

// unreadable waits until the server gives a message no more: it remembers for some seconds what it has read.
func (y *yard) unreadable(name string, seq uint64) {
	y.t.Helper()
	y.await("the server has forgotten what it held in memory", func() bool {
		_, err := y.conn.Get(y.t.Context(), name, seq)
		if err == nil {
			time.Sleep(11 * time.Second) // every look makes it remember for ten more
		}
		return errors.Is(err, stream.ErrNotFound)
	})
}

func TestAServerThatCannotReadForAWhileLosesNothing(t *testing.T) {
	t.Parallel() // it waits for the server to forget
	y := newYard(t, "a", "b")
	a := y.work(stream.Documents, stream.Indexer("a"))
	for range 5 {
		y.publish(stream.SubjectDocuments("b"), 1)
		y.publish(stream.SubjectDocuments("a"), 1)
	}
	y.await("all of a are done", func() bool { return a.times(10) == 1 })
	a.stop()
	y.restart(func() {})
	j := y.conn.NewJanitor(stream.Documents, 0)
	y.sweep(j, 0)
	y.sweep(j, 20*time.Second)
	heal := y.blind(stream.Documents)
	y.unreadable(stream.Documents, 1)
	for range 20 {
		y.now = y.now.Add(31 * time.Second)
		_ = j.Sweep(t.Context(), y.now) // it may complain
	}
	heal()
	if losses, err := y.conn.Losses(t.Context()); err != nil || len(losses) != 0 || y.first(stream.Documents) != 1 {
		t.Fatalf("%+v, %v; the stream begins at %d", losses, err, y.first(stream.Documents))
	}
	b := y.work(stream.Documents, stream.Indexer("b"))
	y.awaitFirst(j, stream.Documents, 11)
	if len(b.seen) != 5 {
		t.Fatalf("%v", b.seen)
	}
}

// spoil damages the newest record of a key in a bucket, so that the server cannot read it any more.
func (y *yard) spoil(bucket, key string) {
	y.t.Helper()
	y.restart(func() {
		blocks, err := filepath.Glob(filepath.Join(y.srv.Dir, "jetstream", "*", "streams", "KV_"+bucket, "msgs", "*.blk"))
		if err != nil {
			y.t.Fatal(err)
		}
		for _, block := range blocks {
			raw, err := os.ReadFile(block)
			if err != nil {
				y.t.Fatal(err)
			}
			subject := []byte("$KV." + bucket + "." + key)
			at := bytes.LastIndex(raw, subject)
			if at < 0 {
				continue
			}
			raw[at+bytes.Index(raw[at:], []byte(`{"`))+1] ^= 0x40 // in its value
			if err := os.WriteFile(block, raw, 0o600); err != nil {
				y.t.Fatal(err)
			}
			return
		}
		y.t.Fatalf("no %s in %v", key, blocks)
	})
}

// key finds a key of a stream's book by how it ends.
func (y *yard) key(name, suffix string) string {
	y.t.Helper()
	b, err := y.conn.Bucket(y.t.Context(), stream.BucketVerdicts)
	if err != nil {
		y.t.Fatal(err)
	}
	all, err := b.All(y.t.Context(), name+".>")
	if err != nil {
		y.t.Fatal(err)
	}
	for _, e := range all {
		if filepath.Ext(e.Key) == suffix {
			return e.Key
		}
	}
	y.t.Fatalf("no %s of %s in %+v", suffix, name, all)
	return ""
}

func TestADamagedBookIsBegunAgain(t *testing.T) {
	for _, what := range []string{".account", ".lease"} {
		t.Run(what[1:], func(t *testing.T) {
			t.Parallel() // it waits for answers that never come
			y := newYard(t)
			c := y.work(stream.Deliveries, stream.Enricher)
			y.publish(stream.SubjectDeliveries, 5)
			y.await("all are done", func() bool { return c.times(5) == 1 })
			c.stop()
			y.sweep(y.conn.NewJanitor(stream.Deliveries, time.Hour), 0)
			y.publish(stream.SubjectDeliveries, 5)
			y.spoil(stream.BucketVerdicts, y.key(stream.Deliveries, what))
			c = y.work(stream.Deliveries, stream.Enricher)
			j := y.conn.NewJanitor(stream.Deliveries, 0)
			j.Attach(c.Inbox)
			y.await("the book is in order again", func() bool {
				y.now = y.now.Add(31 * time.Second)
				_ = j.Sweep(t.Context(), y.now) // it complains until it has mended that
				return y.first(stream.Deliveries) == 11
			})
			if losses, err := y.conn.Losses(t.Context()); err != nil || len(losses) != 0 || len(c.seen) != 5 {
				t.Fatalf("%+v, %v; seen %v", losses, err, c.seen)
			}
		})
	}
}
