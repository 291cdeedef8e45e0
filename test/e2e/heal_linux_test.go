package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/shared/auth0/simulator"
	"github.com/sluicelog/sluice/shared/elastic/elastictest"
	"github.com/sluicelog/sluice/test/harness"
	"github.com/sluicelog/sluice/test/powerfs"
)

// brokenDisk is a disk that is full, or fails, and what the all-in-one has to say of it.
type brokenDisk struct {
	name   string
	hurt   func(d *powerfs.Disk)
	reason string
}

// TestADiskThatWasFullOrFailedHealsByItself breaks the disk of a running all-in-one under load. JetStream then refuses
// every write, also after the disk is well, until its server starts again: the all-in-one has to notice, to say it, to
// answer 503 meanwhile, and to restart its server when that helps, all without help and without losing anything.
func TestADiskThatWasFullOrFailedHealsByItself(t *testing.T) {
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("mounting a file system needs root, and CI is not root")
		}
		t.Skip("SKIPPED: mounting a file system needs root")
	}
	d, state := powerDisk(t)
	i := harness.Up(t, harness.Options{State: state, Args: []string{"--elasticsearch", elastictest.Start(t).URL}})
	ledger, tn := harness.NewLedger(), tenant(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		load(ctx, t, i, simulator.StreamOptions{Batch: 20, Concurrency: 2, Rate: 100, OnResult: ledger.Note}, func() (simulator.Event, bool) { return tn.Next(), true })
	}()
	for _, b := range []brokenDisk{
		{"full", func(d *powerfs.Disk) { d.LimitRoom(100_000) }, "no space left on device"},
		{"failing", func(d *powerfs.Disk) { d.FailSyncs(5) }, "input/output error"},
	} {
		t.Run(b.name, func(t *testing.T) { b.heals(t, d, i, ledger) })
	}
	cancel()
	<-done
	if log := i.Tail(1 << 20); !strings.Contains(log, "restarting the embedded NATS server") || !strings.Contains(log, "make room or replace it") {
		t.Error("the log does not say what happened")
	}
	ledger.Check(t, i, 2*time.Minute)
}

// powerDisk is a disk that can be broken, and a state folder on it.
func powerDisk(t *testing.T) (d *powerfs.Disk, state string) {
	t.Helper()
	dir := harness.Dir(t)
	d, err := powerfs.New(powerfs.Options{Dir: t.TempDir()}) // not below dir, which is searched for secrets by the names of files
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "mount")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.Mount(at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			_ = d.Export(filepath.Join(dir, "files")) // for whoever looks
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, filepath.Join(at, "state")
}

func (b brokenDisk) heals(t *testing.T, d *powerfs.Disk, i *harness.Instance, ledger *harness.Ledger) {
	t.Helper()
	before, refused := ledger.Acked(), ledger.Refused(503)
	harness.Await(t, time.Minute, "deliveries before", func() bool { return ledger.Acked() > before })
	b.hurt(d)
	harness.Await(t, 2*time.Minute, "refusals", func() bool { return ledger.Refused(503) >= refused+5 })
	harness.Await(t, time.Minute, "a readiness page that says so", func() bool {
		page, status := get(t, i.AdminURL+"/readyz")
		return status == 503 && strings.Contains(page, "[-]stream writes") && strings.Contains(page, b.reason)
	})
	if page, _ := get(t, i.AdminURL+"/metrics"); !strings.Contains(page, `sluice_stream_write_dead{stream="DELIVERIES"} 1`) {
		t.Error("no metric says that DELIVERIES refuses writes")
	}
	if out, _, code := i.Command("doctor"); code != 1 || !strings.Contains(out, "restarts its NATS server by itself") {
		t.Errorf("doctor ends with %d and says\n%s", code, out)
	}
	acked := ledger.Acked()
	d.Repair()
	harness.Await(t, 3*time.Minute, "deliveries again, without help", func() bool { return ledger.Acked() > acked+40 })
	harness.Await(t, time.Minute, "readiness", func() bool { _, status := get(t, i.AdminURL+"/readyz"); return status == 200 })
	if !i.Running() {
		t.Fatal("the all-in-one ended")
	}
	if page, _ := get(t, i.AdminURL+"/metrics"); !strings.Contains(page, `sluice_stream_write_dead{stream="DELIVERIES"} 0`) {
		t.Error("the metric does not say that DELIVERIES takes messages again")
	}
}
