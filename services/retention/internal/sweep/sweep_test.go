package sweep_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/services/retention/internal/sweep"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/elastic"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

const day = 24 * time.Hour

// watch is a clock that a test sets. The servers' clocks follow it, but for what they are off.
type watch struct {
	ahead         time.Duration // of the real time
	nats, elastic time.Duration // of the watch
}

// rig is a real registry and a real Elasticsearch, with a watch instead of their clocks.
type rig struct {
	*endpoint.Registry
	*elastic.Client
	t         *testing.T
	url       string
	namespace string
	watch     watch
	logs      bytes.Buffer
	metrics   *prometheus.Registry
	log       *slog.Logger
	sweeper   *sweep.Sweeper
	dropping  func(index string) // called before an index is deleted
}

func (r *rig) Clock(context.Context) (time.Time, error) { return r.now().Add(r.watch.nats), nil }

func (r *rig) Clocks(context.Context) ([]time.Time, error) {
	return []time.Time{r.now(), r.now().Add(r.watch.elastic)}, nil
}

func (r *rig) DropIndex(ctx context.Context, index string) (bool, error) {
	r.dropping(index)
	return r.Client.DropIndex(ctx, index)
}

func (r *rig) now() time.Time { return time.Now().UTC().Add(r.watch.ahead) }

