package hostile_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// maxBody is RECEIVER_MAX_BODY as it comes.
const maxBody = 32 << 20

const oneEvent = `{"log_id":"ID1","data":{"type":"s","date":"NOW"}}`

func gzipped(plain io.Reader) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = io.Copy(w, plain) // into memory
	_ = w.Close()
	return out.Bytes()
}

// gzippedLine is an event as gzip packs it, in bytes that hold no line end: a line that begins with a bracket by chance, as
// one of some hundred such bodies has it, would be set aside by itself.
func gzippedLine(v *visit) []byte {
	for {
		if packed := gzipped(strings.NewReader(v.fill(oneEvent))); bytes.IndexByte(packed, '\n') < 0 {
			return packed
		}
	}
}

func zstded(plain io.Reader, options ...zstd.EOption) []byte {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, append(options, zstd.WithEncoderConcurrency(1))...)
	if err != nil {
		panic(err) // the options are the test's own
	}
	_, _ = io.Copy(w, plain) // into memory
	_ = w.Close()
	return out.Bytes()
}

// zeros is an endless source.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func zerosOf(n int64) io.Reader { return io.LimitReader(zeros{}, n) }

// spaces is n bytes of white space: a body without an event.
func spaces(n int) []byte { return bytes.Repeat([]byte{' '}, n) }

