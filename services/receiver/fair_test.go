package receiver_test

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

// classes counts the deliveries on each subject, by endpoint. A message that holds deliveries of two classes would show as
// some of the small endpoint's on the bulk subject.
func (r *rig) classes() map[string]map[string]int {
	r.t.Helper()
	all := map[string]map[string]int{}
	for message := range r.scan(stream.Range{}) {
		for _, d := range r.unpack(message) {
			if d.Part > 1 {
				continue
			}
			if all[message.Subject] == nil {
				all[message.Subject] = map[string]int{}
			}
			all[message.Subject][d.Endpoint]++
		}
	}
	return all
}

// slow lets some kilobytes an hour be plain, so that only the burst counts.
func slow(cfg *receiver.Config, topology *stream.Topology) {
	small(cfg, topology)
	cfg.FairBytes, cfg.FairBurst = 1, 64<<10
}

// Both endpoints send at once, so that their deliveries share commits wherever they may.
func TestABurstIsStoredInTheBulkClassAndNobodyElsesDeliveriesAre(t *testing.T) {
	r := start(t, slow)
	token := endpoint.NewToken()
	other, err := r.registry.Create(t.Context(), endpoint.Endpoint{Name: "small", Namespace: "default"}, token)
	if err != nil {
		t.Fatal(err)
	}
	as := func(req *http.Request) {
		req.URL.Path = "/v1/endpoints/" + other.ID
		req.Header.Set("Authorization", token)
	}
	r.await("the receiver knows the endpoint", func() bool { return r.post(strings.NewReader(oneEvent), as).word == intake.Accepted.Name })
	body := oneEvent + strings.Repeat(" ", 8<<10-len(oneEvent))
	const deliveries = 40
	var senders sync.WaitGroup
	for range deliveries {
		senders.Go(func() {
			r.expect(r.post(strings.NewReader(body), nil), intake.Accepted)
			r.expect(r.post(strings.NewReader(oneEvent), as), intake.Accepted)
		})
	}
	senders.Wait()
	all := r.classes()
	plain, bulk := all[stream.SubjectDeliveries], all[stream.BulkSubject(stream.SubjectDeliveries)]
	const within = 64 << 10 / (8 << 10)
	if plain[r.endpoint.ID] != within || bulk[r.endpoint.ID] != deliveries-within || bulk[other.ID] != 0 || plain[other.ID] != deliveries+1 {
		t.Errorf("%+v", all)
	}
	if got := r.value("sluice_receiver_deliveries_bulk_total", r.endpoint.ID); got != deliveries-within {
		t.Errorf("%v are counted as bulk", got)
	}
}

// What counts is what the enricher has to do: the size after decompression.
func TestACompressedBurstIsBulkToo(t *testing.T) {
	r := start(t, slow)
	large := []byte(oneEvent + strings.Repeat(" ", 100<<10))
	r.expect(r.post(bytes.NewReader(gzipped(t, large)), func(req *http.Request) { req.Header.Set("Content-Encoding", "gzip") }), intake.Accepted)
	giant := bytes.Repeat([]byte(oneEvent+strings.Repeat(" ", 1<<10)+"\n"), 3<<10) // larger than shares a commit
	r.expect(r.post(bytes.NewReader(giant), nil), intake.Accepted)
	if all := r.classes(); len(all) != 1 || all[stream.BulkSubject(stream.SubjectDeliveries)][r.endpoint.ID] != 2 {
		t.Errorf("%+v", all)
	}
}

// The stream is as an earlier build made it: a burst is answered 200 all the same.
func TestABurstIsAcceptedByAStreamWithoutABulkClass(t *testing.T) {
	r := start(t, slow)
	r.nats.WithoutBulk(t)
	body := strings.Repeat(" ", 100<<10)
	for range 5 {
		r.expect(r.post(strings.NewReader(body), nil), intake.Accepted)
	}
	if all := r.classes(); len(all) != 1 || all[stream.SubjectDeliveries][r.endpoint.ID] != 5 {
		t.Errorf("%+v", all)
	}
}
