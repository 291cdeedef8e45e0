package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sluicelog/sluice/services/enricher"
	"github.com/sluicelog/sluice/shared/auth0"
	"github.com/sluicelog/sluice/shared/config"
)

// fromBody explains events of a file or of standard input. It reports whether all of them became documents.
func (x *explaining) fromBody(ctx context.Context) (bool, error) {
	body, err := x.read()
	if err != nil {
		return false, err
	}
	if err := x.prepare(false); err != nil {
		return false, err
	}
	count, dead := 0, 0
	for element := range auth0.Split(body) {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if count++; !x.all && element.Index != x.item {
			continue
		}
		e := x.element(element)
		if e.Dead != nil {
			dead++
		}
		if err := x.show(e); err != nil {
			return false, err
		}
	}
	return dead == 0, x.conclude(count, dead)
}

// conclude says what of the input was explained.
func (x *explaining) conclude(count, dead int) error {
	switch {
	case count == 0:
		return fmt.Errorf("%s: there is no event in it", x.source())
	case x.all:
		fmt.Fprintf(x.Err, "%s explained", events(int64(count)))
		if dead > 0 {
			fmt.Fprintf(x.Err, ", %s of them would become dead letters", thousands(dead))
		}
		fmt.Fprintln(x.Err)
	case x.shown == 0:
		return fmt.Errorf("--item %d: %s holds %s, numbered from 0", x.item, x.source(), events(int64(count)))
	case count > 1:
		fmt.Fprintf(x.Err, "event %d of %s (numbered from 0); --item explains another one, --all explains them all\n", x.item, thousands(count))
	}
	return nil
}

// source names the input for people.
func (x *explaining) source() string {
	if x.file == "" || x.file == "-" {
		return "standard input"
	}
	return x.file
}

// read takes the whole input into memory, unpacked where it is compressed.
func (x *explaining) read() ([]byte, error) {
	from := x.In
	if x.file != "" && x.file != "-" {
		f, err := os.Open(x.file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	body, err := readBounded(from)
	if err == nil && bytes.HasPrefix(body, []byte{0x1f, 0x8b}) {
		var plain *gzip.Reader
		if plain, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = readBounded(plain)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", x.source(), err)
	}
	return body, nil
}

// readBounded reads to the end, which must not be too far.
func readBounded(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err == nil && len(body) > maxFile {
		return nil, fmt.Errorf("it is larger than %s; cut it, for example with `split -l 100000`", config.Bytes(maxFile))
	}
	return body, err
}

// element explains one element of a body.
func (x *explaining) element(el auth0.Element) *explanation {
	way := enricher.Way{
		Endpoint: x.endpoint, Namespace: x.namespace, Delivery: notArrived, Item: el.Index, Received: x.now, Ingested: x.now,
	}
	if way.Endpoint == "" {
		way.Endpoint = notArrived
	}
	if el.Broken != nil {
		e := &explanation{Item: el.Index, Line: el.Line}
		e.Dead = x.deadLetter(el.Raw, el.Line, el.Broken)
		return e
	}
	return x.event(el.Raw, el.Line, way)
}

// notArrived stands for the delivery and the endpoint of an event that did not come through any.
const notArrived = "explained"

// deadLetter says why an event would become one; raw begins at line of the input.
func (x *explaining) deadLetter(raw []byte, line int, err error) *explainedDead {
	reason := err
	for _, known := range deadReasons() {
		if errors.Is(err, known.reason) {
			reason = known.reason
			return &explainedDead{Reason: reason.Error(), Detail: known.text + whereBroken(raw, line, reason)}
		}
	}
	if inner := errors.Unwrap(err); inner != nil {
		reason = inner
	}
	if reason.Error() == reasonFuture {
		return &explainedDead{Reason: reasonFuture, Detail: "log_id or date is later than tomorrow, by this machine's clock"}
	}
	return &explainedDead{Reason: reason.Error()}
}

// reasonFuture is the enricher's own reason.
const reasonFuture = "time_in_future"
