package cli_test

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/sluice/internal/cli"
	"github.com/sluicelog/sluice/services/sluice/internal/state"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

// finding is one line of `doctor --json`.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Detail string `json:"detail"`
	Advice string `json:"what_to_do"`
}

// diagnosis is what doctor says, by check.
type diagnosis map[string][]finding

func examine(t *testing.T, args ...string) (diagnosis, error) {
	t.Helper()
	began := time.Now()
	out, err := run(t.Context(), t, "", append([]string{"doctor", "--json"}, args...)...)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("doctor took %s", took)
	}
	var list []finding
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	all := diagnosis{}
	for _, f := range list {
		all[f.Check] = append(all[f.Check], f)
	}
	return all, err
}

// expect checks the first finding of a check.
func (d diagnosis) expect(t *testing.T, check, result, word string) {
	t.Helper()
	if len(d[check]) == 0 || d[check][0].Result != result || !strings.Contains(d[check][0].Detail, word) {
		t.Errorf("%s: %+v; want %s with %q", check, d[check], result, word)
	}
}

func TestDoctorSaysWhatIsMissingWhenNothingRuns(t *testing.T) {
	t.Setenv("ELASTICSEARCH_URL", "http://127.0.0.1:1")
	d, err := examine(t, "--state", filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, cli.ErrSilent) {
		t.Errorf("got %v, want exit code 1", err)
	}
	d.expect(t, "settings", "ok", "")
	d.expect(t, "nats", "fail", "no running sluice")
	d.expect(t, "elasticsearch", "fail", "127.0.0.1:1")
	d.expect(t, "receiver", "skip", "")
	for check, findings := range d {
		for _, f := range findings {
			if f.Result == "fail" && f.Advice == "" {
				t.Errorf("%s fails without a word on what to do", check)
			}
		}
	}
}

func TestDoctorDoesNotHangOnServersThatTakeConnectionsAndSayNothing(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	address := silent.Addr().String()
	dir := announce(t, state.Ready{
		NATSURL: "nats://" + address, ElasticsearchURL: "http://" + address, PayloadURL: "http://" + address, AdminURL: "http://" + address,
	})
	d, err := examine(t, "--state", dir)
	if !errors.Is(err, cli.ErrSilent) || len(d) < 10 {
		t.Errorf("got %v and %d checks", err, len(d))
	}
}

func TestDoctorFindsARunningSluiceWell(t *testing.T) {
	server, in := streamtest.Start(t), newIntake(t)
	server.Open(t, "default")
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	t.Cleanup(admin.Close)
	dir := announce(t, state.Ready{
		PayloadURL: in.URL, Authorization: fakeToken, NATSURL: server.URL(), ElasticsearchURL: "http://127.0.0.1:1",
		AdminURL: admin.URL, PID: os.Getpid(), Version: "v1",
	})
	d, _ := examine(t, "--state", dir)
	d.expect(t, "state folder", "ok", dir)
	d.expect(t, "all-in-one", "ok", "v1")
	d.expect(t, "nats", "ok", "version 2.")
	d.expect(t, "sync always", "ok", "")
	d.expect(t, "stream DELIVERIES", "ok", "0 messages")
	d.expect(t, "consumer enricher", "ok", "nothing waits")
	d.expect(t, "receiver", "ok", in.URL)
	d.expect(t, "clock", "ok", "")
	d.expect(t, "readiness", "fail", "503")
}

func TestDoctorNamesTheServiceThatMessagesOfALaterVersionWaitFor(t *testing.T) {
	server, in := streamtest.Start(t), newIntake(t)
	conn := server.Open(t, "default")
	later := stream.Header{stream.SchemaHeader: "2"}
	for _, subject := range []string{stream.SubjectDeliveries, stream.SubjectDocuments("default")} {
		if _, err := conn.Publish(t.Context(), stream.Outgoing{Subject: subject, Header: later, Data: []byte("in a form to come")}); err != nil {
			t.Fatal(err)
		}
	}
	d, err := examine(t, "--state", announce(t, state.Ready{PayloadURL: in.URL, NATSURL: server.URL(), PID: os.Getpid()}))
	if !errors.Is(err, cli.ErrSilent) {
		t.Errorf("got %v, want exit code 1", err)
	}
	for consumer, service := range map[string]string{stream.Enricher: "enricher", stream.Indexer("default"): "indexer"} {
		d.expect(t, "consumer "+consumer, "fail", "later version")
		if f := d["consumer "+consumer]; len(f) == 0 || !strings.Contains(f[0].Advice, "upgrade the "+service) {
			t.Errorf("%+v", f)
		}
	}
}

func TestDoctorNamesTheConsumersThatAnEarlierSetupDidNotMake(t *testing.T) {
	server, in := streamtest.Start(t), newIntake(t)
	server.Open(t, "default")
	server.WithoutBulk(t)
	dir := announce(t, state.Ready{PayloadURL: in.URL, NATSURL: server.URL(), PID: os.Getpid()})
	d, _ := examine(t, "--state", dir)
	for _, consumer := range []string{stream.Enricher, stream.Indexer("default")} {
		d.expect(t, "consumer "+consumer, "ok", "nothing waits")
		d.expect(t, "consumer "+stream.BulkConsumer(consumer), "warn", "missing")
	}
	server.Open(t, "default")
	d, _ = examine(t, "--state", dir)
	d.expect(t, "consumer "+stream.BulkConsumer(stream.Enricher), "ok", "nothing waits")
}

func TestDoctorFindsTokensThatOthersMayRead(t *testing.T) {
	dir := announce(t, state.Ready{PID: 1 << 30})
	if err := os.Chmod(filepath.Join(dir, "ready.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RECEIVER_MAX_BODI", "1MiB")
	d, err := examine(t, "--state", dir)
	if !errors.Is(err, cli.ErrSilent) {
		t.Errorf("got %v, want exit code 1", err)
	}
	d.expect(t, "state folder", "fail", "0644")
	d.expect(t, "all-in-one", "fail", "gone")
	d.expect(t, "settings receiver", "fail", "RECEIVER_MAX_BODY")
}
