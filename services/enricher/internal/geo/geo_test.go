package geo_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sluicelog/sluice/services/enricher/internal/geo"
)

func names(s string) object { return object{"names": object{"en": text(s), "de": text("de " + s)}} }

func with(o object, key string, v mmdbtype.DataType) object {
	o[mmdbtype.String(key)] = v
	return o
}

// shapes are records as their makers write them, and what must become of them.
func shapes() map[string]struct {
	record object
	want   string
} {
	return map[string]struct {
		record object
		want   string
	}{
		"MaxMind city": {object{
			"continent": with(names("Europe"), "code", text("EU")), "country": with(names("Sweden"), "iso_code", text("SE")),
			"registered_country": with(names("France"), "iso_code", text("FR")), "city": names("Linköping"),
			"subdivisions": mmdbtype.Slice{with(names("Östergötland County"), "iso_code", text("E")), with(names("Smaller"), "iso_code", text("X"))},
			"postal":       object{"code": text("582 22")},
			"location":     object{"latitude": mmdbtype.Float64(58.41667), "longitude": mmdbtype.Float64(15.6167), "time_zone": text("Europe/Stockholm"), "accuracy_radius": mmdbtype.Uint16(76)},
		}, `"geo":{"continent_code":"EU","country_iso_code":"SE","country_name":"Sweden","region_iso_code":"SE-E","region_name":"Östergötland County","city_name":"Linköping","postal_code":"582 22","timezone":"Europe/Stockholm","location":{"lat":58.4167,"lon":15.6167}}`},
		"MaxMind ASN": {
			object{"autonomous_system_number": mmdbtype.Uint32(4200000000), "autonomous_system_organization": text("Big & <Co>")},
			`"as":{"number":4200000000,"organization":{"name":"Big & <Co>"}}`,
		},
		"MaxMind enterprise": {
			object{"country": object{"iso_code": text("US")}, "traits": object{"autonomous_system_number": mmdbtype.Uint32(7), "autonomous_system_organization": text("Seven")}},
			`"geo":{"continent_code":"NA","country_iso_code":"US","country_name":"United States"},"as":{"number":7,"organization":{"name":"Seven"}}`,
		},
		"DB-IP city": {object{
			"continent": object{"code": text("NA")}, "country": object{"iso_code": text("US"), "names": object{"en": text("United States")}},
			"city": object{"names": object{"en": text("Mountain View")}}, "subdivisions": mmdbtype.Slice{object{"names": object{"en": text("California")}}},
			"location": object{"latitude": mmdbtype.Float32(37.4224), "longitude": mmdbtype.Float32(-122.085)},
		}, `"geo":{"continent_code":"NA","country_iso_code":"US","country_name":"United States","region_name":"California","city_name":"Mountain View","location":{"lat":37.4224,"lon":-122.085}}`},
		"flat country": {object{"country_code": text("TR")}, `"geo":{"continent_code":"AS","country_iso_code":"TR","country_name":"Türkiye"}`},
		"flat city": {
			object{"country_code": text("DE"), "state1": text("Hesse"), "city": text("Kassel"), "postcode": text("34117"), "latitude": mmdbtype.Float32(51.3), "longitude": mmdbtype.Float32(9.5), "timezone": text("")},
			`"geo":{"continent_code":"EU","country_iso_code":"DE","country_name":"Germany","region_name":"Hesse","city_name":"Kassel","postal_code":"34117","location":{"lat":51.3,"lon":9.5}}`,
		},
		"IPinfo Lite": {
			object{"country": text("United States"), "country_code": text("US"), "continent": text("North America"), "continent_code": text("NA"), "asn": text("AS15169"), "as_name": text("Google LLC"), "as_domain": text("google.com")},
			`"geo":{"continent_code":"NA","country_iso_code":"US","country_name":"United States"},"as":{"number":15169,"organization":{"name":"Google LLC"}}`,
		},
		"IPinfo location": {
			object{"country": text("JP"), "city": text("Tokyo"), "region": text("Tokyo"), "lat": text("35.68950"), "lng": text("139.69171"), "timezone": text("Asia/Tokyo"), "postal_code": text("151-0052")},
			`"geo":{"continent_code":"AS","country_iso_code":"JP","country_name":"Japan","region_name":"Tokyo","city_name":"Tokyo","postal_code":"151-0052","timezone":"Asia/Tokyo","location":{"lat":35.6895,"lon":139.6917}}`,
		},
		"IPinfo ASN":      {object{"asn": text("AS1"), "name": text("Level 3"), "domain": text("x.com")}, `"as":{"number":1,"organization":{"name":"Level 3"}}`},
		"number as text":  {object{"autonomous_system_number": text("13335")}, `"as":{"number":13335}`},
		"nobody's island": {object{"country_code": text("US"), "latitude": mmdbtype.Float64(0), "longitude": mmdbtype.Float64(0)}, `"geo":{"continent_code":"NA","country_iso_code":"US","country_name":"United States"}`},
		"off the map":     {object{"country_code": text("US"), "latitude": mmdbtype.Float64(91), "longitude": mmdbtype.Float64(0)}, `"geo":{"continent_code":"NA","country_iso_code":"US","country_name":"United States"}`},
		"placeholders":    {object{"country_code": text("US"), "city": text("-"), "as_name": text("nobody"), "asn": mmdbtype.Uint32(0)}, `"geo":{"continent_code":"NA","country_iso_code":"US","country_name":"United States"}`},
	}
}

