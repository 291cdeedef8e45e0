package enrich_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/services/enricher/internal/enrich"
	"github.com/sluicelog/sluice/services/enricher/internal/mapping"
	"github.com/sluicelog/sluice/services/enricher/internal/useragent"
	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
)

// nowhere takes documents and forgets them: what a stream costs is not the enricher's.
type nowhere struct{}

func (nowhere) Publish(context.Context, stream.Outgoing) (stream.Receipt, error) {
	return stream.Receipt{}, nil
}

func (nowhere) MaxPayload() int { return 8 << 20 }

// BenchmarkHandle is per event, in deliveries of 1 and of 100.
func BenchmarkHandle(b *testing.B) {
	for _, size := range []int{1, 100} {
		b.Run(fmt.Sprint(size, " in a delivery"), func(b *testing.B) {
			mapper, err := mapping.New(mapping.Options{Agents: useragent.New()})
			if err != nil {
				b.Fatal(err)
			}
			e := enrich.New(enrich.Parts{
				Stream: nowhere{}, Directory: namespaces{"default": endpoint.Namespace{Name: "default", Calendar: period.Daily()}},
				Mapper: mapper, Metrics: enrich.NewMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
				Created: time.Unix(1795000000, 0), MaxBody: 16 << 20, PartBytes: 1 << 20, Patience: 10 * time.Second,
			})
			messages := deliveries(b, 1000/size+1, size)
			b.ReportAllocs()
			for i := 0; i < b.N; i += size {
				m := messages[i/size%len(messages)]
				m.Sequence++
				if err := e.Handle(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// deliveries are n messages of size events each.
func deliveries(b *testing.B, n, size int) (all []*stream.Message) {
	b.Helper()
	tenant := simulator.NewTenant(simulator.TenantOptions{Seed: 5, Start: time.Now().Add(-time.Hour), Step: time.Millisecond})
	for i := range n {
		var body bytes.Buffer
		for range size {
			body.Write(tenant.Next().JSON)
			body.WriteByte('\n')
		}
		header, data, err := delivery.Encode([]delivery.Delivery{{ID: strconv.Itoa(i), Endpoint: "shop", Namespace: "default", Received: time.Now(), Body: body.Bytes()}})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, &stream.Message{Subject: stream.SubjectDeliveries, Header: header, Data: data, Sequence: uint64(i), Delivered: 1, Stored: time.Now()})
	}
	return all
}
