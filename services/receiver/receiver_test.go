package receiver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/config/configtest"
	"github.com/sluicelog/sluice/shared/delivery"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

func TestSmallDeliveriesAtTheSameMomentShareMessages(t *testing.T) {
	r := start(t, nil)
	const senders = 200
	ids, gate := make([]string, senders), make(chan struct{})
	bodies := map[string]string{}
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			<-gate
			got := r.post(strings.NewReader(fmt.Sprintf(`{"log_id":"%d"}`, i)), nil)
			r.expect(got, intake.Accepted)
			ids[i] = got.id
		})
	}
	close(gate)
	wg.Wait()
	all, messages := r.stored()
	for _, d := range all {
		if bodies[d.ID] != "" {
			t.Errorf("delivery %s is stored twice", d.ID)
		}
		bodies[d.ID] = string(d.Body)
	}
	for i, id := range ids {
		if want := fmt.Sprintf(`{"log_id":"%d"}`, i); bodies[id] != want {
			t.Errorf("delivery %s is %q, sent was %q", id, bodies[id], want)
		}
	}
	if len(all) != senders || messages >= senders {
		t.Errorf("%d deliveries lie in %d messages", len(all), messages)
	}
}

func TestWhatBecomesLargeWhenOpenedSharesNoMessage(t *testing.T) {
	r := start(t, nil)
	packed := map[int][]byte{} // by plain size
	for _, size := range []int{8 << 20, 300 << 10} {
		packed[size] = gzipped(t, bytes.Repeat([]byte(`{"log_id":"1","data":{"type":"s"}}`+"\n"), size/35))
	}
	gate := make(chan struct{})
	var wg sync.WaitGroup
	send := func(body []byte, encoding string) {
		wg.Go(func() {
			<-gate
			r.expect(r.post(bytes.NewReader(body), func(q *http.Request) { q.Header.Set("Content-Encoding", encoding) }), intake.Accepted)
		})
	}
	for range 10 {
		send(packed[8<<20], delivery.Gzip)
		for range 4 {
			send(packed[300<<10], delivery.Gzip)
			send([]byte(`{"log_id":"1"}`), delivery.Identity)
		}
	}
	close(gate)
	wg.Wait()
	deliveries := 0
	for message := range r.scan(stream.Range{}) {
		together := r.unpack(message)
		deliveries += len(together)
		opened := 0
		for i := range together {
			plain, err := together[i].Plain(32 << 20)
			if err != nil {
				t.Fatal(err)
			}
			opened += len(plain)
		}
		if len(together) > 1 && opened > 3<<20 {
			t.Errorf("%d deliveries of together %d bytes share a message", len(together), opened)
		}
	}
	if deliveries != 90 {
		t.Errorf("%d deliveries are stored", deliveries)
	}
}

func TestTokensTakeEffectWithoutARestart(t *testing.T) {
	r := start(t, nil)
	ctx, second, third := t.Context(), endpoint.NewToken(), endpoint.NewToken()
	t.Cleanup(func() { r.checkSecrecy(second); r.checkSecrecy(third) })
	with := func(id, token string) int {
		return r.post(strings.NewReader(oneEvent), func(q *http.Request) {
			q.URL.Path = "/v1/endpoints/" + id
			q.Header.Set("Authorization", token)
		}).status
	}
	becomes := func(id, token string, want int) {
		t.Helper()
		r.await(fmt.Sprintf("a token is answered %d", want), func() bool { return with(id, token) == want })
	}
	if _, err := r.registry.Rotate(ctx, r.endpoint.ID, second, time.Hour); err != nil {
		t.Fatal(err)
	}
	becomes(r.endpoint.ID, second, 200)
	if got := with(r.endpoint.ID, r.token); got != 200 {
		t.Errorf("within its grace the old token is answered %d", got)
	}
	if _, err := r.registry.Revoke(ctx, r.endpoint.ID, r.endpoint.Tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	becomes(r.endpoint.ID, r.token, 401)
	if _, err := r.registry.Rotate(ctx, r.endpoint.ID, third, 500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	becomes(r.endpoint.ID, third, 200)
	becomes(r.endpoint.ID, second, 401) // its grace ends by itself
	added, err := r.registry.Create(ctx, endpoint.Endpoint{Name: "added", Namespace: "other"}, second)
	if err != nil {
		t.Fatal(err)
	}
	becomes(added.ID, second, 200)
	if _, err := r.registry.Revoke(ctx, r.endpoint.ID, ""); err != nil {
		t.Fatal(err)
	}
	becomes(r.endpoint.ID, third, 401)
}

func TestSightingsReachTheBoard(t *testing.T) {
	r := start(t, nil)
	accepted := r.post(strings.NewReader(oneEvent), nil)
	r.post(nil, func(q *http.Request) { q.Header.Set("Authorization", "a wrong token of somebody") })
	r.post(nil, func(q *http.Request) { q.Header.Del("Authorization") })
	r.post(nil, func(q *http.Request) { q.Header.Set("Content-Encoding", "br") })
	var seen endpoint.Status
	r.await("all is on the board", func() bool {
		var err error
		if seen, err = r.board.Read(t.Context(), r.endpoint.ID); err != nil {
			t.Fatal(err)
		}
		return len(seen.Refusals) == 3
	})
	if seen.LastDeliveryID != accepted.id || seen.Deliveries != 1 || time.Since(seen.TokenUsed[r.endpoint.Tokens[0].ID]) > time.Minute {
		t.Errorf("the board shows %+v", seen)
	}
	for i, want := range []intake.Answer{intake.Unauthorized, intake.Unauthorized, intake.UnsupportedEncoding} {
		if got := seen.Refusals[i]; got.Reason != want.Name || got.Hint == "" {
			t.Errorf("refusal %d is %+v", i, got)
		}
	}
	raw, err := json.Marshal(seen)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(raw), r.logs.String()} {
		if strings.Contains(text, r.token) || strings.Contains(text, "a wrong token") {
			t.Errorf("a token is in %s", text)
		}
	}
}

// upload opens a connection and sends a delivery but for its last byte.
func (r *rig) upload() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.service.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST /v1/endpoints/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", r.endpoint.ID, r.token, len(oneEvent), oneEvent[:len(oneEvent)-1])
	r.await("the upload is under way", func() bool { return r.value("sluice_receiver_inflight_bytes", "") > 0 })
	return conn
}