func TestEveryShapeOfRecordIsUnderstood(t *testing.T) {
	for name, c := range shapes() {
		t.Run(name, func(t *testing.T) {
			p := plan{kind: "any", records: map[string]object{"8.8.8.0/24": c.record, "2a02:6b8::/32": c.record}}
			r := open(t, put(t, t.TempDir(), "any.mmdb", p.bytes(t)))
			for _, address := range []string{"8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a02:6b8::1", "8.8.8.9"} {
				if diff := cmp.Diff(c.want, r.lookup(address)); diff != "" {
					t.Errorf("%s: %s", address, diff)
				}
			}
			if !json.Valid([]byte("{" + c.want + "}")) {
				t.Error("not JSON")
			}
		})
	}
}

func TestRecordsOfOddTypesNeitherBreakNorTell(t *testing.T) {
	odd := object{
		"country": mmdbtype.Slice{text("US")}, "city": mmdbtype.Bool(true), "location": text("here"), "subdivisions": mmdbtype.Slice{text("x")},
		"continent": mmdbtype.Uint16(3), "postal": mmdbtype.Uint32(1234), "country_code": text("U\x00"), "asn": text("ASnine"), "latitude": text("NaN"), "longitude": text("Inf"),
	}
	p := country("SE")
	p.records["9.9.9.0/24"] = odd
	r := open(t, put(t, t.TempDir(), "a.mmdb", p.bytes(t)))
	if got := r.lookup("9.9.9.9"); got != "" {
		t.Errorf("got %s", got)
	}
}

func TestAnyNameBecomesValidJSON(t *testing.T) {
	for _, name := range []string{`O"Brien \ Söhne`, "tab\tline\nend\x00\x1b", "\xff\xfebroken", "日本\u2028語", "</script>", strings.Repeat("ö", 5000)} {
		p := plan{kind: "any", records: map[string]object{"8.8.8.0/24": {"country_code": text("US"), "city": text(name), "asn": text("AS1"), "as_name": text(name)}}}
		got := open(t, put(t, t.TempDir(), "a.mmdb", p.bytes(t))).lookup("8.8.8.8")
		var back struct {
			Geo struct {
				City string `json:"city_name"`
			} `json:"geo"`
		}
		if err := json.Unmarshal([]byte("{"+got+"}"), &back); err != nil || strings.ContainsAny(got, "\n\r") {
			t.Errorf("%q: %v: %s", name, err, got)
		}
		if len(back.Geo.City) > 256 || !strings.HasPrefix(strings.ToValidUTF8(name, ""), back.Geo.City) || back.Geo.City == "" {
			t.Errorf("%.40q became %.40q (%d bytes)", name, back.Geo.City, len(back.Geo.City))
		}
	}
}

