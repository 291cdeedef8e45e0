package fault_test

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sluicelog/sluice/shared/stream"
)

// operatorFaults are what somebody does by hand.
func operatorFaults() []*fault {
	return []*fault{
		{name: "consumers-deleted", does: "the consumers of enricher and indexer are deleted by hand, and setup is run again", hold: 2 * time.Second, strike: consumersDeleted},
		{name: "poison-messages", does: "messages that no Sluice writes are put straight into DELIVERIES and DOCUMENTS", strike: poisonMessages},
	}
}

func consumersDeleted(x *trial) (func() error, error) {
	nc, err := nats.Connect("nats://" + x.own.addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(x.ctx, 10*time.Second)
	defer cancel()
	for _, c := range [][2]string{{stream.Deliveries, stream.Enricher}, {stream.Documents, stream.Indexer(x.namespace)}} {
		for _, consumer := range stream.Classes(c[1]) {
			if err := js.DeleteConsumer(ctx, c[0], consumer); err != nil {
				return nil, fmt.Errorf("deleting %s: %w", consumer, err)
			}
			if _, err := js.Consumer(ctx, c[0], consumer); err != nil {
				x.saw("%s: %v", consumer, err)
			}
		}
	}
	return func() error { return x.setup(x.ctx, nil) }, nil
}

func poisonMessages(x *trial) (func() error, error) {
	count := 0
	for _, subject := range []string{stream.SubjectDeliveries, stream.SubjectDocuments(x.namespace)} {
		for i, header := range []stream.Header{nil, {"Sluice-Schema": "0"}, {"Sluice-Schema": "1", "Sluice-Count": "2"}} {
			mark := fmt.Sprintf("rubbish-%x-%d", x.dice.Uint64(), i)
			x.poison[mark] = true
			data := fmt.Sprintf("{\"create\":{\"_index\":\"other\",\"_id\":\"1\"}}\n{\"mark\":%q}\n", mark)
			receipt, err := x.conn.Publish(x.ctx, stream.Outgoing{Subject: subject, Header: header, Data: []byte(data)})
			if err != nil {
				return nil, err
			}
			if count++; i == 0 {
				x.saw("%s from sequence %d on", receipt.Stream, receipt.Sequence)
			}
		}
	}
	x.saw("%d poison messages", count)
	return nil, nil
}
