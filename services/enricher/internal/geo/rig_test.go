package geo_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/services/enricher/internal/geo"
)

// Short names for what records are made of.
type (
	object = mmdbtype.Map
	text   = mmdbtype.String
)

// plan is a database to be built: records by network.
type plan struct {
	kind    string
	built   time.Time
	ip      int
	records map[string]object
}

func (p plan) bytes(t testing.TB) []byte {
	t.Helper()
	if p.built.IsZero() {
		p.built = time.Now()
	}
	if p.ip == 0 {
		p.ip = 6
	}
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: p.kind, BuildEpoch: p.built.Unix(), IPVersion: p.ip, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range p.records {
		_, n, err := net.ParseCIDR(network)
		if err == nil {
			err = tree.Insert(n, record)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// put writes a file in one step, as a careful administrator does, and returns its path.
func put(t testing.TB, folder, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path+".new", content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// journal collects log lines.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

// count says how many lines hold all of the words.
func (j *journal) count(words ...string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for line := range strings.Lines(j.b.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}

// rig is an open database with all that it says.
type rig struct {
	*geo.Database
	journal *journal
	metrics *prometheus.Registry
}

func open(t testing.TB, path string) *rig {
	t.Helper()
	r := &rig{journal: &journal{}, metrics: prometheus.NewRegistry()}
	db, err := geo.Open(path, slog.New(slog.NewTextHandler(r.journal, nil)), r.metrics)
	if err != nil {
		t.Fatal(err)
	}
	r.Database = db
	return r
}

func (r *rig) lookup(address string) string { return string(r.Lookup(netip.MustParseAddr(address))) }

// settle looks twice, because new files are taken when they have been the same at two looks.
func (r *rig) settle() { r.Poll(); r.Poll() }

// country is a small flat database that says the same of all addresses in 8.8.8.0/24.
func country(code string) plan {
	return plan{kind: "country", records: map[string]object{"8.8.8.0/24": {"country_code": text(code)}}}
}