func TestReservedAddressesAreNeverLookedUp(t *testing.T) {
	all := plan{kind: "any", ip: 6, records: map[string]object{"0.0.0.0/0": {"country_code": text("US")}, "2000::/4": {"country_code": text("US")}, "3000::/4": {"country_code": text("US")}, "fc00::/6": {"country_code": text("US")}}}
	tree := all
	tree.records = map[string]object{"0.0.0.0/1": all.records["0.0.0.0/0"], "128.0.0.0/1": all.records["0.0.0.0/0"], "2400::/6": all.records["2000::/4"], "2001:db8::/32": all.records["2000::/4"], "3fff::/16": all.records["3000::/4"], "fc00::/6": all.records["fc00::/6"]}
	r := open(t, put(t, t.TempDir(), "a.mmdb", tree.bytes(t)))
	reserved := strings.Fields(`0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 169.254.1.1 172.16.0.1 172.31.255.255 192.0.0.1
		192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
		:: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12::1 ff02::1 2001:db8::1 2001::1 2001:0:4136:e378::1 2001:20::1 2002:808:808::1 3fff:0fff::1
		64:ff9b::10.0.0.1 ::ffff:192.168.0.1 ::8.8.8.8 100::1`)
	for _, address := range reserved {
		if got := r.lookup(address); got != "" {
			t.Errorf("%s: %s", address, got)
		}
	}
	if got := r.Lookup(netip.Addr{}); got != nil {
		t.Errorf("no address: %s", got)
	}
	public := strings.Fields("1.1.1.1 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.0.1.1 192.88.98.1 198.17.0.1 198.20.0.1 203.0.112.1 223.255.255.255 2400::1 3fff:1000::1")
	for _, address := range public {
		if got := r.lookup(address); got == "" {
			t.Errorf("%s is unknown", address)
		}
	}
	want := fmt.Sprintf(`
# HELP sluice_enricher_geoip_lookups_total Addresses looked up, by what came of it; reserved ones are not looked up at all.
# TYPE sluice_enricher_geoip_lookups_total counter
sluice_enricher_geoip_lookups_total{result="hit"} %d
sluice_enricher_geoip_lookups_total{result="miss"} 0
sluice_enricher_geoip_lookups_total{result="reserved"} %d
`, len(public), len(reserved)+1)
	if err := testutil.GatherAndCompare(r.metrics, strings.NewReader(want), "sluice_enricher_geoip_lookups_total"); err != nil {
		t.Error(err)
	}
}

func TestFilesOfAFolderAreMerged(t *testing.T) {
	folder, now := t.TempDir(), time.Now()
	put(t, folder, "asn.mmdb", plan{kind: "ASN", records: map[string]object{"8.8.0.0/16": {"asn": text("AS15169"), "as_name": text("Google LLC")}, "2a02::/16": {"asn": text("AS2")}}}.bytes(t))
	city4 := plan{kind: "city ipv4", ip: 4, records: map[string]object{"8.8.8.0/24": {"country_code": text("US"), "city": text("Chicago")}}}
	city6 := plan{kind: "city ipv6", records: map[string]object{"2a02::/16": {"country_code": text("SE"), "city": text("Lund")}}}
	put(t, folder, "city4.mmdb", city4.bytes(t))
	put(t, folder, "city6.mmdb", city6.bytes(t))
	newest := country("FR")
	newest.built = now.Add(time.Hour)
	put(t, folder, "country.mmdb", newest.bytes(t))
	put(t, folder, "domain.mmdb", plan{kind: "Domain", records: map[string]object{"8.8.8.0/24": {"domain": text("x")}}}.bytes(t))
	put(t, folder, "notes.txt", []byte("no database"))
	r := open(t, folder)
	want := map[string]string{
		"8.8.8.8":     `"geo":{"continent_code":"NA","country_iso_code":"US","country_name":"United States","city_name":"Chicago"},"as":{"number":15169,"organization":{"name":"Google LLC"}}`,
		"8.8.9.9":     `"as":{"number":15169,"organization":{"name":"Google LLC"}}`,
		"2a02::1":     `"geo":{"continent_code":"EU","country_iso_code":"SE","country_name":"Sweden","city_name":"Lund"},"as":{"number":2}`,
		"9.9.9.9":     "",
		"2a03:1::abc": "",
	}
	for address, text := range want {
		if diff := cmp.Diff(text, r.lookup(address)); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
	}
	uses := map[string]string{}
	for _, i := range r.Databases() {
		uses[i.Name] = strings.Join(i.Uses, " ")
	}
	if diff := cmp.Diff(map[string]string{"asn.mmdb": "network", "city4.mmdb": "place", "city6.mmdb": "place", "country.mmdb": ""}, uses); diff != "" {
		t.Error(diff)
	}
	if r.journal.count("WARN", "not used", "country.mmdb") != 1 || r.journal.count("WARN", "not used", "domain.mmdb") != 1 || r.journal.count("loaded", "city4.mmdb", "uses=[place]") != 1 {
		t.Errorf("log: %s", r.journal.b.String())
	}
}

