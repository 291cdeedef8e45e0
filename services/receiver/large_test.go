package receiver_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/delivery"
)

// events makes n events of about 600 bytes that hardly compress.
func events(t *testing.T, n int) []string {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	const letters = `abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789{}[],: `
	noise := make([]byte, 560)
	all := make([]string, n)
	for i := range all {
		for j := range noise {
			noise[j] = letters[dice.IntN(len(letters))]
		}
		all[i] = fmt.Sprintf(`{"log_id":"%d","data":{"description":"%s\""}}`, i, noise)
	}
	return all
}

// checkEvents fails unless the parts hold exactly these events, in their order, each at its number.
func checkEvents(t *testing.T, parts []delivery.Delivery, want []string) {
	t.Helper()
	next := 0
	for i, p := range parts {
		if p.Part != i+1 || p.Parts != len(parts) || p.Encoding != "" {
			t.Fatalf("part %d says it is %d of %d, encoding %q", i+1, p.Part, p.Parts, p.Encoding)
		}
		if p.First != next {
			t.Fatalf("part %d begins at event %d, expected %d", p.Part, p.First, next)
		}
		if p.Fragment != "" {
			if p.First >= len(want) || string(p.Body) == "" {
				t.Fatalf("fragment %+v is of no event", p)
			}
			rest := strings.TrimPrefix(want[p.First], string(p.Body))
			if rest == want[p.First] {
				t.Fatalf("fragment of event %d is not what was sent", p.First)
			}
			if want[p.First] = rest; rest == "" {
				next++
			}
			continue
		}
		for e := range auth0.Split(p.Body) {
			if string(e.Raw) != want[next] {
				t.Fatalf("event %d is %.80q, sent was %.80q", next, e.Raw, want[next])
			}
			next++
		}
	}
	if next != len(want) {
		t.Fatalf("%d of %d events are stored", next, len(want))
	}
}

func TestABodyLargerThanAMessageIsCutBetweenEvents(t *testing.T) {
	r := start(t, nil)
	all := events(t, 22_000) // 13 MiB
	array := "[" + strings.Join(all, ",\n") + "]"
	for name, text := range map[string]string{"lines": strings.Join(all, "\n"), "array": array, "object": `{"logs":` + array + `}`} {
		encodings := []string{"", "gzip"}
		if name == "lines" {
			encodings = append(encodings, "zstd")
		}
		for _, encoding := range encodings {
			t.Run(name+" "+encoding, func(t *testing.T) {
				r := r.in(t)
				body := []byte(text)
				switch encoding {
				case "gzip":
					body = gzipped(t, body)
				case "zstd":
					body = zstded(t, strings.NewReader(text))
				}
				if len(body) < 8<<20 {
					t.Fatalf("the body has only %d bytes", len(body))
				}
				got := r.post(bytes.NewReader(body), func(q *http.Request) {
					if encoding != "" {
						q.Header.Set("Content-Encoding", encoding)
					}
				})
				r.expect(got, intake.Accepted)
				if got.bytes != len(body) {
					t.Errorf("answered %d bytes for %d", got.bytes, len(body))
				}
				parts := r.partsOf(got.id)
				if len(parts) != 2 {
					t.Errorf("cut into %d parts", len(parts))
				}
				checkEvents(t, parts, append([]string(nil), all...))
			})
		}
	}
}

func TestBrokenAndGiantElementsBecomeFragments(t *testing.T) {
	r := start(t, nil)
	all := events(t, 1000)
	giant := `{"log_id":"giant","data":{"description":"` + strings.Repeat("x", 12<<20) + `"}}`
	reasons := map[int]string{100: "not_json", 200: "not_json", 300: "not_json", 500: "too_large"}
	all[100], all[200], all[300], all[500] = "rubbish", `{"log_id":"200","data":{`, `{"log_id":"300`, giant
	got := r.post(strings.NewReader(strings.Join(all, "\n")), nil)
	r.expect(got, intake.Accepted)
	parts := r.partsOf(got.id)
	for _, p := range parts {
		if p.Fragment != reasons[p.First] {
			t.Errorf("the part with event %d is a fragment because of %q, expected %q", p.First, p.Fragment, reasons[p.First])
		}
	}
	checkEvents(t, parts, all)
	if _, messages := r.stored(); messages > 4 {
		t.Errorf("%d parts were stored in %d messages", len(parts), messages)
	}
	r.await("all memory is given back", func() bool { return r.value("sluice_receiver_inflight_bytes", "") == 0 })
}

func TestALargeBodyOfOneEventOrOfNothingIsAccepted(t *testing.T) {
	r := start(t, nil)
	giant := `{"log_id":"giant","data":{"description":"` + strings.Repeat("x", 12<<20) + `"}}`
	for _, shape := range []string{"%s", "[%s]", `{"logs":[%s]}`} {
		got := r.post(strings.NewReader(fmt.Sprintf(shape, giant)), nil)
		r.expect(got, intake.Accepted)
		checkEvents(t, r.partsOf(got.id), []string{giant})
	}
	got := r.post(strings.NewReader(strings.Repeat(" \n", 5<<20)), nil)
	r.expect(got, intake.Accepted)
	if parts := r.partsOf(got.id); len(parts) != 1 || len(parts[0].Body) != 0 || parts[0].Fragment != "" {
		t.Errorf("white space became %d parts", len(parts))
	}
	rubbish := strings.Repeat("{}\nx\n", 2<<20)
	got = r.post(strings.NewReader(rubbish), nil)
	r.expect(got, intake.Accepted)
	size := 0
	parts := r.partsOf(got.id)
	for _, p := range parts {
		size += len(p.Body)
	}
	if last := parts[len(parts)-1]; len(parts) > 2100 || size < len(rubbish)-10_000 || !strings.HasSuffix(string(last.Body), "{}\nx\n") {
		t.Errorf("%d bytes of rubbish became %d bytes in %d parts", len(rubbish), size, len(parts))
	}
}
