package endpoint_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/period"
	"github.com/sluicelog/sluice/shared/stream"
	"github.com/sluicelog/sluice/shared/stream/streamtest"
)

const day = 24 * time.Hour

func TestANamespaceKeepsItsCalendarWhateverIsAskedOfIt(t *testing.T) {
	r, ctx := open(t), t.Context()
	if err := r.CreateNamespace(ctx, endpoint.Namespace{Name: "payments", Calendar: period.Calendar{{Unit: period.Month}}, Retention: 90 * day}); err != nil {
		t.Fatal(err)
	}
	if err := r.CreateNamespace(ctx, endpoint.Namespace{Name: "payments"}); !errors.Is(err, endpoint.ErrNamespaceTaken) {
		t.Errorf("a second time: %v", err)
	}
	if err := r.EnsureNamespace(ctx, "payments"); err != nil {
		t.Error(err)
	}
	if _, err := r.SetPeriod(ctx, "payments", period.Rule{Unit: period.Day, From: time.Now().Add(day)}); err == nil || !strings.Contains(err.Error(), "there twice") {
		t.Errorf("a rule from tomorrow: %v", err)
	}
	if _, err := r.SetPeriod(ctx, "other", period.Rule{Unit: period.Day, From: time.Now().Add(9 * day)}); !errors.Is(err, endpoint.ErrNoNamespace) {
		t.Errorf("a namespace that is not there: %v", err)
	}
	if _, err := r.SetRetention(ctx, "payments", time.Hour); err == nil {
		t.Error("an hour is a retention")
	}
	from := period.Earliest(time.Now()).Add(time.Hour)
	changed, err := r.SetPeriod(ctx, "payments", period.Rule{Unit: period.Day, From: from})
	if err != nil {
		t.Fatal(err)
	}
	have, err := r.Namespace(ctx, "payments")
	if err != nil || cmp.Diff(changed, have) != "" {
		t.Fatal(err, cmp.Diff(changed, have))
	}
	want := endpoint.Namespace{Name: "payments", Calendar: period.Calendar{{Unit: period.Month}, {Unit: period.Day, From: from}}, Retention: 90 * day}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

func TestAChangedRetentionSettlesBeforeAnythingIsDueByIt(t *testing.T) {
	r, ctx := open(t), t.Context()
	if err := r.EnsureNamespace(ctx, "default"); err != nil {
		t.Fatal(err)
	}
	before, err := r.Namespace(ctx, "default")
	if _, due := before.Due("2020.01.01"); err != nil || due {
		t.Fatal("without a retention something is due", err)
	}
	set, err := r.SetRetention(ctx, "default", 30*day)
	if err != nil {
		t.Fatal(err)
	}
	if at, due := set.Due("2020.01.01"); !due || at.Before(time.Now().Add(endpoint.Settle-time.Minute)) {
		t.Errorf("due at %v", at)
	}
	again, err := r.SetRetention(ctx, "default", 30*day)
	if err != nil || !again.RetentionSet.Equal(set.RetentionSet) {
		t.Errorf("the same again: %v, %v", again, err)
	}
	if expired, err := r.Expired(ctx, "default", "2020.01.01"); err != nil || !expired {
		t.Errorf("expired: %v, %v", expired, err)
	}
	if expired, err := r.Expired(ctx, "default", period.Daily().Name(time.Now().Add(-29*day))); err != nil || expired {
		t.Errorf("expired inside the retention: %v, %v", expired, err)
	}
	if _, err := r.SetRetention(ctx, "default", 0); err != nil {
		t.Fatal(err)
	}
	if expired, err := r.Expired(ctx, "default", "2020.01.01"); err != nil || expired {
		t.Errorf("expired without a retention: %v, %v", expired, err)
	}
}

func TestABackupNeverChangesACalendarThatWasChosen(t *testing.T) {
	r, ctx := openWith(t, "fresh", "hourly", "gone"), t.Context()
	if err := errors.Join(r.EnsureNamespace(ctx, "fresh"), r.CreateNamespace(ctx, endpoint.Namespace{Name: "hourly", Calendar: period.Calendar{{Unit: period.Hour}}})); err != nil {
		t.Fatal(err)
	}
	monthly := period.Calendar{{Unit: period.Month}}
	backup := &endpoint.Backup{Version: 1, Namespaces: []endpoint.Namespace{
		{Name: "fresh", Calendar: monthly, Retention: 30 * day}, {Name: "hourly", Calendar: monthly, Retention: 30 * day}, {Name: "gone", Calendar: monthly, Retention: 30 * day},
	}}
	for _, overwrite := range []bool{false, true} {
		done, err := r.Import(ctx, backup, overwrite)
		if err != nil {
			t.Fatal(err)
		}
		want := []endpoint.KeptCalendar{{Namespace: "hourly", Kept: period.Calendar{{Unit: period.Hour}}, Backup: monthly}}
		if diff := cmp.Diff(want, done.Calendars); diff != "" {
			t.Error(diff)
		}
		for name, want := range map[string]period.Unit{"fresh": period.Month, "hourly": period.Hour, "gone": period.Month} {
			n, err := r.Namespace(ctx, name)
			if err != nil || n.Calendar.Last().Unit != want {
				t.Errorf("%s: %+v, %v", name, n, err)
			}
			if kept := overwrite || name == "gone"; (n.Retention == 30*day) != kept {
				t.Errorf("%s, overwrite %v: retention %s", name, overwrite, n.Retention)
			}
		}
	}
}

// openTwo opens an empty registry with two namespaces, default and other.
func openTwo(t *testing.T) (*stream.Conn, *endpoint.Registry, context.Context) {
	t.Helper()
	conn, ctx := streamtest.Start(t).Open(t, "default", "other"), t.Context()
	r, err := endpoint.Open(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.EnsureNamespace(ctx, "default"), r.EnsureNamespace(ctx, "other")); err != nil {
		t.Fatal(err)
	}
	return conn, r, ctx
}

// A document waits, is in flight, or is done: under whatever calendar it was mapped, it must meet itself when it comes again.
func TestABackupNeverChangesACalendarUnderWhichEventsAreStored(t *testing.T) {
	conn, r, ctx := openTwo(t)
	if _, err := conn.Publish(ctx, stream.Outgoing{Subject: stream.SubjectDocuments("default"), Data: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	monthly := period.Calendar{{Unit: period.Month}}
	backup := &endpoint.Backup{Version: 1, Namespaces: []endpoint.Namespace{{Name: "default", Calendar: monthly}}}
	try := func(when string, overwrite bool) {
		t.Helper()
		done, err := r.Import(ctx, backup, overwrite)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]endpoint.KeptCalendar{{Namespace: "default", Kept: period.Daily(), Backup: monthly}}, done.Calendars); diff != "" {
			t.Errorf("while the document %s: %s", when, diff)
		}
		if n, err := r.Namespace(ctx, "default"); err != nil || n.Calendar.Last().Unit != period.Day {
			t.Errorf("while the document %s: %+v, %v", when, n, err)
		}
	}
	try("waits", false)
	inbox, err := conn.Inbox(ctx, stream.Documents, stream.Indexer("default"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = inbox.Run(running) }() // never fails
	defer func() { stop(); <-ended }()
	batch, err := inbox.Next(ctx, stream.Want{Count: 1, Bytes: 1})
	if err != nil || len(batch) != 1 {
		t.Fatal(len(batch), err)
	}
	try("is in flight", true)
	batch[0].Done()
	await(t, func() bool {
		p, err := conn.Progress(ctx, stream.Documents, stream.Indexer("default"))
		return err == nil && p.InFlight == 0
	})
	try("is done", true)

	backup.Namespaces[0].Name = "other" // another namespace's documents are none of its own
	if done, err := r.Import(ctx, backup, false); err != nil || len(done.Calendars) != 0 {
		t.Errorf("an unused namespace keeps its calendar: %v, %v", done.Calendars, err)
	}
}

func TestADirectoryLearnsOfANamespaceBeforeItIsTold(t *testing.T) {
	r := open(t)
	d := r.Follow(slog.New(slog.DiscardHandler)) // it does not run, so it is told nothing
	if err := d.Learn(t.Context(), "late"); !errors.Is(err, endpoint.ErrNoNamespace) {
		t.Errorf("a namespace that is not there: %v", err)
	}
	if err := r.CreateNamespace(t.Context(), endpoint.Namespace{Name: "late", Calendar: period.Calendar{{Unit: period.Week}}}); err != nil {
		t.Fatal(err)
	}
	if err := d.Learn(t.Context(), "late"); err != nil {
		t.Error(err)
	}
	if n, known := d.Namespace("late"); !known || n.Calendar.Last().Unit != period.Week {
		t.Errorf("%+v", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.AwaitCurrent(ended); err == nil {
		t.Error("a directory that is told nothing is current")
	}
}

func TestANamespaceWhoseRecordCannotBeReadWaitsUntilItCan(t *testing.T) {
	conn, r, ctx := openTwo(t)
	bucket, err := conn.Bucket(ctx, stream.BucketEndpoints)
	if err != nil {
		t.Fatal(err)
	}
	d := r.Follow(slog.New(slog.DiscardHandler))
	running, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = d.Run(running) }() // never fails
	defer func() { stop(); <-ended }()
	known := func() bool { _, ok := d.Namespace("default"); return ok }
	for record, newer := range map[string]bool{`{"schema":99,"name":"default","calendar":"solar"}`: true, `{"name":"other"}`: false, `{"name":`: false} {
		await(t, known)
		if err := bucket.Put(ctx, "namespace.default", []byte(record)); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return !known() })
		if err := d.Learn(ctx, "default"); !errors.Is(err, endpoint.ErrUnreadable) || errors.Is(err, endpoint.ErrNewer) != newer {
			t.Errorf("%s: learning says %v", record, err)
		}
		if _, ok := d.Namespace("other"); !ok {
			t.Errorf("%s: another namespace waits, too", record)
		}
		if names, _ := d.Namespaces(); len(names) != 2 {
			t.Errorf("%s: what was stored before is left alone: %v", record, names)
		}
		if err := bucket.Put(ctx, "namespace.default", []byte(`{"name":"default","calendar":[{"unit":"month"}]}`)); err != nil {
			t.Fatal(err)
		}
	}
	await(t, known)
	if n, _ := d.Namespace("default"); n.Calendar.Last().Unit != period.Month {
		t.Errorf("%+v", n)
	}
}

func TestClocksThatDifferByMoreThanMinutesAreRefused(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		other time.Duration
		fine  bool
	}{{0, true}, {4 * time.Minute, true}, {-4 * time.Minute, true}, {6 * time.Minute, false}, {-6 * time.Minute, false}, {8760 * time.Hour, false}} {
		if err := endpoint.CompareClocks("the other", now.Add(c.other), now.Add(-time.Second), now); (err == nil) != c.fine || err != nil && !errors.Is(err, endpoint.ErrClocks) {
			t.Errorf("%s: %v", c.other, err)
		}
	}
	if at, err := open(t).Now(t.Context()); err != nil || time.Since(at) > time.Minute {
		t.Errorf("%v, %v", at, err)
	}
}