func TestAStopAnswersWhatIsUnderWay(t *testing.T) {
	r := start(t, nil)
	conn := r.upload()
	ended := make(chan error, 1)
	go func() { ended <- r.stop() }()
	r.await("no connection is taken any more", func() bool {
		other, err := net.Dial("tcp", r.service.Addr().String())
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	if r.tel.Ready(t.Context()) == nil {
		t.Error("still ready while stopping")
	}
	if _, err := io.WriteString(conn, "}"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(text, []byte("HTTP/1.1 200 ")) {
		t.Errorf("the delivery under way is answered %q, %v", text, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the receiver ended with %v", err)
	}
	if all, _ := r.stored(); len(all) != 1 || string(all[0].Body) != oneEvent {
		t.Errorf("stored: %+v", all)
	}
	seen, err := r.board.Read(t.Context(), r.endpoint.ID)
	if err != nil || seen.Deliveries != 1 {
		t.Errorf("the last sighting is not on the board: %+v, %v", seen, err)
	}
}

func TestAStopDoesNotWaitForAnUploadThatHangs(t *testing.T) {
	r := start(t, func(cfg *receiver.Config, _ *stream.Topology) { cfg.Grace = 2 * time.Second })
	conn := r.upload()
	begin := time.Now()
	if err := r.stop(); err != nil {
		t.Errorf("the receiver ended with %v", err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if text, _ := io.ReadAll(conn); bytes.HasPrefix(text, []byte("HTTP/1.1 200 ")) {
		t.Errorf("half a delivery is answered %q", text)
	}
	if all, _ := r.stored(); len(all) != 0 {
		t.Errorf("stored: %+v", all)
	}
}

func TestAStopBeforeTheRegistryWasReadIsClean(t *testing.T) {
	r := prepare(t, nil)
	if err := r.nats.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	begin := time.Now()
	if err := r.service.Run(ctx); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	good := prepare(t, nil)
	t.Cleanup(func() { // it was opened, so it must be ended
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := good.service.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for name, spoil := range map[string]func(*receiver.Config){
		"RECEIVER_MAX_BODY":        func(c *receiver.Config) { c.MaxBody = 0 },
		"RECEIVER_MAX_INFLIGHT":    func(c *receiver.Config) { c.MaxInflight = 64 << 20 },
		"RECEIVER_MAX_CONNECTIONS": func(c *receiver.Config) { c.MaxConnections = 0 },
		"RECEIVER_READ_TIMEOUT":    func(c *receiver.Config) { c.ReadTimeout = 0 },
		"RECEIVER_GRACE":           func(c *receiver.Config) { c.Grace = -time.Second },
		"RECEIVER_LISTEN":          func(c *receiver.Config) { c.Listen = good.service.Addr().String() },
	} {
		var cfg receiver.Config
		if err := config.Load("receiver", &cfg); err != nil {
			t.Fatal(err)
		}
		cfg.Stream, cfg.Listen = good.nats.Config(), "127.0.0.1:0"
		spoil(&cfg)
		if _, err := receiver.Open(t.Context(), cfg, good.tel); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var update = flag.Bool("update", false, "rewrite the settings table in README.md")

func TestTheReadmeHoldsTheSettings(t *testing.T) {
	configtest.Readme(t, "receiver", &receiver.Config{}, *update)
}
