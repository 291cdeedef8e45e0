package load_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// wireTime bounds the life of a connection; no benchmark sends for so long.
const wireTime = 20 * time.Minute

// wire is a connection that posts deliveries, one after the other. It costs a quarter of what net/http's client costs,
// and on a small machine what the sender takes is missing to what is measured.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	head []byte // of each request, up to the length
	open []byte
}

// dialWire connects to the host of target.
func dialWire(target, token string) (*wire, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, in: bufio.NewReader(conn), head: headTo(u, token)}, conn.SetDeadline(time.Now().Add(wireTime))
}

// headTo is the head of a request up to the length.
func headTo(u *url.URL, token string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAuthorization: %s\r\nContent-Length: ", u.RequestURI(), u.Host, token)
}

// aim makes the following deliveries go to another endpoint of the same host.
func (w *wire) aim(target, token string) error {
	u, err := url.Parse(target)
	if err == nil {
		w.head = headTo(u, token)
	}
	return err
}

// dialWires opens so many connections; close ends them.
func dialWires(target, token string, count int) (all []*wire, done func(), err error) {
	done = func() {
		for _, w := range all {
			_ = w.conn.Close()
		}
	}
	for range count {
		w, err := dialWire(target, token)
		if err != nil {
			done()
			return nil, nil, err
		}
		all = append(all, w)
	}
	return all, done, nil
}

// post sends one delivery; anything but 2xx is an error that quotes the answer.
func (w *wire) post(body []byte) error {
	w.open = append(w.open[:0], w.head...)
	w.open = append(strconv.AppendInt(w.open, int64(len(body)), 10), "\r\n\r\n"...)
	parts := net.Buffers{w.open, body}
	if _, err := parts.WriteTo(w.conn); err != nil {
		return err
	}
	return w.read()
}

// read reads an answer that announces its length, as those of the receiver do.
func (w *wire) read() error {
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	good, status, length := bytes.HasPrefix(line, []byte("HTTP/1.1 2")), string(bytes.TrimSpace(line)), -1
	for {
		if line, err = w.in.ReadSlice('\n'); err != nil {
			return err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	switch {
	case length < 0:
		return errors.New("an answer without a length: " + status)
	case good:
		_, err = w.in.Discard(length)
		return err
	}
	text, err := io.ReadAll(io.LimitReader(w.in, int64(min(length, 300))))
	return errors.Join(fmt.Errorf("a delivery was answered %s: %s", status, text), err)
}

// postAll sends all bodies, so many at a time, and returns the times of the answers, shortest first.
func postAll(target, token string, bodies [][]byte, inFlight int) ([]time.Duration, error) {
	wires, done, err := dialWires(target, token, inFlight)
	if err != nil {
		return nil, err
	}
	defer done()
	latencies := make([][]time.Duration, inFlight)
	err = inParallel(inFlight, bodies, func(worker int, body []byte) error {
		begin := time.Now()
		err := wires[worker].post(body)
		latencies[worker] = append(latencies[worker], time.Since(begin))
		return err
	})
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return all, err
}

// part is the value below which so much of a sorted list lies.
func part(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(float64(len(sorted))*share), len(sorted)-1)]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
