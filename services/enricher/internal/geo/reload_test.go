package geo_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// reloads compares the counter of reloads.
func (r *rig) reloads(t *testing.T, ok, failed string) {
	t.Helper()
	want := `
# HELP sluice_enricher_geoip_reloads_total New GeoIP files taken over (ok) or refused (failed) since the start.
# TYPE sluice_enricher_geoip_reloads_total counter
sluice_enricher_geoip_reloads_total{result="failed"} ` + failed + `
sluice_enricher_geoip_reloads_total{result="ok"} ` + ok + "\n"
	if err := testutil.GatherAndCompare(r.metrics, strings.NewReader(want), "sluice_enricher_geoip_reloads_total"); err != nil {
		t.Error(err)
	}
}

func (r *rig) says(t *testing.T, code string) {
	t.Helper()
	if got := r.lookup("8.8.8.8"); !strings.Contains(got, `"country_iso_code":"`+code+`"`) {
		t.Errorf("got %s, want %s", got, code)
	}
}

func TestRunTakesOverARenamedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		old := country("US")
		old.built = time.Now().Add(-time.Hour)
		r := open(t, put(t, folder, "a.mmdb", old.bytes(t)))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		fresh := country("SE")
		fresh.built = time.Now().Add(-89*24*time.Hour - 12*time.Hour)
		put(t, folder, "a.mmdb", fresh.bytes(t))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		r.says(t, "SE")
		r.reloads(t, "1", "0")
		if n := r.journal.count("WARN", "is old"); n != 0 {
			t.Errorf("%d warnings too early", n)
		}
		time.Sleep(49 * time.Hour)
		synctest.Wait()
		if n := r.journal.count("WARN", "is old"); n != 2 {
			t.Errorf("%d warnings on the two days after the ninetieth", n)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestABrokenFileIsSaidOnceAndTheOldOneStays(t *testing.T) {
	good := country("SE").bytes(t)
	path := put(t, t.TempDir(), "a.mmdb", country("US").bytes(t))
	r := open(t, path)
	if err := os.WriteFile(path, good[:len(good)/2], 0o644); err != nil { // in place, as a copy that is under way
		t.Fatal(err)
	}
	for range 4 {
		r.settle()
	}
	r.says(t, "US")
	if n := r.journal.count("ERROR", "not used", "damaged"); n != 1 {
		t.Errorf("said %d times: %s", n, r.journal.b.String())
	}
	r.reloads(t, "0", "1")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.says(t, "US")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.says(t, "US")
	r.reloads(t, "0", "3")
	put(t, filepath.Dir(path), "a.mmdb", good)
	r.settle()
	r.says(t, "SE")
	r.reloads(t, "1", "3")
}

func TestAFileThatStillGrowsIsLeftAlone(t *testing.T) {
	good := country("SE").bytes(t)
	path := put(t, t.TempDir(), "a.mmdb", country("US").bytes(t))
	r := open(t, path)
	for i := range 5 {
		if err := os.WriteFile(path, good[:len(good)-50+10*i], 0o644); err != nil {
			t.Fatal(err)
		}
		r.Poll()
	}
	if n := r.journal.count("ERROR"); n != 0 {
		t.Errorf("%d errors: %s", n, r.journal.b.String())
	}
	if err := os.WriteFile(path, good, 0o644); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.says(t, "SE")
}

func TestAFileThatComesToTheFolderIsUsed(t *testing.T) {
	folder := t.TempDir()
	put(t, folder, "country.mmdb", country("US").bytes(t))
	r := open(t, folder)
	put(t, folder, "asn.mmdb", plan{kind: "ASN", records: shapesASN()}.bytes(t))
	r.settle()
	if got := r.lookup("8.8.8.8"); !strings.Contains(got, `"US"`) || !strings.Contains(got, `"number":15169`) {
		t.Error(got)
	}
	if err := os.Remove(filepath.Join(folder, "asn.mmdb")); err != nil {
		t.Fatal(err)
	}
	r.settle()
	if got := r.lookup("8.8.8.8"); !strings.Contains(got, `"US"`) || strings.Contains(got, "15169") {
		t.Error(got)
	}
}

func shapesASN() map[string]object {
	return map[string]object{"8.8.8.0/24": {"asn": text("AS15169"), "as_name": text("Google LLC")}}
}

func TestLookupsGoOnDuringReloads(t *testing.T) {
	folder := t.TempDir()
	contents := [][]byte{country("US").bytes(t), country("SE").bytes(t)}
	r := open(t, put(t, folder, "a.mmdb", contents[0]))
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for address := netip.MustParseAddr("8.8.8.8"); ; {
				got := string(r.Lookup(address))
				if !strings.Contains(got, `"US"`) && !strings.Contains(got, `"SE"`) {
					t.Errorf("got %q", got)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 20 {
		put(t, folder, "a.mmdb", contents[(i+1)%2])
		r.settle()
	}
	close(stop)
	group.Wait()
	r.reloads(t, "20", "0")
}
