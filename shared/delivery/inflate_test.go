package delivery_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/shared/delivery"
)

func zipped(t *testing.T, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func framed(t *testing.T, plain []byte, options ...zstd.EOption) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, append(options, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(plain, nil)
}

func TestABodyOpensInEveryEncodingUpToItsLimit(t *testing.T) {
	plain := bytes.Repeat([]byte(`{"log_id":"1"}`), 1000)
	for encoding, body := range map[string][]byte{
		delivery.Identity: plain, delivery.Gzip: zipped(t, plain), delivery.Zstd: framed(t, plain),
	} {
		d := delivery.Delivery{Encoding: encoding, Body: body}
		if got, err := d.Plain(int64(len(plain))); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%q: %d bytes, %v", encoding, len(got), err)
		}
		if encoding == delivery.Identity {
			continue
		}
		if _, err := d.Plain(int64(len(plain)) - 1); !errors.Is(err, delivery.ErrTooLarge) {
			t.Errorf("%q, one byte too many: %v", encoding, err)
		}
		d.Body = body[:len(body)-3]
		if _, err := d.Plain(1 << 20); err == nil || errors.Is(err, delivery.ErrTooLarge) {
			t.Errorf("%q, cut off: %v", encoding, err)
		}
	}
	empty, unknown := delivery.Delivery{Encoding: delivery.Gzip}, delivery.Delivery{Encoding: "br", Body: plain}
	if got, err := empty.Plain(1); err != nil || len(got) > 0 {
		t.Errorf("an empty body: %v", err)
	}
	if _, err := unknown.Plain(1 << 20); err == nil {
		t.Error("an unknown encoding is opened")
	}
}

func TestAFrameWithAHugeWindowIsRefusedByName(t *testing.T) {
	body := framed(t, make([]byte, 2*delivery.MaxWindow), zstd.WithSingleSegment(true))
	source, err := delivery.Inflate(body, delivery.Zstd)
	if err == nil {
		_, err = io.Copy(io.Discard, source)
		source.Close()
	}
	if !errors.Is(err, delivery.ErrWindow) {
		t.Errorf("got %v", err)
	}
}
