package useragent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sluicelog/sluice/services/enricher/internal/useragent"
)

// members are what Lookup may write, as Elasticsearch will read them.
type members struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	OS      struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Type    string `json:"type"`
	} `json:"os"`
	Device struct {
		Name string `json:"name"`
	} `json:"device"`
}

// look fails the test unless the result is an object's inside with the members that there may be, and not too long.
func look(t testing.TB, p *useragent.Parser, text string) members {
	t.Helper()
	got := p.Lookup([]byte(text))
	dec := json.NewDecoder(strings.NewReader("{" + string(got) + "}"))
	dec.DisallowUnknownFields()
	var m members
	if err := dec.Decode(&m); err != nil || dec.More() || !utf8.Valid(got) {
		t.Fatalf("%q gives %q: %v", text, got, err)
	}
	if len(got) > 512 {
		t.Fatalf("%q gives %d bytes", text, len(got))
	}
	if (got == nil) != (m == members{}) {
		t.Fatalf("%q gives %q: nil must mean that nothing is known", text, got)
	}
	return m
}

// TestAgentsAreAsTheTableSays reads testdata/agents.tsv: user agents seen in logs, the short form first, and some that
// only an attacker sends.
func TestAgentsAreAsTheTableSays(t *testing.T) {
	table, err := os.ReadFile("testdata/agents.tsv")
	if err != nil {
		t.Fatal(err)
	}
	p := useragent.New()
	lines := strings.Split(strings.TrimSuffix(string(table), "\n"), "\n")[1:]
	if len(lines) < 180 {
		t.Fatalf("only %d lines", len(lines))
	}
	for _, line := range lines {
		cells := strings.Split(line, "\t")
		m := look(t, p, cells[0])
		got := []string{m.Name, m.Version, m.OS.Name, m.OS.Version, m.OS.Type, m.Device.Name}
		if diff := cmp.Diff(cells[1:], got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", cells[0], diff)
		}
	}
}

func TestMembersAreInTheOrderOfTheDocument(t *testing.T) {
	got := string(useragent.New().Lookup([]byte("Chrome 120.0.0 / Mac OS X 10.15.7")))
	want := `"name":"Chrome","version":"120.0.0","os":{"name":"Mac OS X","version":"10.15.7","type":"macos"},"device":{"name":"Mac"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := useragent.New().Lookup([]byte("Other 0.0.0 / Other 0.0.0")); got != nil {
		t.Errorf("got %s of a text that says nothing", got)
	}
}

func TestBothFormsOfABrowserAgree(t *testing.T) {
	const windows, mac, webkit = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", " AppleWebKit/537.36 (KHTML, like Gecko)"
	const iphone, pixel = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)", "Mozilla/5.0 (Linux; Android 13; Pixel 7)"
	p := useragent.New()
	for short, header := range map[string]string{
		"Chrome 120.0.0 / Windows 10.0.0":                   windows + webkit + " Chrome/120.0.0.0 Safari/537.36",
		"Edge 120.0.0 / Windows 10.0.0":                     windows + webkit + " Chrome/120.0.0.0 Safari/537.36 Edg/120.0.0.0",
		"IE 11.0.0 / Windows 7.0.0":                         "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
		"IE 8.0.0 / Windows XP.0.0":                         "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0)",
		"Firefox 115.0.0 / Windows 8.1.0":                   "Mozilla/5.0 (Windows NT 6.3; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0",
		"Firefox 118.0.0 / Mac OS X 10.15.0":                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:118.0) Gecko/20100101 Firefox/118.0",
		"Firefox 121.0.0 / Ubuntu 0.0.0":                    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
		"Chrome 120.0.0 / Linux 0.0.0":                      "Mozilla/5.0 (X11; Linux x86_64)" + webkit + " Chrome/120.0.0.0 Safari/537.36",
		"Chrome 119.0.0 / Chrome OS 14541.0.0":              "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)" + webkit + " Chrome/119.0.0.0 Safari/537.36",
		"Opera 106.0.0 / Mac OS X 10.15.7":                  mac + webkit + " Chrome/120.0.0.0 Safari/537.36 OPR/106.0.0.0",
		"Safari 17.1.0 / Mac OS X 10.15.7":                  mac + " AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
		"Mobile Safari 17.0.0 / iOS 17.0.0":                 iphone + " Version/17.0 Mobile/15E148 Safari/604.1",
		"Mobile Safari UI/WKWebView 0.0.0 / iOS 17.0.0":     iphone + " Mobile/15E148",
		"Chrome Mobile iOS 119.0.6045 / iOS 17.0.0":         iphone + " CriOS/119.0.6045.109 Mobile/15E148 Safari/604.1",
		"Firefox iOS 119.0.0 / iOS 17.0.0":                  iphone + " FxiOS/119.0 Mobile/15E148 Safari/605.1.15",
		"Edge Mobile 119.0.2151 / iOS 17.0.0":               iphone + " Version/17.0 EdgiOS/119.0.2151.65 Mobile/15E148 Safari/604.1",
		"Google 291.0.582240653 / iOS 17.0.0":               iphone + " GSA/291.0.582240653 Mobile/15E148 Safari/604.1",
		"Chrome Mobile 119.0.0 / Android 13.0.0":            pixel + webkit + " Chrome/119.0.0.0 Mobile Safari/537.36",
		"Chrome Mobile WebView 119.0.6045 / Android 13.0.0": "Mozilla/5.0 (Linux; Android 13; Pixel 7; wv)" + webkit + " Version/4.0 Chrome/119.0.6045.66 Mobile Safari/537.36",
		"Samsung Internet 23.0.0 / Android 13.0.0":          "Mozilla/5.0 (Linux; Android 13; SAMSUNG SM-S911B)" + webkit + " SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36",
		"Firefox Mobile 120.0.0 / Android 13.0.0":           "Mozilla/5.0 (Android 13; Mobile; rv:120.0) Gecko/120.0 Firefox/120.0",
		"Android 13.0.0 / Android 13.0.0":                   "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A.230805.001)",
		"MyApp 3.2.0 / iOS 16.0.0":                          "MyApp/3.2 CFNetwork/1410.0.3 Darwin/22.6.0",
		"okhttp 4.11.0 / Other 0.0.0":                       "okhttp/4.11.0",
		"Python Requests 2.31.0 / Other 0.0.0":              "python-requests/2.31.0",
		"Java 8.0.322 / Other 0.0.0":                        "Java/1.8.0_322",
		"Googlebot 2.1.0 / Other 0.0.0":                     "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
		"FacebookBot 1.1.0 / Other 0.0.0":                   "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
	} {
		s, h := look(t, p, short), look(t, p, header)
		if s.Name == "" || s.Name != h.Name || s.OS != h.OS {
			t.Errorf("%s\n  short  %+v\n  header %+v", short, s, h)
		}
	}
}

func TestTextsFromHellGiveJSON(t *testing.T) {
	p := useragent.New()
	for _, text := range []string{
		`Chrome 1\"2 / Win\"dows 1\"`, `\ud800 / \ud800 1`, `Chr\u006fme 107.0.0 \/ Windows 10.0.0`, `a\\b\/1.0`,
		`My\u0000App\/1.0`, `\`, `\u`, `\u12`, `\uzzzz/1`, `Dalvik/2.1.0 (Linux; Android 13; \"\\\"\\\"\\`,
		`Dalvik/2.1.0 (Linux; Android 13; ` + strings.Repeat(`\"`, 300), strings.Repeat(`é`, 400), "/", " / ", "(", ")(", ";;;/1",
		strings.Repeat("x", 500) + `\u0041bcdef`, strings.Repeat("(", 512), "a/1 " + strings.Repeat("b/2 ", 5000),
		strings.Repeat("bot", 170), strings.Repeat("-bot", 128), "a\xff\xfe/1.0", "ÄÖ/2",
	} {
		look(t, p, text)
	}
	if got := look(t, p, `Chr\u006fme 107.0.0 \/ Windows 10.0.0`).Name; got != "Chrome" {
		t.Errorf("escapes are not decoded: %q", got)
	}
}