func TestADatabaseForOneJobIsNoDamagedOne(t *testing.T) {
	network := plan{kind: "asn", records: map[string]object{"8.8.8.0/24": {"autonomous_system_number": mmdbtype.Uint32(64500)}}}
	for name, p := range map[string]plan{"places only": country("GB"), "networks only": network} {
		r := open(t, put(t, t.TempDir(), "one.mmdb", p.bytes(t)))
		if got := r.lookup("8.8.8.8"); got == "" {
			t.Errorf("%s: nothing is known", name)
		}
		if got := r.lookup("9.9.9.9"); got != "" {
			t.Errorf("%s: %s of an address that it does not have", name, got)
		}
		if r.journal.count("damaged") != 0 {
			t.Errorf("%s: called damaged", name)
		}
	}
}

func TestOfEqualFilesTheNewestIsUsed(t *testing.T) {
	folder := t.TempDir()
	old, fresh := country("US"), country("SE")
	old.built, fresh.built = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	put(t, folder, "a.mmdb", old.bytes(t))
	put(t, folder, "b.mmdb", fresh.bytes(t))
	if got := open(t, folder).lookup("8.8.8.8"); !strings.Contains(got, `"SE"`) {
		t.Error(got)
	}
}

func TestOpenSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	good := country("US").bytes(t)
	folder := t.TempDir()
	for name, c := range map[string]struct {
		path string
		want string
	}{
		"missing":      {filepath.Join(folder, "nowhere"), "ENRICHER_GEOIP"},
		"empty folder": {folder, "no *.mmdb"},
		"no database":  {put(t, t.TempDir(), "a.mmdb", []byte("hello")), "no MMDB file"},
		"empty file":   {put(t, t.TempDir(), "a.mmdb", nil), "no MMDB file"},
		"cut short":    {put(t, t.TempDir(), "a.mmdb", good[:len(good)-40]), "damaged"},
		"no use":       {put(t, t.TempDir(), "a.mmdb", plan{kind: "x", records: map[string]object{"8.8.8.0/24": {"domain": text("x")}}}.bytes(t)), "neither places nor networks"},
	} {
		_, err := geo.Open(c.path, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), filepath.Base(c.path)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWithoutAPathNothingIsKnown(t *testing.T) {
	r := open(t, "")
	r.Poll()
	if got := r.lookup("8.8.8.8"); got != "" || len(r.Databases()) != 0 {
		t.Errorf("got %s", got)
	}
	if n, err := testutil.GatherAndCount(r.metrics); err != nil || n != 5 {
		t.Errorf("%d series: %v", n, err)
	}
}

func TestAnOldDatabaseIsNamedAndItsMakerToo(t *testing.T) {
	p := country("US")
	p.kind, p.built = "DBIP-Country-Lite", time.Now().AddDate(0, 0, -91)
	r := open(t, put(t, t.TempDir(), "a.mmdb", p.bytes(t)))
	if r.journal.count("WARN", "is old", "days=91") != 1 || r.journal.count("loaded", "https://db-ip.com") != 1 {
		t.Error(r.journal.b.String())
	}
	i := r.Databases()[0]
	if i.Type != p.kind || i.Built.Unix() != p.built.Unix() || i.Licence == "" || i.Bytes == 0 {
		t.Errorf("%+v", i)
	}
	if n, err := testutil.GatherAndCount(r.metrics, "sluice_enricher_geoip_built_timestamp_seconds"); n != 1 || err != nil {
		t.Errorf("%d series: %v", n, err)
	}
	if problems, err := testutil.GatherAndLint(r.metrics); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestAWrongFolderNameWithPatternLettersIsTakenAsItIs(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a[b]*c")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, folder, "a.mmdb", country("US").bytes(t))
	if got := open(t, folder).lookup("8.8.8.8"); got == "" {
		t.Error("unknown")
	}
}
