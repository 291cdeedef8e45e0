package delivery

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encodings of a body, as Delivery.Encoding names them.
const (
	Identity = ""
	Gzip     = "gzip"
	Zstd     = "zstd"
)

// MaxWindow is the largest window of a zstd frame, in bytes: what RFC 8878 asks every decoder to bear.
const MaxWindow = 8 << 20

// Why a body cannot be opened, where it is not simply broken.
var (
	// ErrWindow says that a frame asks for a window of more than MaxWindow bytes.
	ErrWindow = errors.New("decompression needs a window of more than 8 MiB")
	// ErrTooLarge says that a body has more plain bytes than it may have.
	ErrTooLarge = errors.New("larger than allowed after decompression")
)

// Inflate opens a body for reading, decompressed. It takes little memory beside the body: for zstd a window of at most
// MaxWindow bytes. An error, here or while reading, is ErrWindow or says what is broken.
func Inflate(body []byte, encoding string) (io.ReadCloser, error) {
	switch encoding {
	case Identity:
		return io.NopCloser(bytes.NewReader(body)), nil
	case Gzip:
		return gzip.NewReader(bytes.NewReader(body))
	case Zstd:
		z, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxWindow))
		if err != nil {
			return nil, windowError(err)
		}
		return frames{z.IOReadCloser()}, nil
	}
	return nil, fmt.Errorf("encoding %q is unknown", encoding)
}

// frames reads zstd and says ErrWindow in our words.
type frames struct{ io.ReadCloser }

// Read reads plain bytes.
func (f frames) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	return n, windowError(err)
}

func windowError(err error) error {
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return ErrWindow
	}
	return err
}

// Plain returns the body without its compression; an empty body needs none, whatever its encoding says. The error wraps
// ErrTooLarge for a compressed body of more than limit plain bytes.
func (d *Delivery) Plain(limit int64) ([]byte, error) {
	if d.Encoding == Identity || len(d.Body) == 0 {
		return d.Body, nil
	}
	source, err := Inflate(d.Body, d.Encoding)
	if err != nil {
		return nil, fmt.Errorf("decompressing %s: %w", d.Encoding, err)
	}
	defer func() { _ = source.Close() }()
	plain, err := io.ReadAll(io.LimitReader(source, limit+1))
	if err != nil {
		return nil, fmt.Errorf("decompressing %s: %w", d.Encoding, err)
	}
	if int64(len(plain)) > limit {
		return nil, fmt.Errorf("decompressing %s: %w: more than %d bytes", d.Encoding, ErrTooLarge, limit)
	}
	return plain, nil
}
