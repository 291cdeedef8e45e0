package receiver_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/services/receiver/internal/intake"
	"github.com/sluicelog/sluice/shared/endpoint"
	"github.com/sluicelog/sluice/shared/stream"
)

const oneEvent = `{"log_id":"90020260101000000000000000000000000000000000000000000001","data":{"type":"s"}}`

// small makes large bodies cheap.
func small(cfg *receiver.Config, _ *stream.Topology) {
	cfg.MaxBody, cfg.MaxInflight = 4<<20, 24<<20
}

func gzipped(t testing.TB, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(body); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, body io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.Copy(w, body); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// expect checks an answer against the closed list.
func (r *rig) expect(got reply, want intake.Answer) {
	r.t.Helper()
	if got.status != want.Status || got.word != want.Name {
		r.t.Errorf("answered %d %s, expected %d %s", got.status, strings.TrimSpace(got.text), want.Status, want.Name)
	}
	if retry := got.header.Get("Retry-After"); (retry == "5") != want.Retry {
		r.t.Errorf("%s has Retry-After %q", want.Name, retry)
	}
	if got.header.Get("Content-Type") != "application/json" || got.header.Get("Location") != "" {
		r.t.Errorf("%s has headers %v", want.Name, got.header)
	}
}

func TestAnAcceptedDeliveryIsInTheStreamByteForByte(t *testing.T) {
	r := start(t, nil)
	noise := make([]byte, 300<<10)
	_, _ = rand.Read(noise)
	bodies := map[string]struct{ encoding, stored, body string }{
		"one event": {"", "", oneEvent}, "identity": {"identity", "", oneEvent}, "rubbish": {"", "", "\x00\xff no JSON at all"},
		"gzip": {"gzip", "gzip", string(gzipped(t, []byte(oneEvent)))}, "x-gzip": {"x-gzip", "gzip", string(gzipped(t, []byte(oneEvent)))},
		"zstd": {"zstd", "zstd", string(zstded(t, strings.NewReader(oneEvent)))}, "large": {"", "", string(noise)},
		"empty": {"", "", ""}, "empty gzip": {"gzip", "", ""}, "white space": {"", "", "\r\n \n"}, "byte order mark": {"", "", "\ufeff" + oneEvent + "\r\n"},
	}
	for name, c := range bodies {
		t.Run(name, func(t *testing.T) {
			r, before := r.in(t), time.Now()
			got := r.post(strings.NewReader(c.body), func(q *http.Request) {
				q.Header.Set("Content-Type", "text/plain; charset=utf-16")
				if c.encoding != "" {
					q.Header.Set("Content-Encoding", c.encoding)
				}
			})
			r.expect(got, intake.Accepted)
			if got.bytes != len(c.body) || got.id == "" {
				t.Fatalf("answered %s for %d bytes", got.text, len(c.body))
			}
			parts := r.partsOf(got.id)
			if len(parts) != 1 || string(parts[0].Body) != c.body {
				t.Fatalf("%d deliveries are stored under the id, or not the body that was sent", len(parts))
			}
			d := parts[0]
			if d.Endpoint != r.endpoint.ID || d.Namespace != "default" || d.Encoding != c.stored || d.Parts != 0 || d.ContentType != "text/plain; charset=utf-16" {
				t.Errorf("stored facts: %+v", d)
			}
			if d.Received.Before(before.Add(-time.Millisecond)) || d.Received.After(time.Now()) {
				t.Errorf("received at %s", d.Received)
			}
		})
	}
}

func TestTheTokenDecides(t *testing.T) {
	r := start(t, nil)
	prefixed := "Bearer " + endpoint.NewToken()
	other, err := r.registry.Create(t.Context(), endpoint.Endpoint{Name: "prefixed", Namespace: "default"}, prefixed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.checkSecrecy(strings.TrimPrefix(prefixed, "Bearer ")) })
	r.await("the second endpoint is known", func() bool {
		return r.post(nil, func(q *http.Request) { q.URL.Path = "/v1/endpoints/" + other.ID }).status == http.StatusUnauthorized
	})
	wrong := []byte(r.token)
	wrong[len(wrong)-1] ^= 1
	for name, c := range map[string]struct {
		id     string
		values []string
		want   intake.Answer
	}{
		"right": {r.endpoint.ID, []string{r.token}, intake.Accepted}, "Bearer added": {r.endpoint.ID, []string{"Bearer " + r.token}, intake.Accepted},
		"bearer in small letters": {r.endpoint.ID, []string{"bearer " + r.token}, intake.Accepted},
		"Bearer on both sides":    {other.ID, []string{prefixed}, intake.Accepted}, "Bearer left out": {other.ID, []string{strings.TrimPrefix(prefixed, "Bearer ")}, intake.Accepted},
		"missing": {r.endpoint.ID, nil, intake.Unauthorized}, "empty": {r.endpoint.ID, []string{""}, intake.Unauthorized},
		"wrong": {r.endpoint.ID, []string{string(wrong)}, intake.Unauthorized}, "of another endpoint": {other.ID, []string{r.token}, intake.Unauthorized},
		"cut": {r.endpoint.ID, []string{r.token[:len(r.token)-1]}, intake.Unauthorized}, "longer": {r.endpoint.ID, []string{r.token + "x"}, intake.Unauthorized},
		"space within": {r.endpoint.ID, []string{"Bearer  " + r.token}, intake.Unauthorized}, "another scheme": {r.endpoint.ID, []string{"Basic " + r.token}, intake.Unauthorized},
		"twice, one right": {r.endpoint.ID, []string{r.token, string(wrong)}, intake.Unauthorized}, "twice, both right": {r.endpoint.ID, []string{r.token, r.token}, intake.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			r := r.in(t)
			got := r.post(strings.NewReader(oneEvent), func(q *http.Request) {
				q.URL.Path = "/v1/endpoints/" + c.id
				q.Header["Authorization"] = c.values
			})
			r.expect(got, c.want)
			if c.want == intake.Unauthorized && got.text != `{"status":"unauthorized","message":"unauthorized"}`+"\n" {
				t.Errorf("the answer says more than it should: %s", got.text)
			}
		})
	}
	t.Run("in the query only", func(t *testing.T) {
		r := r.in(t)
		r.expect(r.post(nil, func(q *http.Request) { q.URL.RawQuery = "token=" + r.token; q.Header.Del("Authorization") }), intake.Unauthorized)
	})
	// White space around a header's value is no part of it (RFC 9110, 5.5): nobody behind the parser ever sees it.
	t.Run("white space around it", func(t *testing.T) {
		r := r.in(t)
		r.expect(r.raw("POST /v1/endpoints/"+r.endpoint.ID+" HTTP/1.1\r\nHost: x\r\nAuthorization:  "+r.token+" \t\r\nContent-Length: 0\r\n\r\n", false), intake.Accepted)
	})
	t.Run("in a trailer", func(t *testing.T) {
		r := r.in(t)
		r.expect(r.raw("POST /v1/endpoints/"+r.endpoint.ID+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n0\r\nAuthorization: "+r.token+"\r\n\r\n", false), intake.Unauthorized)
	})
	t.Run("with the body still held back", func(t *testing.T) {
		r := r.in(t)
		r.expect(r.raw("POST /v1/endpoints/"+r.endpoint.ID+" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n", false), intake.Unauthorized)
	})
}

// raw sends bytes as they are and reads the answer; with end nothing more will come after them.
func (r *rig) raw(request string, end bool) reply {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.service.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		r.t.Fatal(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && end {
		_ = tcp.CloseWrite()
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.read(res)
}

func TestOnlyTheExactPathIsThere(t *testing.T) {
	r := start(t, nil)
	id := r.endpoint.ID
	for path, want := range map[string]intake.Answer{
		"/v1/endpoints/" + id: intake.Accepted, "/v1/endpoints/" + id + "?x=y": intake.Accepted,
		"/v1/endpoints/unknown": intake.UnknownEndpoint, "/v1/endpoints/%2e%2e": intake.UnknownEndpoint, "/v1/endpoints/..": intake.UnknownEndpoint,
		"/v1/endpoints/" + strings.ToUpper(id): intake.UnknownEndpoint, "/v1/endpoints/" + id + "%2f": intake.UnknownEndpoint,
		"//v1/endpoints/" + id: intake.NotFound, "/v1//endpoints/" + id: intake.NotFound, "/v1/endpoints/" + id + "/": intake.NotFound,
		"/v1/x/../endpoints/" + id: intake.NotFound, "/v1/./endpoints/" + id: intake.NotFound, "/%761/endpoints/" + id: intake.NotFound,
		"/": intake.NotFound, "/v1/endpoints/": intake.NotFound, "/metrics": intake.NotFound, "*": intake.NotFound,
	} {
		r.expect(r.raw("POST "+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: "+r.token+"\r\nContent-Length: 0\r\n\r\n", false), want)
		if t.Failed() {
			t.Fatalf("path %s", path)
		}
	}
	r.expect(r.raw("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", false), intake.NotFound)
}

func TestOnlyPostIsAllowed(t *testing.T) {
	r := start(t, nil)
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "PROPFIND"} {
		got := r.post(nil, func(q *http.Request) { q.Method = method; q.Header.Set("X-HTTP-Method-Override", "POST") })
		if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != "POST" {
			t.Errorf("%s is answered with %d, Allow %q", method, got.status, got.header.Get("Allow"))
		}
		if method != "HEAD" {
			r.expect(got, intake.MethodNotAllowed)
		}
	}
}

// zeros is an endless source.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestTooLargeABodyIsRefusedInLittleMemory(t *testing.T) {
	r := start(t, small)
	const limit, huge = 4 << 20, 256 << 20
	encoded := func(as string) func(*http.Request) {
		return func(q *http.Request) { q.Header.Set("Content-Encoding", as) }
	}
	gzipBomb, zstdBomb := gzipped(t, make([]byte, huge)), zstded(t, io.LimitReader(zeros{}, huge))
	encoder, err := zstd.NewWriter(nil, zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	oneSegment := encoder.EncodeAll(make([]byte, 64<<20), nil)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r.expect(r.raw(fmt.Sprintf("POST /v1/endpoints/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", r.endpoint.ID, r.token, huge), false), intake.TooLarge)
	r.expect(r.post(bytes.NewReader(gzipBomb), encoded("gzip")), intake.TooLarge)
	r.expect(r.post(bytes.NewReader(zstdBomb), encoded("zstd")), intake.TooLarge)
	r.expect(r.post(bytes.NewReader(oneSegment), encoded("zstd")), intake.TooLarge)
	r.expect(r.post(io.LimitReader(zeros{}, limit+1), nil), intake.TooLarge)
	r.expect(r.post(bytes.NewReader(gzipped(t, make([]byte, limit+1))), encoded("gzip")), intake.TooLarge)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("refusing allocated %d MiB in all", grown>>20)
	}
	if !strings.Contains(r.logs.String(), `"level":"ERROR"`) {
		t.Error("there was no alarm")
	}
	r.expect(r.post(io.LimitReader(zeros{}, limit), nil), intake.Accepted) // chunked
	r.expect(r.post(bytes.NewReader(make([]byte, limit)), nil), intake.Accepted)
	r.expect(r.post(bytes.NewReader(gzipped(t, make([]byte, limit))), encoded("gzip")), intake.Accepted)
	r.await("all memory is given back", func() bool { return r.value("sluice_receiver_inflight_bytes", "") == 0 })
}

func TestABodyThatDidNotArriveWholeIsRefused(t *testing.T) {
	r := start(t, func(cfg *receiver.Config, _ *stream.Topology) { cfg.ReadTimeout = 2 * time.Second })
	head := "POST /v1/endpoints/" + r.endpoint.ID + " HTTP/1.1\r\nHost: x\r\nAuthorization: " + r.token + "\r\n"
	for name, c := range map[string]struct {
		request string
		end     bool
	}{
		"closed before its end": {head + "Content-Length: 100\r\n\r\n" + oneEvent[:50], true},
		"silent before its end": {head + "Content-Length: 100\r\n\r\n" + oneEvent[:50], false},
		"last chunk missing":    {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", true},
		"chunk length rubbish":  {head + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := r.in(t)
			r.expect(r.raw(c.request, c.end), intake.Truncated)
		})
	}
	if all, _ := r.stored(); len(all) != 0 {
		t.Errorf("%d deliveries were stored", len(all))
	}
}

func TestBrokenCompressionIsRefused(t *testing.T) {
	r := start(t, nil)
	packed := map[string][]byte{"gzip": gzipped(t, []byte(oneEvent)), "zstd": zstded(t, strings.NewReader(oneEvent))}
	for encoding, good := range packed {
		flipped := bytes.Clone(good)
		flipped[len(flipped)-2] ^= 0xff // in the checksum
		for name, body := range map[string][]byte{
			"no such thing": []byte(oneEvent), "truncated": good[:len(good)-3], "head only": good[:4], "trailing garbage": append(bytes.Clone(good), "garbage"...), "flipped bits": flipped,
		} {
			t.Run(encoding+" "+name, func(t *testing.T) {
				r := r.in(t)
				r.expect(r.post(bytes.NewReader(body), func(q *http.Request) { q.Header.Set("Content-Encoding", encoding) }), intake.BadCompression)
			})
		}
		t.Run(encoding+" twice in a row", func(t *testing.T) {
			r := r.in(t)
			r.expect(r.post(bytes.NewReader(append(bytes.Clone(good), good...)), func(q *http.Request) { q.Header.Set("Content-Encoding", encoding) }), intake.Accepted)
		})
	}
	for _, values := range [][]string{{"br"}, {"deflate"}, {"gzip, gzip"}, {"gzip", "gzip"}, {"\xff"}} {
		r.expect(r.post(strings.NewReader(oneEvent), func(q *http.Request) { q.Header["Content-Encoding"] = values }), intake.UnsupportedEncoding)
	}
}

func TestBusyWhenTheBudgetIsUsedUp(t *testing.T) {
	r := start(t, small)
	var open []net.Conn
	for range 96 { // bodies that are announced and do not come, none so large that it gets its room bit by bit
		conn, err := net.Dial("tcp", r.service.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
		fmt.Fprintf(conn, "POST /v1/endpoints/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", r.endpoint.ID, r.token, 256<<10-1)
	}
	r.await("the budget is used up", func() bool { return r.value("sluice_receiver_inflight_bytes", "") == 24<<20 })
	r.expect(r.post(strings.NewReader(oneEvent), nil), intake.Busy)
	for _, conn := range open {
		conn.Close()
	}
	r.expect(r.post(strings.NewReader(oneEvent), nil), intake.Accepted)
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	r := start(t, func(cfg *receiver.Config, _ *stream.Topology) { cfg.MaxConnections = 2 })
	first, second := r.upload(), r.upload()
	answered := make(chan reply, 1)
	go func() {
		answered <- r.post(strings.NewReader(oneEvent), nil)
	}()
	select {
	case got := <-answered:
		t.Errorf("a third connection was answered %s", got.text)
		return
	case <-time.After(200 * time.Millisecond):
	}
	first.Close()
	r.expect(<-answered, intake.Accepted)
	second.Close()
}

func TestAHugeHeadIsRefusedByTheServer(t *testing.T) {
	r := start(t, nil)
	conn, err := net.Dial("tcp", r.service.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answered %s", res.Status)
	}
}

func TestTheReadmeNamesEveryAnswer(t *testing.T) {
	raw, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, nil)
	for _, a := range intake.Answers() {
		if !strings.Contains(string(raw), fmt.Sprintf("| %d | `%s` |", a.Status, a.Name)) {
			t.Errorf("README.md has no line for %d %s", a.Status, a.Name)
		}
		if before := r.value("sluice_receiver_requests_total", a.Name); before != 0 {
			t.Errorf("%s is counted %v times before the first request", a.Name, before)
		}
	}
	r.expect(r.post(nil, nil), intake.Accepted)
	if r.value("sluice_receiver_requests_total", intake.Accepted.Name) != 1 || r.value("sluice_receiver_deliveries_accepted_total", r.endpoint.ID) != 1 {
		t.Error("the request was not counted")
	}
}
