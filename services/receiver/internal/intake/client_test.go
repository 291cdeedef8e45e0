package intake_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sluicelog/sluice/services/receiver/internal/intake"
)

func TestTheClientIsTheLastHopThatNoTrustedProxyWroteAboutItself(t *testing.T) {
	many := make([]string, 1000)
	for i := range many {
		many[i] = "10.0.0.9"
	}
	for name, c := range map[string]struct {
		peer    string
		headers []string
		want    string
	}{
		"no proxy":                         {"198.51.100.1:5", nil, "198.51.100.1"},
		"a stranger's word":                {"198.51.100.1:5", []string{"203.0.113.9"}, "198.51.100.1"},
		"one proxy":                        {"10.0.0.1:5", []string{"203.0.113.9"}, "203.0.113.9"},
		"a proxy that says nothing":        {"10.0.0.1:5", nil, "10.0.0.1"},
		"two proxies":                      {"10.0.0.1:5", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"two proxies, two headers":         {"10.0.0.1:5", []string{"203.0.113.9", "10.0.0.2"}, "203.0.113.9"},
		"made up in front":                 {"10.0.0.1:5", []string{"127.0.0.1, 10.0.0.7, 203.0.113.9"}, "203.0.113.9"},
		"made up in another header":        {"10.0.0.1:5", []string{"10.0.0.7", "203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		"unknown":                          {"10.0.0.1:5", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		"unknown behind a proxy":           {"10.0.0.1:5", []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		"an obfuscated one":                {"10.0.0.1:5", []string{"_hidden"}, "10.0.0.1"},
		"a thousand hops":                  {"10.0.0.1:5", []string{strings.Join(many, ",")}, "10.0.0.9"},
		"empty":                            {"10.0.0.1:5", []string{""}, "10.0.0.1"},
		"commas only":                      {"10.0.0.1:5", []string{",,,"}, "10.0.0.1"},
		"a port":                           {"10.0.0.1:5", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		"IPv6":                             {"10.0.0.1:5", []string{"2001:db8::9"}, "2001:db8::9"},
		"IPv6 in brackets":                 {"10.0.0.1:5", []string{"[2001:db8::9]"}, "2001:db8::9"},
		"IPv6 with a port":                 {"10.0.0.1:5", []string{"[2001:db8::9]:4711"}, "2001:db8::9"},
		"IPv6 with a zone":                 {"10.0.0.1:5", []string{"fe80::1%eth0"}, "fe80::1"},
		"IPv4 as IPv6":                     {"[::ffff:10.0.0.1]:5", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		"an IPv6 proxy":                    {"[fd00::1]:5", []string{"203.0.113.9"}, "203.0.113.9"},
		"no address at all":                {"10.0.0.1:5", []string{"<script>alert(1)</script>"}, "10.0.0.1"},
		"an address beyond all that exist": {"10.0.0.1:5", []string{"999.1.1.1"}, "10.0.0.1"},
	} {
		proxies, err := intake.ParseProxies([]string{"10.0.0.0/8", " fd00::/8"})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.headers
		if got := proxies.Client(r).String(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	for _, wrong := range []string{"proxy.example.com", "10.0.0.0/33", "", "0.0.0.0/0", "::/0"} {
		if _, err := intake.ParseProxies([]string{wrong}); err == nil {
			t.Errorf("%q is taken for a network of proxies", wrong)
		}
	}
}

func TestTheGuardForgetsSomeAddressesRatherThanFillTheMemory(t *testing.T) {
	g, now := intake.NewGuard(1), time.Now()
	for i := range 5 * intake.MaxGuarded {
		g.Wrong(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if g.Known() != intake.MaxGuarded {
		t.Errorf("%d addresses are remembered", g.Known())
	}
}

func TestTheGuardCountsPerMinuteAndPerNeighbourhood(t *testing.T) {
	at := netip.MustParseAddr
	g, now := intake.NewGuard(3), time.Now()
	for i, want := range []bool{false, false, false, true, true} {
		if got := g.Wrong(at("2001:db8:0:1::1"), now); got != want {
			t.Errorf("wrong token %d: %v", i, got)
		}
	}
	if !g.Wrong(at("2001:db8:0:1:ffff::2"), now) || g.Wrong(at("2001:db8:0:2::1"), now) {
		t.Error("a /64 of IPv6 is not one sender")
	}
	if g.Wrong(at("198.51.100.1"), now) {
		t.Error("one address is taken for another")
	}
	if g.Wrong(at("2001:db8:0:1::1"), now.Add(21*time.Second)) || !g.Wrong(at("2001:db8:0:1::1"), now.Add(22*time.Second)) {
		t.Error("three a minute are not one in twenty seconds")
	}
	free := intake.NewGuard(0)
	for range 1000 {
		if free.Wrong(at("198.51.100.1"), now) {
			t.Fatal("0 is no limit")
		}
	}
}

func TestAPathIsShownWithoutWhatMightBeAToken(t *testing.T) {
	for _, c := range []struct{ target, token, want string }{
		{"/v1/endpoints/abcdefgh", "", "/v1/endpoints/abcdefgh"},
		{"/v1/endpoints/abc?token=secret", "", "/v1/endpoints/abc"},
		{"/v1/endpoints/slc_0123456789012345678901234567890123456789012", "", "/v1/endpoints/…(47 characters)"},
		{"/v1/endpoints/short-but-secret", "Bearer short-but-secret", "/v1/endpoints/…(16 characters)"},
		{"/a/b/c/d/e/f/g/h/i/j", "", "/a/b/c/d/e/f/g/…"},
		{"/%1b%5b31m", "", "/%1b%5b31m"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, c.target, nil)
		r.Header.Set("Authorization", c.token)
		if got := intake.ShownPath(r); got != c.want {
			t.Errorf("%s is shown as %s, want %s", c.target, got, c.want)
		}
	}
}
