package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxAnswer bounds how much of an answer is read.
const maxAnswer = 64 << 10

// deliverAll delivers batch after batch until there are no more.
func (s *Stream) deliverAll(ctx context.Context, work <-chan []Event, sums *tally) {
	press := newPress(s.opts.Encoding)
	for batch := range work {
		body, err := press.body(s.opts.Shape, batch)
		if err != nil {
			sums.result(Result{Events: logIDs(batch), Attempt: 1, Cycle: 1, Err: err})
			sums.abandoned(len(batch))
			continue
		}
		if !s.deliver(ctx, Result{Events: logIDs(batch), Bytes: len(body)}, body, sums) {
			sums.abandoned(len(batch))
		}
	}
}

func logIDs(events []Event) []string {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].LogID
	}
	return ids
}

// deliver tries one body cycle after cycle and tells whether it was answered 2xx.
func (s *Stream) deliver(ctx context.Context, result Result, body []byte, sums *tally) bool {
	for result.Cycle = 1; ; result.Cycle++ {
		for result.Attempt = 1; ; result.Attempt++ {
			if s.gate.pass(ctx) != nil {
				return false
			}
			result = s.post(ctx, result, body)
			sums.result(result)
			if result.Acked {
				return true
			}
			if result.Attempt == s.opts.Attempts {
				break
			}
			if wait(ctx, s.opts.RetryWait) != nil {
				return false
			}
		}
		if result.Cycle == s.opts.MaxCycles || wait(ctx, s.opts.CycleWait) != nil {
			return false
		}
	}
}

// post makes one attempt.
func (s *Stream) post(ctx context.Context, result Result, body []byte) Result {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	result.Status, result.Delivery, result.Err, result.Acked = 0, "", nil, false
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.opts.URL, bytes.NewReader(body))
	if err != nil {
		result.Err = fmt.Errorf("making the request: %w", withoutURL(err))
		return result
	}
	s.setHeaders(request.Header)
	began := time.Now()
	answer, err := s.client.Do(request)
	if err != nil {
		result.Latency = time.Since(began)
		result.Err = fmt.Errorf("posting to the Payload URL: %w", withoutURL(err))
		return result
	}
	defer func() { _ = answer.Body.Close() }() // the answer is read or refused by then
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	result.Latency = time.Since(began)
	result.Status = answer.StatusCode
	if err != nil {
		result.Err = fmt.Errorf("reading the answer: %w", err)
		return result
	}
	result.Acked = answer.StatusCode >= 200 && answer.StatusCode < 300
	result.Delivery = deliveryID(text)
	return result
}

func (s *Stream) setHeaders(header http.Header) {
	header.Set("Content-Type", s.opts.ContentType)
	header.Set("User-Agent", "auth0-log-stream-simulator")
	if s.opts.Authorization != "" {
		header.Set("Authorization", s.opts.Authorization)
	}
	if s.opts.Encoding != "" {
		header.Set("Content-Encoding", s.opts.Encoding)
	}
}

// withoutURL takes the address out of an error: its query may hold a secret.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

// deliveryID is the field "delivery" of a JSON answer, or empty.
func deliveryID(answer []byte) string {
	var fields struct {
		Delivery string `json:"delivery"`
	}
	if len(answer) == 0 || answer[0] != '{' || json.Unmarshal(answer, &fields) != nil {
		return ""
	}
	return fields.Delivery
}

// press makes bodies and compresses them. Each delivering goroutine has its
// own. It reuses its work space but never a body: the transport may still be
// writing one when an early answer has come back.
type press struct {
	encoding string
	plain    []byte
	packed   bytes.Buffer
	gzip     *gzip.Writer
	zstd     *zstd.Encoder
}

func newPress(encoding string) *press {
	p := &press{encoding: encoding}
	if encoding == "gzip" {
		p.gzip = gzip.NewWriter(io.Discard)
	}
	return p
}

func (p *press) body(shape Shape, events []Event) ([]byte, error) {
	if p.encoding == "" {
		return Body(shape, events), nil
	}
	p.plain = appendBody(p.plain[:0], shape, events)
	p.packed.Reset()
	if p.encoding == "gzip" {
		p.gzip.Reset(&p.packed)
		return p.pack(p.gzip)
	}
	return p.packZstd()
}

func (p *press) packZstd() ([]byte, error) {
	if p.zstd == nil {
		encoder, err := zstd.NewWriter(&p.packed, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("making the zstd encoder: %w", err)
		}
		p.zstd = encoder
	}
	p.zstd.Reset(&p.packed)
	return p.pack(p.zstd)
}

func (p *press) pack(to io.WriteCloser) ([]byte, error) {
	if _, err := to.Write(p.plain); err != nil {
		return nil, fmt.Errorf("compressing with %s: %w", p.encoding, err)
	}
	if err := to.Close(); err != nil {
		return nil, fmt.Errorf("compressing with %s: %w", p.encoding, err)
	}
	return bytes.Clone(p.packed.Bytes()), nil
}
