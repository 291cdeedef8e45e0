package fault_test

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/stream"
)

// Sizes of the fault in which NATS has stored all that it may.
const (
	littleDeliveries = 48 << 20
	littleDocuments  = 64 << 20
	littleLetters    = 8 << 20
	littleStore      = 160 << 20
)

// foreign is a stream that is not ours and has no limit of its own.
const foreign = "SOMEBODY_ELSES"

// littleRoom makes the streams small, and another one beside them, and starts NATS with little more than ours take.
func littleRoom(x *trial) error {
	nc, js, err := x.raw()
	if err != nil {
		return err
	}
	defer nc.Close()
	if _, err := js.CreateStream(x.ctx, jetstream.StreamConfig{Name: foreign, Subjects: []string{"somebody.elses"}}); err != nil {
		return fmt.Errorf("making a stream beside ours: %w", err)
	}
	sizes := map[string]int64{stream.Deliveries: littleDeliveries, stream.Documents: littleDocuments, stream.DeadLetters: littleLetters}
	if err := x.setup(x.ctx, sizes); err != nil {
		return err
	}
	x.nats.env = append(x.nats.env, roomVariable+"="+strconv.Itoa(littleStore))
	if err := x.restartNATS(); err != nil {
		return err
	}
	return x.awaitReady(time.Minute)
}

// raw is a connection that does not go through our own door.
func (x *trial) raw() (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect("nats://" + x.own.addr)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return nc, js, err
}

// storageLimit fills NATS with what is not ours.
func storageLimit(x *trial) (func() error, error) {
	nc, js, err := x.raw()
	if err != nil {
		return nil, err
	}
	heal := func() error {
		defer nc.Close()
		return js.DeleteStream(x.ctx, foreign)
	}
	before, stored := x.book.attempts()[503], 0
	piece := make([]byte, 1<<20)
	for deadline := time.Now().Add(2 * time.Minute); x.book.attempts()[503]-before < 5; {
		_, err := js.Publish(x.ctx, "somebody.elses", piece)
		switch {
		case err == nil:
			stored += len(piece)
		case len(piece) > 1<<10:
			piece = piece[:len(piece)/2]
		default:
			x.pause(100 * time.Millisecond)
		}
		if time.Now().After(deadline) {
			return heal, errors.New("the sender was not answered 503 although NATS may store no more")
		}
	}
	x.saw("NATS may store %d MiB, and somebody else's stream has %d of them", littleStore>>20, stored>>20)
	return heal, nil
}
