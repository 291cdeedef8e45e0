package e2e_test

import (
	"bytes"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/sluicelog/sluice/services/enricher"
)

// countries is where the addresses of the sample events are, as the test's own database says.
func countries() map[string]string {
	return map[string]string{
		"89.160.20.112": "SE", "175.16.199.1": "CN", "81.2.69.142": "GB", "216.160.83.56": "US", "8.8.8.8": "US",
		"2a02:cf40:add:4002:91f2:a9b2:e09a:6fc6": "NO",
	}
}

// geoip writes a database in MaxMind's format that knows these countries.
func geoip(t *testing.T) (path string) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", BuildEpoch: time.Now().Unix(), IPVersion: 6})
	if err != nil {
		t.Fatal(err)
	}
	for address, country := range countries() {
		ip := net.ParseIP(address)
		bits := 8 * len(ip)
		if four := ip.To4(); four != nil {
			ip, bits = four, 32
		}
		record := mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(country)}}
		if err := tree.Insert(&net.IPNet{IP: ip, Mask: net.CIDRMask(bits, bits)}, record); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return file(t, "country.mmdb", b.String())
}

// TestSampleEvents sends an event of every code, and odd ones, through the whole pipeline and asks Elasticsearch about them.
func TestSampleEvents(t *testing.T) {
	all := samples(t)
	d := ownNamespace(t, "ENRICHER_GEOIP="+geoip(t))
	for chunk := range slices.Chunk(all, 40) {
		var body []string
		for _, s := range chunk {
			body = append(body, string(s.raw))
		}
		if status, answer, _ := d.Post([]byte("["+strings.Join(body, ",\n")+"]"), nil); status != http.StatusOK {
			t.Fatalf("%d %s", status, answer)
		}
	}
	d.awaitVerdicts(t, len(all), time.Minute)
	if letters := d.letters(t); len(letters) > 0 {
		t.Fatalf("%d dead letters: %+v", len(letters), letters)
	}
	t.Run("every event can be rebuilt from its document", func(t *testing.T) { rebuilt(t, d, all) })
	t.Run("analysts find what they ask for", func(t *testing.T) { findings(t, d, all) })
	t.Run("other names of a field find the same", func(t *testing.T) { aliases(t, d) })
	t.Run("related fields hold all that is related", func(t *testing.T) { related(t, d, all) })
	t.Run("the panels of Elastic's integration have answers", func(t *testing.T) { panels(t, d, all) })
	if said := d.Tail(1 << 20); strings.Contains(said, "level=ERROR") || strings.Contains(said, `"level":"ERROR"`) {
		t.Errorf("something was logged as an error: %s", said)
	}
}

// rebuilt compares each event that was sent with what its stored document gives back.
func rebuilt(t *testing.T, d *desk, all []sample) {
	t.Helper()
	documents := d.documents(t)
	if len(documents) != len(all) {
		t.Errorf("%d events are searchable, want %d", len(documents), len(all))
	}
	for _, s := range all {
		document := documents[s.id]
		if document == nil {
			t.Errorf("%s is not searchable", s.name)
			continue
		}
		event, err := enricher.Rebuild(document)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		if got, want := canonical(t, event), canonical(t, s.raw); got != want {
			t.Errorf("%s\nrebuilt %s\nsent    %s", s.name, got, want)
		}
	}
}

// nameOf finds the name of the sample that is known by a log id.
func nameOf(all []sample, id string) string {
	for i := range all {
		if all[i].id == id {
			return all[i].name
		}
	}
	return filepath.Join("nobody", id)
}
