package receiver_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/embedded"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func TestAFullStreamIsAnsweredWithRetryAfter(t *testing.T) {
	r := start(t, func(_ *receiver.Config, top *stream.Topology) { top.DeliveriesMaxBytes = 1 << 20 })
	var ids []string
	for {
		body := make([]byte, 40<<10)
		_, _ = rand.Read(body)
		got := r.post(bytes.NewReader(body), nil)
		if got.status != 200 {
			r.expect(got, intake.StreamFull)
			break
		}
		if ids = append(ids, got.id); len(ids) > 100 {
			t.Fatal("more was accepted than there is room for")
		}
	}
	if len(ids) == 0 {
		t.Fatal("nothing was accepted at all")
	}
	large := make([]byte, 900<<10) // a message of its own
	_, _ = rand.Read(large)
	r.expect(r.post(bytes.NewReader(large), nil), intake.StreamFull)
	all, _ := r.stored()
	if len(all) != len(ids) {
		t.Errorf("%d deliveries are stored, %d were accepted", len(all), len(ids))
	}
	for i, d := range all {
		if d.ID != ids[i] {
			t.Errorf("delivery %d is %s, accepted was %s", i, d.ID, ids[i])
		}
	}
	if _, err := r.conn.Setup(t.Context(), streamtest.Topology()); err != nil { // room
		t.Fatal(err)
	}
	r.expect(r.post(strings.NewReader(oneEvent), nil), intake.Accepted)
}

// The intake is closed under a running receiver, as `sluice setup --remove` does before it counts what is unfinished.
func TestNothingIsAcknowledgedOnceTheIntakeIsClosed(t *testing.T) {
	r := start(t, func(cfg *receiver.Config, _ *stream.Topology) { cfg.CommitTimeout = time.Second })
	r.expect(r.post(strings.NewReader(oneEvent), nil), intake.Accepted)
	open, err := r.conn.CloseIntake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.expect(r.post(strings.NewReader(oneEvent), nil), intake.StreamAway)
	if err := open(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.expect(r.post(strings.NewReader(oneEvent), nil), intake.Accepted)
	if all, _ := r.stored(); len(all) != 2 {
		t.Errorf("%d deliveries are stored, 2 were accepted", len(all))
	}
}

func TestTheStreamGoesAndComesBack(t *testing.T) {
	r := start(t, nil)
	first := r.post(strings.NewReader(oneEvent), nil)
	r.expect(first, intake.Accepted)
	address, err := url.Parse(r.nats.URL())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.nats.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	r.expect(r.post(strings.NewReader(oneEvent), nil), intake.StreamAway)
	r.expect(r.post(bytes.NewReader(make([]byte, 1<<20)), nil), intake.StreamAway)
	if took := time.Since(begin); took > 12*time.Second {
		t.Errorf("two refusals took %s", took)
	}
	if r.tel.Ready(t.Context()) == nil {
		t.Error("ready without a stream")
	}
	again, err := embedded.Start(t.Context(), embedded.Options{Dir: r.nats.Dir, Port: port, MaxStore: 16 << 30, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { again.Stop(context.Background()) })
	r.conn.Close()
	r.nats.Server = again
	r.conn = r.nats.Open(t)
	if r.registry, err = endpoint.Open(t.Context(), r.conn); err != nil {
		t.Fatal(err)
	}
	var last reply
	r.await("deliveries are accepted again", func() bool {
		last = r.post(strings.NewReader(oneEvent), nil)
		return last.status == 200
	})
	all, _ := r.stored()
	counts := map[string]int{}
	for _, d := range all {
		counts[d.ID]++
	}
	if counts[first.id] != 1 || counts[last.id] != 1 {
		t.Errorf("accepted were %s and %s, stored are %v", first.id, last.id, counts)
	}
	token := endpoint.NewToken()
	if _, err := r.registry.Rotate(t.Context(), r.endpoint.ID, token, 0); err != nil {
		t.Fatal(err)
	}
	r.await("the registry is followed again", func() bool { return r.post(strings.NewReader(oneEvent), nil).status == 401 })
}