func TestTextsSeenBeforeCostNoMemory(t *testing.T) {
	p := useragent.New()
	for _, text := range []string{"Chrome 107.0.0 / Windows 10.0.0", "Other 0.0.0 / Other 0.0.0", "", "curl/8.4.0 " + strings.Repeat("x", 2000)} {
		raw := []byte(text)
		p.Lookup(raw)
		if n := testing.AllocsPerRun(100, func() { p.Lookup(raw) }); n != 0 {
			t.Errorf("%.40q: %v allocations", text, n)
		}
	}
}

func TestAMillionTextsStayWithinTheBoundAndDisplaceNothingInUse(t *testing.T) {
	p := useragent.New()
	popular := []byte("Chrome 107.0.0 / Windows 10.0.0")
	p.Lookup(popular)
	first := p.Lookup(popular)
	before := heap()
	for i := range 900_000 {
		p.Lookup(fmt.Appendf(nil, "Chrome %d / Windows 10.0.0", i))
	}
	padding := strings.Repeat("x", 400) // the longest come last, so that they are what is kept
	for i := range 100_000 {
		p.Lookup(fmt.Appendf(nil, `Dalvik/2.1.0 (Linux; Android %d; %s) %d`, i, padding, i))
	}
	if grown := heap() - before; grown > 5<<20 {
		t.Errorf("a million texts keep %d KiB", grown>>10)
	}
	if again := p.Lookup(popular); &again[0] != &first[0] {
		t.Error("a flood of texts that never come back has displaced one that is in use")
	}
	runtime.KeepAlive(p)
}

// heap is how many bytes are in use.
func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestWorkersGetTheirOwnAnswers(t *testing.T) {
	p := useragent.New()
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for i := range 20_000 {
				name := fmt.Sprintf("App%d", i%6000)
				want := fmt.Sprintf(`"name":"%s","version":"1.2"`, name)
				if got := p.Lookup([]byte(name + "/1.2")); string(got) != want {
					t.Errorf("%s: %s", name, got)
					return
				}
			}
		})
	}
	workers.Wait()
}

func TestCallersKeepTheirTextAndMayAppend(t *testing.T) {
	p := useragent.New()
	text := []byte("curl/8.4.0")
	first := p.Lookup(text)
	if cap(first) != len(first) {
		t.Errorf("there is room for %d bytes behind a shared result", cap(first)-len(first))
	}
	text[0] = 'X'
	if again := p.Lookup([]byte("curl/8.4.0")); &again[0] != &first[0] {
		t.Error("the parser remembers the caller's bytes and not a copy of them")
	}
}

func FuzzLookup(f *testing.F) {
	table, err := os.ReadFile("testdata/agents.tsv")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.SplitSeq(string(table), "\n") {
		text, _, _ := strings.Cut(line, "\t")
		f.Add(text)
	}
	f.Add(`\ud800\"\\ / \u0000 1.0`)
	p := useragent.New()
	f.Fuzz(func(t *testing.T, text string) { look(t, p, text) })
}