// sizes are about how much comes and how it is packed.
func sizes() []attempt {
	packed := func(encoding string, bomb func(v *visit) []byte) func(*visit) {
		return bytesOf(bomb, "Content-Encoding", encoding)
	}
	event := func(v *visit) io.Reader { return strings.NewReader(v.fill(oneEvent)) }
	encoding := func(value string) func(*visit) { return raw(empty("Content-Encoding: " + value + "\r\n")) }
	return []attempt{
		{name: "a body as large as the limit", do: bytesOf(func(*visit) []byte { return spaces(maxBody) }), answer: "200 accepted"},
		{name: "a body of one byte more", do: func(v *visit) { raw(head(fmt.Sprintf("Content-Length: %d\r\n\r\n", maxBody+1)))(v) }, answer: "413 too_large"},
		{name: "one byte more in chunks, of a length that nobody announced", do: func(v *visit) { v.post(struct{ io.Reader }{zerosOf(maxBody + 1)}) }, answer: "413 too_large"},
		{name: "no body", do: body(""), answer: "200 accepted"},
		{name: "only white space and empty lines", do: body(" \t\r\n\n\n \r\n"), answer: "200 accepted"},
		{name: "`[]`, `{}` and `{\"logs\":[]}`", do: func(v *visit) { body("[]")(v); body("{}")(v); body(`{"logs":[]}`)(v) }, answer: "200 accepted", becomes: "1 no_log_id"},
		{name: "an event whose document just fits a message", do: bytesOf(func(v *visit) []byte { return []byte(v.fill(wide(8<<20 - 66<<10))) }), answer: "200 accepted", becomes: "1 document"},
		{name: "an event whose document is just too large for a message", do: bytesOf(func(v *visit) []byte { return []byte(v.fill(wide(8<<20 - 64<<10))) }), answer: "200 accepted", becomes: "2 too_large"},
		{name: "an event that is larger than a message", do: bytesOf(func(v *visit) []byte { return []byte(v.fill(wide(9 << 20))) }), answer: "200 accepted", becomes: "2 too_large"},
		{name: "10,000 events in one delivery", do: bytesOf(func(v *visit) []byte { return v.many(10_000) }), answer: "200 accepted", becomes: "10000 documents"},
		{name: "a gzip bomb: 1 GiB of zeros in 1 MB", do: packed("gzip", func(*visit) []byte { return bytes.Repeat(gzipped(zerosOf(16<<20)), 64) }), answer: "413 too_large"},
		{name: "a zstd bomb: 4 GiB of zeros in 500 KB", do: packed("zstd", func(*visit) []byte { return bytes.Repeat(zstded(zerosOf(16<<20)), 256) }), answer: "413 too_large"},
		{name: "a zstd frame that asks for a window of 512 MiB", do: packed("zstd", func(*visit) []byte {
			return []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 19 << 3, 0x01, 0x00, 0x00}
		}), answer: "413 too_large"},
		{name: "a gzip bomb within the limit: 31 MiB of white space", do: packed("gzip", func(*visit) []byte { return gzipped(bytes.NewReader(spaces(31 << 20))) }), answer: "200 accepted"},
		{name: "10,000 gzip members in a row", do: packed("gzip", func(v *visit) []byte {
			return append(bytes.Repeat(gzipped(strings.NewReader("\n")), 10_000), gzipped(event(v))...)
		}), answer: "200 accepted", becomes: "1 document"},
		{name: "gzip in gzip: the inner one is no JSON", do: packed("gzip", func(v *visit) []byte { return gzipped(bytes.NewReader(gzippedLine(v))) }), answer: "200 accepted", becomes: "1 not_json"},
		{name: "truncated gzip", do: packed("gzip", func(v *visit) []byte { all := gzipped(event(v)); return all[:len(all)-5] }), answer: "400 bad_compression"},
		{name: "truncated zstd", do: packed("zstd", func(v *visit) []byte { all := zstded(event(v)); return all[:len(all)-5] }), answer: "400 bad_compression"},
		{name: "gzip with a wrong checksum", do: packed("gzip", func(v *visit) []byte { all := gzipped(event(v)); all[len(all)-6] ^= 1; return all }), answer: "400 bad_compression"},
		{name: "gzip with rubbish behind it", do: packed("gzip", func(v *visit) []byte { return append(gzipped(event(v)), "rubbish"...) }), answer: "400 bad_compression"},
		{name: "gzip with a name of 1 MB in its header", do: packed("gzip", func(v *visit) []byte {
			all := gzipped(event(v))
			all[3] |= 8 // a name follows
			return append(append(append([]byte{}, all[:10]...), append(bytes.Repeat([]byte{'n'}, 1<<20), 0)...), all[10:]...)
		}), answer: "400 bad_compression"},
		{name: "plain text that claims to be gzip", do: body(oneEvent, "Content-Encoding", "gzip"), answer: "400 bad_compression"},
		{name: "gzip that claims to be plain: no JSON", do: bytesOf(gzippedLine), answer: "200 accepted", becomes: "1 not_json"},
		{name: "`Content-Encoding: br`", do: encoding("br"), answer: "415 unsupported_encoding"},
		{name: "`Content-Encoding: gzip, gzip`", do: encoding("gzip, gzip"), answer: "415 unsupported_encoding"},
		{name: "`Content-Encoding` twice", do: encoding("gzip\r\nContent-Encoding: gzip"), answer: "415 unsupported_encoding"},
		{name: "a `Content-Encoding` with ANSI escapes and a forged log line", do: encoding("\xff\xfe{\"level\":\"ERROR\"}"), answer: "415 unsupported_encoding"},
		{name: "`Content-Type: text/plain`, none, `charset=utf-16`, and one of 8 KB: they are not believed", do: func(v *visit) {
			event := v.fill(oneEvent)
			for _, kind := range []string{"text/plain", "", "application/json; charset=utf-16", "x/" + strings.Repeat("y", 8<<10), "multipart/form-data; boundary=\xff"} {
				v.post(strings.NewReader(event), "Content-Type", kind)
			}
		}, answer: "200 accepted", becomes: "1 document"},
	}
}

// wide is one event of about size bytes.
func wide(size int) string {
	form := `{"log_id":"ID1","data":{"type":"s","date":"NOW","details":{"request":{"body":"`
	return form + strings.Repeat("x", size-len(form)-70) + `"}}}}`
}

// many is a delivery of n good events.
func (v *visit) many(n int) []byte {
	var all strings.Builder
	for range n {
		all.WriteString(v.fill(`{"log_id":"ID1","data":{"type":"s","date":"NOW"}}` + "\n"))
	}
	return []byte(all.String())
}
