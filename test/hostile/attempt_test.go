package hostile_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// attempt is one hostile input, with what Sluice answers and what becomes of it.
type attempt struct {
	name    string
	do      func(v *visit)
	answer  string
	becomes string
	slow    bool // it takes its time: it runs beside the others
}

// visit is an attempt under way.
type visit struct {
	*rig
	from    net.Addr        // every attempt comes from an address of its own
	mark    string          // is in every value that must not reach a log
	answers []string        // in order, each once
	ids     map[string]bool // of the deliveries that were accepted, or where a message lies
	events  map[string]bool // log ids
	err     error           // what the test itself could not do
}

// nothing becomes of a request that was refused.
const nothing = "nothing"

// saw notes an answer.
func (v *visit) saw(answer string) {
	if !slices.Contains(v.answers, answer) {
		v.answers = append(v.answers, answer)
	}
}

// fill puts what only the running test knows into a text: PATH, OTHER, TOKEN, OLD, GONE, MARK, NOW, and an id of its own
// for each of ID1 to ID9.
func (v *visit) fill(text string) string {
	pairs := []string{
		"PATH", v.path, "OTHER", v.other, "TOKEN", v.token, "OLD", v.old, "GONE", v.gone, "MARK", v.mark,
		"NOW", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	for n := 1; n <= 9; n++ {
		if name := fmt.Sprint("ID", n); strings.Contains(text, name) {
			id := v.id()
			v.events[id] = true
			pairs = append(pairs, name, id)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// dial opens a connection to the receiver.
func (v *visit) dial() (net.Conn, bool) {
	dialer := net.Dialer{Timeout: time.Minute, LocalAddr: v.from}
	conn, err := dialer.DialContext(v.t.Context(), "tcp", v.host)
	if err != nil {
		v.err = err
		return nil, false
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	return conn, true
}

// hear reads one answer; closing says that no second one will follow.
func (v *visit) hear(r *bufio.Reader) (closing bool) {
	res, err := http.ReadResponse(r, nil)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		v.err = errors.New("neither an answer nor an end within a minute")
		return true
	default:
		v.saw("closed")
		return true
	}
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	v.read(res.StatusCode, body)
	return res.Close
}

// read takes an answer apart.
func (v *visit) read(status int, body []byte) {
	var say struct{ Status, Delivery string }
	if strings.Contains(string(body), v.token) || strings.Contains(string(body), v.mark) {
		v.err = fmt.Errorf("the answer repeats what was sent: %.300s", body)
	}
	if json.Unmarshal(body, &say) != nil {
		v.saw(strconv.Itoa(status))
		return
	}
	if say.Delivery != "" {
		v.ids[say.Delivery] = true
	}
	v.saw(fmt.Sprint(status, " ", say.Status))
}

// raw sends bytes as they are, with fill, and reads one answer, and a second one where the connection stays open and two
// are wanted.
func raw(request string, wanted ...int) func(*visit) {
	return func(v *visit) {
		conn, ok := v.dial()
		if !ok {
			return
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, v.fill(request)); err != nil && !broken(err) {
			v.err = err
			return
		}
		most := 1
		if len(wanted) > 0 {
			most = wanted[0]
		}
		hears(v, conn, most)
	}
}

// hears reads up to n answers, fewer where the connection ends.
func hears(v *visit, conn net.Conn, n int) {
	reader := bufio.NewReader(conn)
	for range n {
		if v.hear(reader) {
			return
		}
	}
}

// ended is raw of a sender that says that it has nothing more to send.
func ended(request string) func(*visit) {
	return func(v *visit) {
		conn, ok := v.dial()
		if !ok {
			return
		}
		defer func() { _ = conn.Close() }()
		_, v.err = io.WriteString(conn, v.fill(request))
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite()
		}
		hears(v, conn, 1)
	}
}

// broken reports whether the other end closed the connection while we were writing: it answered early.
func broken(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok && !errors.Is(err, os.ErrDeadlineExceeded)
}

// head is a POST with the right token and more header lines, but without the empty line that ends the head.
func head(lines string) string {
	return "POST PATH HTTP/1.1\r\nHost: sluice.example\r\nAuthorization: TOKEN\r\n" + lines
}

// empty is a whole request without a body.
func empty(lines string) string { return head("Content-Length: 0\r\n" + lines + "\r\n") }

// body posts a body, with fill, as a well-behaved sender does.
func body(text string, headers ...string) func(*visit) {
	return func(v *visit) { v.post(strings.NewReader(v.fill(text)), headers...) }
}

// bytesOf posts what bodyOf returns as it is.
func bytesOf(bodyOf func(v *visit) []byte, headers ...string) func(*visit) {
	return func(v *visit) { v.post(bytes.NewReader(bodyOf(v)), headers...) }
}

// post sends a body of any length with the right token; headers are names and values in turn.
func (v *visit) post(body io.Reader, headers ...string) {
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, "http://"+v.host+v.path, body)
	if err != nil {
		v.err = err
		return
	}
	req.Header.Set("Authorization", v.token)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], v.fill(headers[i+1]))
	}
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true, DialContext: (&net.Dialer{LocalAddr: v.from}).DialContext}
	res, err := transport.RoundTrip(req)
	if err != nil {
		v.err = err
		return
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		v.err = err
		return
	}
	v.read(res.StatusCode, answer)
}

// fate counts documents and dead letters by reason.
type fate struct {
	documents int
	letters   map[string]int
}

// String says it as the page does.
func (f fate) String() string {
	var parts []string
	switch f.documents {
	case 0:
	case 1:
		parts = append(parts, "1 document")
	default:
		parts = append(parts, fmt.Sprintf("%d documents", f.documents))
	}
	for _, reason := range slices.Sorted(maps.Keys(f.letters)) {
		parts = append(parts, fmt.Sprintf("%d %s", f.letters[reason], reason))
	}
	if len(parts) == 0 {
		return nothing
	}
	return strings.Join(parts, ", ")
}
