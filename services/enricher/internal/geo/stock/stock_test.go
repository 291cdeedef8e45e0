package stock_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluicelog/sluice/services/enricher/internal/geo"
	"github.com/sluicelog/sluice/services/enricher/internal/geo/stock"
)

// archive packs files as npm does.
func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: "package/" + name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	path := filepath.Join(t.TempDir(), "a.tgz")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func countries(t *testing.T, codes map[string]string) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "country", DisableIPv4Aliasing: true, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, code := range codes {
		_, n, err := net.ParseCIDR(network)
		if err == nil {
			err = tree.Insert(n, mmdbtype.Map{"country_code": mmdbtype.String(code)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := tree.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCountriesAndNetworksBecomeOneFile(t *testing.T) {
	one := archive(t, map[string]string{"geo-whois-asn-country.mmdb": countries(t, map[string]string{
		"1.0.0.0/23": "AU", "8.8.8.0/24": "US", "2a02::/16": "SE", "2002:101::/32": "FR", "10.0.0.0/8": "DE",
	})})
	two := archive(t, map[string]string{
		"asn-ipv4.csv": "1.0.0.0,1.0.0.255,13335,\"Cloudflare, Inc.\"\n1.0.4.0,1.0.7.255,38803,\n10.0.0.0,10.0.0.255,1,private\n",
		"asn-ipv6.csv": "2001::,2001::ffff:ffff:ffff:ffff:ffff:ffff,6939,Hurricane\n2a02::,2a02:ff:ffff:ffff:ffff:ffff:ffff:ffff,2,Two\n",
	})
	path, built := filepath.Join(t.TempDir(), "out.mmdb"), time.Date(2026, 6, 17, 19, 0, 0, 0, time.UTC)
	if err := stock.Combine(one, two, path, built, "by somebody"); err != nil {
		t.Fatal(err)
	}
	db, err := geo.Open(path, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	const australia = `"geo":{"continent_code":"OC","country_iso_code":"AU","country_name":"Australia"}`
	for address, want := range map[string]string{
		"1.0.0.1": australia + `,"as":{"number":13335,"organization":{"name":"Cloudflare, Inc."}}`,
		"1.0.1.1": australia,
		"1.0.5.1": `"as":{"number":38803}`,
		"8.8.8.8": `"geo":{"continent_code":"NA","country_iso_code":"US","country_name":"United States"}`,
		"2a02::1": `"geo":{"continent_code":"EU","country_iso_code":"SE","country_name":"Sweden"},"as":{"number":2,"organization":{"name":"Two"}}`,
		"9.9.9.9": "",
	} {
		if got := string(db.Lookup(netip.MustParseAddr(address))); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	if i := db.Databases()[0]; !i.Built.Equal(built) || i.Attribution != "by somebody" || i.Licence != geo.StockLicence {
		t.Errorf("%+v", i)
	}
}

func TestAnotherPackageThanThePinnedOneIsRefused(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "geoip")
	err := stock.Get(t.Context(), stock.Options{Folder: folder, Out: io.Discard, From: func(context.Context, stock.Package, string) (string, error) {
		return archive(t, map[string]string{"evil.mmdb": "x"}), nil
	}})
	if err == nil || !strings.Contains(err.Error(), "not what was expected") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestWithoutNPMItSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := stock.Get(t.Context(), stock.Options{Folder: t.TempDir(), Out: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "install Node.js") || !strings.Contains(err.Error(), "GeoLite2") {
		t.Errorf("got %v", err)
	}
}
