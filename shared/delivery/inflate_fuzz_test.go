package delivery_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/shared/delivery"
)

// FuzzPlain decompresses whatever comes. There must be an error or at most as many plain bytes as allowed; what a
// compressor made of a text must come back as that text.
func FuzzPlain(f *testing.F) {
	text := []byte(`{"log_id":"90020261125190202000000000000000000000000000000000000001","data":{"type":"s"}}` + "\n")
	for _, plain := range [][]byte{{}, text, bytes.Repeat(text, 100)} {
		for _, encoding := range []string{delivery.Gzip, delivery.Zstd} {
			packed := deflate(f, plain, encoding)
			f.Add(packed, encoding == delivery.Zstd)
			f.Add(packed[:len(packed)/2], encoding == delivery.Zstd)
			f.Add(append(bytes.Clone(packed), packed...), encoding == delivery.Zstd)
			f.Add(packed, encoding != delivery.Zstd)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, isZstd bool) {
		const limit = 1 << 16
		encoding := delivery.Gzip
		if isZstd {
			encoding = delivery.Zstd
		}
		plain, err := (&delivery.Delivery{Body: body, Encoding: encoding}).Plain(limit)
		if err == nil && len(plain) > limit {
			t.Errorf("%d plain bytes, %d are allowed", len(plain), limit)
		}
		if err != nil && plain != nil {
			t.Errorf("%d bytes beside the error %v", len(plain), err)
		}
		again, err := (&delivery.Delivery{Body: deflate(t, body, encoding), Encoding: encoding}).Plain(limit)
		switch {
		case len(body) > limit && !errors.Is(err, delivery.ErrTooLarge):
			t.Errorf("%d bytes are too many, and the error is %v", len(body), err)
		case len(body) <= limit && (err != nil || !bytes.Equal(again, body)):
			t.Errorf("%d bytes came back as %d: %v", len(body), len(again), err)
		}
	})
}

// deflate compresses a text.
func deflate(tb testing.TB, plain []byte, encoding string) []byte {
	tb.Helper()
	var out bytes.Buffer
	if encoding == delivery.Gzip {
		w := gzip.NewWriter(&out)
		_, err := w.Write(plain)
		if err := errors.Join(err, w.Close()); err != nil {
			tb.Fatal(err)
		}
		return out.Bytes()
	}
	w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	_, err = w.Write(plain)
	if err := errors.Join(err, w.Close()); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
