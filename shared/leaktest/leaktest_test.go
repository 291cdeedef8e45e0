package leaktest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/leaktest"
)

// plant writes a file and returns how many leaks are found in its folder, and the first one.
func plant(t *testing.T, name, text string, mode os.FileMode) (int, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	found, files, err := leaktest.Find(dir)
	if err != nil || files != 1 {
		t.Fatalf("%d files, %v", files, err)
	}
	if len(found) == 0 {
		return 0, ""
	}
	return len(found), found[0].String()
}

func TestAPlantedSecretIsFoundWhereverItLies(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for form, secret := range map[string]string{"a token": endpoint.NewToken(), "a test's secret": leaktest.Secret(), "the seed of a NATS user": string(seed)} {
		for place, text := range map[string]string{
			"a log line":           `{"level":"WARN","msg":"delivery","error":"token ` + secret + ` is wrong"}` + "\n",
			"the end of a file":    "first line\n" + secret,
			"an address":           "GET /v1/endpoints/x?token=" + secret + " HTTP/1.1\n",
			"one long line":        strings.Repeat("x", 1<<20-20) + "=" + secret + strings.Repeat("y", 3<<20),
			"binary data":          "\x00\x01\x02" + secret + "\x00",
			"behind a false start": "slc_short slc_" + secret,
			"two lines, twice":     secret + "\n" + secret + "\n",
			"no announcement":      "  The token is " + secret + "\n",
		} {
			count, first := plant(t, "up.log", text, 0o600)
			if count == 0 {
				t.Errorf("%s in %s is not found", form, place)
			}
			if strings.Contains(first, secret) {
				t.Errorf("%s in %s: the report tells it: %s", form, place, first)
			}
		}
	}
}

func TestWhatIsPrintedToItsPersonIsNoLeak(t *testing.T) {
	secret := endpoint.NewToken()
	for _, text := range []string{
		"  Authorization Token       " + secret + "    (the same at every start)\n", "  curl -sS -H 'Authorization: " + secret + "' http://x\n",
		"slc_… slc_short", "slc_" + strings.Repeat("x", 42) + " ", `"id":"Y3ymE_9` + secret + `"`,
		"SU" + strings.Repeat("VU", 28),
	} {
		if count, first := plant(t, "up.log", text, 0o600); count > 0 {
			t.Errorf("%q is called a leak: %s", text, first)
		}
	}
}

func TestAFileThatKeepsASecretIsItsOwnersOnly(t *testing.T) {
	text := `{"authorization":"` + endpoint.NewToken() + `"}`
	if count, first := plant(t, "ready.json", text, 0o600); count > 0 {
		t.Error(first)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644} {
		if count, _ := plant(t, "ready.json", text, mode); count != 1 {
			t.Errorf("mode %o is not noticed", mode)
		}
	}
}
