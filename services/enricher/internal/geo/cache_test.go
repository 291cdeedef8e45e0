package geo_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter/mmdbtype"

	"github.com/sluicelog/sluice/services/enricher/internal/geo"
)

// addressAt is the i-th /24 from 8.0.0.0 on.
func addressAt(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 8<<24+uint32(i)<<8)
	return netip.AddrFrom4(b)
}

// many is a database of n records that are all different.
func many(n, size int) plan {
	p := plan{kind: "many", ip: 4, records: map[string]object{}}
	for i := range n {
		p.records[addressAt(i).String()+"/24"] = object{"asn": mmdbtype.Uint32(i + 1), "as_name": text(strings.Repeat("x", size)), "country_code": text("US")}
	}
	return p
}

func TestTheCacheIsBoundedAndNeverWrong(t *testing.T) {
	const records = 2 * geo.Slots
	r := open(t, put(t, t.TempDir(), "a.mmdb", many(records, 50).bytes(t)))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 4 * records {
		i := random.IntN(records)
		if got, want := string(r.Lookup(addressAt(i))), fmt.Sprintf(`"as":{"number":%d,`, i+1); !strings.Contains(got, want) {
			t.Fatalf("record %d is %s", i, got)
		}
	}
	entries, size := r.Cached()
	t.Logf("%d entries of %d bytes", entries, size)
	if entries > geo.Slots || entries < geo.Slots*3/4 || size > entries*256 {
		t.Errorf("%d entries of %d bytes", entries, size)
	}
}

func TestAWarmLookupDoesNotAllocate(t *testing.T) {
	r := open(t, put(t, t.TempDir(), "a.mmdb", many(10, 50).bytes(t)))
	known, unknown, private := addressAt(3), netip.MustParseAddr("200.1.1.1"), netip.MustParseAddr("::ffff:10.0.0.1")
	again := netip.MustParseAddr("8.0.3.77") // another address of the same record
	r.Lookup(known)
	if got := r.Lookup(again); string(got) != r.lookup("8.0.3.0") {
		t.Errorf("got %s", got)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Lookup(known); r.Lookup(unknown); r.Lookup(private) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTheResultCannotBeOverwrittenByAppending(t *testing.T) {
	r := open(t, put(t, t.TempDir(), "a.mmdb", many(1, 5).bytes(t)))
	before := r.lookup("8.0.0.1")
	_ = append(r.Lookup(netip.MustParseAddr("8.0.0.1")), "overwritten"...)
	if got := r.Lookup(netip.MustParseAddr("8.0.0.1")); string(got) != before || cap(got) != len(got) {
		t.Errorf("%s has room for %d more bytes", got, cap(got)-len(got))
	}
}

func FuzzDamagedDatabases(f *testing.F) {
	good := many(40, 10).bytes(f)
	f.Add(uint16(0), byte(0), uint16(0), byte(0), uint16(0))
	f.Add(uint16(100), byte(255), uint16(7), byte(1), uint16(30))
	f.Fuzz(func(t *testing.T, at uint16, value byte, at2 uint16, value2 byte, cut uint16) {
		b := append([]byte(nil), good...)
		b[int(at)%len(b)] ^= value
		b[int(at2)%len(b)] ^= value2
		b = b[:len(b)-int(cut)%len(b)]
		db, err := geo.Parse(b)
		if err != nil {
			return
		}
		for i := range 60 {
			if got := db.Lookup(addressAt(i)); got != nil && !json.Valid([]byte("{"+string(got)+"}")) {
				t.Fatalf("no JSON: %s", got)
			}
		}
	})
}

func FuzzAnyBytes(f *testing.F) {
	f.Add(country("US").bytes(f))
	f.Add([]byte("\xab\xcd\xefMaxMind.com\xe0"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if db, err := geo.Parse(b); err == nil {
			db.Lookup(netip.MustParseAddr("8.8.8.8"))
			db.Lookup(netip.MustParseAddr("2a02::1"))
		}
	})
}

// BenchmarkLookup takes GEOIP, a file or folder, else a small database of its own. "same" is one address, "crowd" are a
// thousand of them, "world" is a new random one each time.
func BenchmarkLookup(b *testing.B) {
	path := os.Getenv("GEOIP")
	if path == "" {
		path = put(b, b.TempDir(), "a.mmdb", many(5000, 30).bytes(b))
	}
	r := open(b, path)
	random := rand.New(rand.NewPCG(1, 2))
	all := make([]netip.Addr, 1<<20)
	for i := range all {
		all[i] = addressAt(random.IntN(215 << 16))
	}
	for _, c := range []struct {
		name string
		mask int
	}{{"same", 0}, {"crowd", 1023}, {"world", len(all) - 1}} {
		b.Run(c.name, func(b *testing.B) {
			for i := range 4 * (c.mask + 1) {
				r.Lookup(all[i&c.mask])
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				r.Lookup(all[i&c.mask])
			}
		})
	}
}
