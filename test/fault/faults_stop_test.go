package fault_test

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// verdicts listens to what services tell NATS about messages. A message that was acknowledged needs no second
// acknowledgement unless it was handed out again; and it is handed out again only when it was given back, or when a
// service that had finished it never said so.
type verdicts struct {
	mu          sync.Mutex
	done        map[string]bool
	back        map[string]bool // each message with the number of the handing out that was given back
	again       []string        // finished, and handed out once more
	acks, given int
}

// listen follows the acknowledgements of all consumers until the function that it returns is called.
func (x *trial) listen(urls string) (*verdicts, func(), error) {
	v := &verdicts{done: map[string]bool{}, back: map[string]bool{}}
	nc, err := nats.Connect(urls, nats.Timeout(20*time.Second)) // a machine that has much to do is slow to answer
	if err != nil {
		return nil, nil, err
	}
	if _, err = nc.Subscribe("$JS.ACK.>", v.hear); err == nil {
		err = nc.Flush()
	}
	return v, nc.Close, err
}

// hear notes one acknowledgement. Its subject ends with how often the message was handed out, its sequences, time and
// what waits behind it; stream and consumer stand before that.
func (v *verdicts) hear(m *nats.Msg) {
	parts := strings.Split(m.Subject, ".")
	if len(parts) == 9 { // the short form; the long one names a domain and an account first, and ends with a token
		parts = append([]string{"", ""}, parts...)
	}
	if len(parts) < 11 {
		return
	}
	message := strings.Join([]string{parts[4], parts[5], parts[7]}, " ")
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case len(m.Data) == 0, bytes.HasPrefix(m.Data, []byte("+ACK")):
		v.acks++
		if v.done[message] {
			v.again = append(v.again, message+" for the time number "+parts[6])
		}
		v.done[message] = true
		v.kept(message, parts[6])
	case bytes.HasPrefix(m.Data, []byte("-NAK")):
		v.given++
		v.back[message+" "+parts[6]] = true
		if v.done[message] {
			v.again = append(v.again, message+" given back")
		}
	}
}

// kept looks for times that a message was handed out and not given back before the time at which it was acknowledged:
// where no AckWait runs out, whoever had it kept it and ended without a word. Word of progress is no verdict.
func (v *verdicts) kept(message, number string) {
	times, err := strconv.Atoi(number)
	if err != nil {
		v.again = append(v.again, message+" with an unknown number: "+number)
	}
	for n := 1; n < times; n++ {
		if !v.back[message+" "+strconv.Itoa(n)] {
			v.again = append(v.again, fmt.Sprintf("%s acknowledged at the time number %d, the time number %d was never given back", message, times, n))
		}
	}
}

// verdict fails when a message came again after its acknowledgement, or without being given back.
func (v *verdicts) verdict(x *trial) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	x.saw("%d messages acknowledged, %d given back, %d finished ones handed out again", v.acks, v.given, len(v.again))
	switch {
	case v.acks == 0:
		return errors.New("no acknowledgement was heard")
	case len(v.again) > 0:
		return fmt.Errorf("handed out again although they were finished: %v", v.again[:min(len(v.again), 5)])
	}
	return nil
}

// stops ends every service by SIGTERM under load, one after another, twice. Each must end well, and nothing that it had
// finished may come again.
func stops(x *trial) (func() error, error) {
	v, silence, err := x.listen("nats://" + x.own.addr)
	if err != nil {
		return nil, err
	}
	for range 2 {
		for _, name := range x.order {
			if err := x.restartReady(name); err != nil {
				silence()
				return nil, err
			}
		}
	}
	return func() error {
		defer silence()
		_, err := x.caughtUp(x.ctx, quietLimit)
		if err != nil {
			return err
		}
		return v.verdict(x)
	}, nil
}
