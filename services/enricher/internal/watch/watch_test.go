package watch_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluicelog/sluice/services/enricher/internal/watch"
	"github.com/sluicelog/sluice/shared/deadletter"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

func TestMain(m *testing.M) { // idle connections of HTTP clients end some time later
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// monday is a Monday, midnight UTC.
var monday = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// rig is a registry with one endpoint, and what is needed to watch it.
type rig struct {
	t     *testing.T
	conn  *stream.Conn
	board *endpoint.Board
	log   bytes.Buffer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, conn: streamtest.Start(t).Open(t, "default")}
	var err error
	if r.board, err = endpoint.OpenBoard(t.Context(), r.conn); err != nil {
		t.Fatal(err)
	}
	return r
}

// directory is a fixed list of endpoints.
type directory []*endpoint.Endpoint

func (d directory) Endpoints() []*endpoint.Endpoint { return d }

func (r *rig) watch() *watch.Watch {
	r.t.Helper()
	turn, err := r.conn.Turn(r.t.Context(), "watch")
	if err != nil {
		r.t.Fatal(err)
	}
	return watch.New(watch.Parts{
		Turn: turn, Directory: directory{{ID: "shop"}}, Board: r.board, Letters: deadletter.Open(r.conn), Ledger: r.conn, Log: slog.New(slog.NewTextHandler(&r.log, nil)),
	})
}

func (r *rig) saw(instance string, s endpoint.Status) {
	r.t.Helper()
	if err := r.board.Write(r.t.Context(), "shop", instance, s); err != nil {
		r.t.Fatal(err)
	}
}

// series are the values that a watch reports, by name and labels.
func series(t *testing.T, w *watch.Watch) map[string]float64 {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(w.Collector())
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			all[name] = m.GetGauge().GetValue()
		}
	}
	return all
}

func TestOneWatchActsAndAnotherTakesOverWithWhatWasLearnt(t *testing.T) {
	r := newRig(t)
	first, second := r.watch(), r.watch()
	now := monday
	for ; now.Before(monday.Add(24 * time.Hour)); now = now.Add(endpoint.Slot) {
		r.saw("r1", endpoint.Status{LastDelivery: now.Add(-time.Minute)})
		first.Look(t.Context(), now)
	}
	second.Look(t.Context(), now)
	if got := series(t, second); len(got) != 1 || got["sluice_watch_acting"] != 0 {
		t.Errorf("the other one reports %v", got)
	}
	if got := series(t, first); got["sluice_watch_acting"] != 1 || got["sluice_endpoint_silent shop"] != 0 || got["sluice_dead_letters_max_bytes"] == 0 {
		t.Errorf("the acting one reports %v", got)
	}
	for range 10 { // the first gives no sign of life any more, and neither does the endpoint
		now = now.Add(endpoint.Slot)
		second.Look(t.Context(), now)
	}
	got := series(t, second)
	if got["sluice_watch_acting"] != 1 || got["sluice_endpoint_silent shop"] != 1 || got["sluice_endpoint_usual_interval_seconds shop"] == 0 {
		t.Errorf("the one that took over reports %v", got)
	}
	if n := strings.Count(r.log.String(), "an endpoint is silent"); n != 1 {
		t.Errorf("silence was told %d times:\n%s", n, &r.log)
	}
	r.saw("r2", endpoint.Status{LastDelivery: now})
	second.Look(t.Context(), now.Add(time.Second))
	second.Look(t.Context(), now.Add(2*time.Second))
	if n := strings.Count(r.log.String(), "is heard again"); n != 1 {
		t.Errorf("its end was told %d times:\n%s", n, &r.log)
	}
	first.Look(t.Context(), now.Add(3*time.Second))
	if got := series(t, first); len(got) != 1 {
		t.Errorf("the first one came back and reports %v", got)
	}
}

func TestFailuresAndDeadLettersAreReportedWithTheirTimes(t *testing.T) {
	r := newRig(t)
	w := r.watch()
	var s endpoint.Status
	s.AddRefusal(endpoint.Refusal{Time: monday, Reason: "unauthorized"})
	r.saw("r1", s)
	begin := time.Now().Add(-time.Second)
	if _, err := deadletter.Open(r.conn).Put(t.Context(), &deadletter.Letter{Stage: deadletter.StageEnricher, Reason: "not_json", Key: "k", Delivery: "d", FirstSeen: begin, Body: []byte("?")}); err != nil {
		t.Fatal(err)
	}
	w.Look(t.Context(), monday.Add(time.Hour))
	got := series(t, w)
	at := func(when time.Time) float64 { return float64(when.Unix()) }
	if got["sluice_endpoint_failing_since_timestamp_seconds shop unauthorized"] != at(monday) || got["sluice_endpoint_stops_at_timestamp_seconds shop"] != at(monday.Add(7*24*time.Hour)) {
		t.Errorf("%v", got)
	}
	if got["sluice_dead_letters"] != 1 || got["sluice_dead_letters_oldest_timestamp_seconds"] < at(begin) || got["sluice_dead_letters_bytes"] == 0 {
		t.Errorf("%v", got)
	}
	s.LastDelivery = monday.Add(2 * time.Hour)
	r.saw("r1", s)
	w.Look(t.Context(), monday.Add(2*time.Hour))
	if got := series(t, w); got["sluice_endpoint_last_delivery_timestamp_seconds shop"] != at(s.LastDelivery) || len(got) != 9 {
		t.Errorf("a delivery was accepted: %v", got)
	}
}