func newRig(t *testing.T, retention time.Duration) *rig {
	t.Helper()
	if testing.Short() {
		t.Skip("it needs Elasticsearch")
	}
	cluster := elastictest.Start(t)
	r := &rig{t: t, url: cluster.URL, namespace: cluster.Namespace(t), metrics: prometheus.NewRegistry(), dropping: func(string) {}}
	var err error
	if r.Client, err = elastic.Open(elastic.Config{ElasticsearchURL: config.URL(cluster.URL)}); err != nil {
		t.Fatal(err)
	}
	if r.Registry, err = endpoint.Open(t.Context(), streamtest.Start(t).Open(t, r.namespace)); err != nil {
		t.Fatal(err)
	}
	if err := r.CreateNamespace(t.Context(), endpoint.Namespace{Name: r.namespace, Retention: retention}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.SetupNamespace(t.Context(), r.namespace, elastic.Index{}); err != nil {
		t.Fatal(err)
	}
	r.log = slog.New(slog.NewJSONHandler(&r.logs, nil)) // one for all instances: it keeps their lines apart
	r.sweeper = r.another(sweep.NewMetrics(r.metrics))
	return r
}

// another is one more instance.
func (r *rig) another(m *sweep.Metrics) *sweep.Sweeper {
	return sweep.New(sweep.Parts{
		Registry: r, Cluster: r, Metrics: m, Log: r.log, Now: r.now, Timeout: time.Minute,
	})
}

// make creates the indices of some periods.
func (r *rig) make(names ...string) {
	r.t.Helper()
	for _, name := range names {
		if _, err := r.EnsureIndex(r.t.Context(), period.Index(r.namespace, name)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// left are the periods that have an index, whatever its alias is.
func (r *rig) left() (names []string) {
	r.t.Helper()
	all, err := r.Indices(r.t.Context(), r.namespace)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, index := range all {
		_, name, _ := period.Split(index)
		names = append(names, name)
	}
	return names
}

func (r *rig) call(method, path, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode > 299 {
		r.t.Fatalf("%s %s: %s %s", method, path, res.Status, text)
	}
}

func (r *rig) value(name string) (sum float64) {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// ago is the day so many days before today.
func (r *rig) ago(days int) string { return period.Daily().Name(r.now().AddDate(0, 0, -days)) }

func (r *rig) want(names ...string) {
	r.t.Helper()
	slices.Sort(names)
	if diff := cmp.Diff(names, r.left()); diff != "" {
		r.t.Errorf("indices that are left: %s\n%s", diff, r.logs.String())
	}
}

func TestOnlyWholeIndicesOfOursBeforeTheRetentionGo(t *testing.T) {
	r := newRig(t, 30*day)
	month := period.Calendar{{Unit: period.Month}}
	old, this := month.Name(r.now().AddDate(0, -3, 0)), month.Name(r.now().AddDate(0, 0, -20))
	r.make(r.ago(0), r.ago(29), r.ago(30), r.ago(31), r.ago(33), r.ago(400), old, this, period.Undated)
	strange := "2001.01.01-restored" // the template gives it our alias, but its name is none of ours
	r.make(strange)
	bare := r.ago(401) // our name, but somebody took the alias away
	r.make(bare)
	r.call(http.MethodDelete, "/"+period.Index(r.namespace, bare)+"/_alias/"+period.Alias(r.namespace), "")
	r.sweeper.Sweep(t.Context())
	// The end of the day 31 days ago is 30 days ago, and a margin of a day is kept on top of it.
	r.want(r.ago(0), r.ago(29), r.ago(30), r.ago(31), this, period.Undated, strange, bare)
	if got := r.value("sluice_retention_deleted_indices_total"); got != 3 {
		t.Errorf("%v counted", got)
	}
	if lines := strings.Count(r.logs.String(), `"msg":"index deleted"`); lines != 3 || !strings.Contains(r.logs.String(), period.Index(r.namespace, r.ago(33))) {
		t.Errorf("%d lines: %s", lines, r.logs.String())
	}
	if r.value("sluice_retention_last_sweep_timestamp_seconds") == 0 || r.value("sluice_retention_overdue_indices") != 0 {
		t.Error("the sweep is not noted as whole")
	}
	r.watch.ahead = 2 * day
	r.sweeper.Sweep(t.Context())
	r.want(r.ago(2), r.ago(31), this, period.Undated, strange, bare)
}

func TestWithoutARetentionNothingGoes(t *testing.T) {
	r := newRig(t, 0)
	r.make(r.ago(4000), period.Undated)
	r.watch.ahead = 36500 * day
	r.sweeper.Sweep(t.Context())
	if got := r.left(); len(got) != 2 {
		t.Errorf("left: %v", got)
	}
}

func TestAClockThatDisagreesWithAnotherDeletesNothing(t *testing.T) {
	r := newRig(t, 30*day)
	r.make(r.ago(400))
	for name, w := range map[string]watch{
		"NATS is behind": {nats: -6 * time.Minute}, "NATS is ahead": {nats: 400 * day}, "a node is behind": {elastic: -6 * time.Minute}, "a node is ahead": {elastic: day},
	} {
		r.watch = w
		r.sweeper.Sweep(t.Context())
		if got := r.left(); len(got) != 1 {
			t.Fatalf("%s: deleted", name)
		}
	}
	if !strings.Contains(r.logs.String(), "the clocks differ too much") || r.value("sluice_retention_failures_total") != 4 || r.value("sluice_retention_last_sweep_timestamp_seconds") != 0 {
		t.Errorf("%v failures: %s", r.value("sluice_retention_failures_total"), r.logs.String())
	}
	r.watch = watch{nats: 4 * time.Minute, elastic: -4 * time.Minute}
	r.sweeper.Sweep(t.Context())
	r.want()
}

func TestAChangedRetentionIsHeardBeforeAnythingGoes(t *testing.T) {
	r := newRig(t, 30*day)
	two := []string{r.ago(100), r.ago(101)}
	r.make(two...)
	if _, err := r.SetRetention(t.Context(), r.namespace, 60*day); err != nil {
		t.Fatal(err)
	}
	r.sweeper.Sweep(t.Context())
	r.want(two...) // a changed retention settles first
	r.watch.ahead = endpoint.Settle
	r.dropping = func(string) { // while one goes, somebody makes the retention longer
		if _, err := r.SetRetention(t.Context(), r.namespace, 365*day); err != nil {
			t.Error(err)
		}
	}
	r.sweeper.Sweep(t.Context())
	if got := r.left(); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
}

func TestSeveralInstancesAtOnceAreHarmless(t *testing.T) {
	r := newRig(t, 30*day)
	for i := range 4 {
		r.make(r.ago(40 + i))
	}
	r.make(r.ago(1), r.ago(30))
	second := prometheus.NewRegistry()
	var group sync.WaitGroup
	for _, s := range []*sweep.Sweeper{r.sweeper, r.another(sweep.NewMetrics(second))} {
		group.Go(func() { s.Sweep(t.Context()) })
	}
	group.Wait()
	r.want(r.ago(1), r.ago(30))
	one := r.value("sluice_retention_deleted_indices_total")
	r.metrics = second
	if two := r.value("sluice_retention_deleted_indices_total"); one+two != 4 || r.value("sluice_retention_failures_total") != 0 {
		t.Errorf("%v and %v deleted", one, two)
	}
}

// Retention deletes nothing that is inside it, whatever the calendar is, and after the margin everything that is not.
func TestRetentionDeletesNothingThatIsInsideIt(t *testing.T) {
	r := newRig(t, 10*day)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	units := []period.Unit{period.Hour, period.Day, period.Week, period.Month}
	events := map[string][]time.Time{}
	calendar := period.Calendar{{Unit: units[rng.IntN(4)]}}
	for range 3 {
		calendar = append(calendar, period.Rule{Unit: units[rng.IntN(4)], From: r.now().Add(-time.Duration(rng.Int64N(int64(60 * day))))})
	}
	slices.SortFunc(calendar[1:], func(a, b period.Rule) int { return a.From.Compare(b.From) })
	for range 12 {
		at := r.now().Add(-time.Duration(rng.Int64N(int64(60 * day))))
		name := calendar.Name(at)
		events[name] = append(events[name], at)
	}
	for name := range events {
		r.make(name)
	}
	for range 8 {
		r.watch.ahead += time.Duration(rng.Int64N(int64(10 * day)))
		r.sweeper.Sweep(t.Context())
		left := r.left()
		for name, times := range events {
			newest := slices.MaxFunc(times, time.Time.Compare)
			inside := newest.After(r.now().Add(-10 * day))
			if gone := !slices.Contains(left, name); gone && inside {
				t.Fatalf("at %v %s is gone, which holds an event of %v; calendar %v", r.now(), name, newest, calendar)
			}
			if _, end, _ := period.Span(name); slices.Contains(left, name) && r.now().After(end.Add(10*day+period.Margin+time.Minute)) {
				t.Fatalf("at %v %s is still there; calendar %v", r.now(), name, calendar)
			}
		}
	}
	if len(r.left()) == len(events) {
		t.Error(fmt.Sprint("nothing was deleted: this test cannot fail; ", calendar))
	}
}
