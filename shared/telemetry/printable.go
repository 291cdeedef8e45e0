package telemetry

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"unicode"
)

// printable is a handler for people's eyes: a message that came from outside, such as what the HTTP server says of a
// request, neither ends its line nor commands the terminal. Attributes are quoted by the handler behind it.
type printable struct{ slog.Handler }

// Handle writes the record with its message escaped.
func (h printable) Handle(ctx context.Context, r slog.Record) error {
	if clean := escaped(r.Message); clean != r.Message {
		same := slog.NewRecord(r.Time, r.Level, clean, r.PC)
		r.Attrs(func(a slog.Attr) bool { same.AddAttrs(a); return true })
		r = same
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the escaping.
func (h printable) WithAttrs(attrs []slog.Attr) slog.Handler {
	return printable{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the escaping.
func (h printable) WithGroup(name string) slog.Handler { return printable{h.Handler.WithGroup(name)} }

// escaped writes what no page shows as a Go string would.
func escaped(text string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
	if !strings.ContainsFunc(text, odd) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if odd(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			out.WriteString(quoted[1 : len(quoted)-1])
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}

// controls writes JSON whose texts command no terminal: JSON itself escapes only the control characters below 0x20.
type controls struct{ io.Writer }

// Write escapes DEL and the characters from U+0080 to U+009F, which stand in no JSON but within its texts.
func (w controls) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0x7f) < 0 && bytes.IndexByte(p, 0xc2) < 0 {
		return w.Writer.Write(p)
	}
	out := make([]byte, 0, len(p)+16)
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == 0x7f:
			out = append(out, `\u007f`...)
		case p[i] == 0xc2 && i+1 < len(p) && p[i+1] >= 0x80 && p[i+1] < 0xa0:
			out = fmt.Appendf(out, `\u00%02x`, p[i+1])
			i++
		default:
			out = append(out, p[i])
		}
	}
	if _, err := w.Writer.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
