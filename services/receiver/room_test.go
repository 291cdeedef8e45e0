package receiver_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/sluicelog/sluice/services/receiver/internal/intake"
)

// announce begins a delivery of size bytes and returns once the receiver has asked for its body.
func (r *rig) announce(size int) (net.Conn, *bufio.Reader) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.service.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /v1/endpoints/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		r.endpoint.ID, r.token, size)
	if err != nil {
		r.t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	line, err := answers.ReadString('\n')
	if err != nil || !strings.Contains(line, " 100 ") {
		r.t.Fatalf("%d bytes are announced, and the receiver says %q: %v", size, line, err)
	}
	_, _ = answers.ReadString('\n') // the empty line after it
	return conn, answers
}

// Bodies that are announced, altogether far more than there is room for, and do not come.
func TestAnAnnouncedLengthTakesNoRoomFromOthers(t *testing.T) {
	r := start(t, small)
	for range 20 {
		r.announce(4 << 20)
	}
	r.expect(r.post(strings.NewReader(oneEvent), nil), intake.Accepted)
	r.expect(r.post(strings.NewReader(strings.Repeat(" ", 4<<20)), nil), intake.Accepted)
}

// Bodies that together hold nearly all the room while each needs more: nobody waits for ever, and all of it is given back.
func TestBodiesThatWaitForEachOthersRoomAreAnswered(t *testing.T) {
	r := start(t, small)
	const size, begin = 4 << 20, 900 << 10
	body := strings.Repeat(" ", size)
	var conns [16]net.Conn
	var answers [16]*bufio.Reader
	for i := range conns {
		conns[i], answers[i] = r.announce(size)
		if _, err := conns[i].Write([]byte(body[:begin])); err != nil {
			t.Fatal(err)
		}
	}
	r.await("each holds a part", func() bool { return r.value("sluice_receiver_inflight_bytes", "") >= float64(len(conns)*begin) })
	var senders sync.WaitGroup
	for i := range conns {
		senders.Go(func() {
			_, _ = conns[i].Write([]byte(body[begin:])) // one that is refused may find the connection closed
		})
	}
	for i := range conns {
		res, err := http.ReadResponse(answers[i], nil)
		if err != nil {
			continue // refused while it was sending
		}
		if got := r.read(res); got.word != intake.Accepted.Name && got.word != intake.Busy.Name {
			t.Errorf("answered %s", got.text)
		}
	}
	senders.Wait()
	r.await("all room is given back", func() bool { return r.value("sluice_receiver_inflight_bytes", "") == 0 })
	r.expect(r.post(strings.NewReader(body), nil), intake.Accepted)
}
