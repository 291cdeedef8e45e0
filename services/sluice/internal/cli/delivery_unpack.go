package cli

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// maxUnpacked bounds a decompressed body.
const maxUnpacked = 64 << 20

// unpack decompresses a body within bounds.
func unpack(encoding string, body []byte) ([]byte, error) {
	var from io.Reader
	switch encoding {
	case "":
		return body, nil
	case "gzip":
		reader, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("unpacking gzip: %w", err)
		}
		from = reader
	case "zstd":
		reader, err := zstd.NewReader(bytes.NewReader(body), zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, fmt.Errorf("unpacking zstd: %w", err)
		}
		defer reader.Close()
		from = reader
	default:
		return nil, fmt.Errorf("unpacking: encoding %q is unknown", encoding)
	}
	plain, err := io.ReadAll(io.LimitReader(from, maxUnpacked+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking %s: %w", encoding, err)
	}
	if len(plain) > maxUnpacked {
		return nil, errors.New("unpacking: the body is larger than 64 MiB")
	}
	return plain, nil
}
