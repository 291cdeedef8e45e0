package enrich

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/sluicelog/sluice/shared/delivery"
)

// inflate undoes the compression of a body, up to limit bytes; reason goes with the error.
func inflate(d *delivery.Delivery, limit int64) (body []byte, reason string, err error) {
	if d.Encoding == "" || len(d.Body) == 0 {
		return d.Body, "", nil
	}
	source, err := open(d)
	if err != nil {
		return nil, reasonCompression, fmt.Errorf("decompressing %s: %w", d.Encoding, err)
	}
	defer func() { _ = source.Close() }()
	body, err = io.ReadAll(io.LimitReader(source, limit+1))
	if err != nil {
		return nil, reasonCompression, fmt.Errorf("decompressing %s: %w", d.Encoding, err)
	}
	if int64(len(body)) > limit {
		return nil, reasonTooLarge, fmt.Errorf("decompressing %s: more than %d bytes; ENRICHER_MAX_BODY may be larger", d.Encoding, limit)
	}
	return body, "", nil
}

func open(d *delivery.Delivery) (io.ReadCloser, error) {
	switch d.Encoding {
	case "gzip":
		return gzip.NewReader(bytes.NewReader(d.Body))
	case "zstd":
		z, err := zstd.NewReader(bytes.NewReader(d.Body), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("encoding %q is unknown", d.Encoding)
}
