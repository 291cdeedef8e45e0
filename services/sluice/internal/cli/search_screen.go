package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// harmlessLine writes a text from outside in one line: what moves a cursor, colours, hides or turns text round is written
// as its number.
func harmlessLine(text string) string {
	var out strings.Builder
	marks := 0
	for _, r := range text {
		if marks++; !unicode.Is(unicode.M, r) {
			marks = 0
		}
		switch {
		case unicode.IsGraphic(r) && r != utf8.RuneError && marks <= 4: // more marks would reach into other lines
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r < 0x80:
			fmt.Fprintf(&out, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\U%08x`, r)
		}
	}
	return out.String()
}

// harmlessJSON escapes in JSON what a terminal may take for a command. The value stays the same: such characters stand
// only inside of strings.
func harmlessJSON(raw []byte) []byte {
	var out bytes.Buffer
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		switch {
		case r < ' ' || unicode.IsGraphic(r) || r == utf8.RuneError:
			out.Write(raw[:size])
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		}
		raw = raw[size:]
	}
	return out.Bytes()
}

// cells is how many cells of a terminal a text takes.
func cells(text string) int { return uniseg.StringWidth(text) }

// cut shortens a text to so many cells, with an ellipsis.
func cut(text string, width int) string {
	if cells(text) <= width {
		return text
	}
	var out strings.Builder
	used, state := 0, -1
	for text != "" {
		var cluster string
		var size int
		cluster, text, size, state = uniseg.FirstGraphemeClusterInString(text, state)
		if used += size; used > width-1 {
			break
		}
		out.WriteString(cluster)
	}
	return out.String() + "…"
}

// pad fills a text up to so many cells.
func pad(text string, width int) string { return text + strings.Repeat(" ", max(0, width-cells(text))) }

// screenWidth is how wide the terminal behind w is; 0 when there is none.
func screenWidth(w io.Writer) int {
	if !terminal(w) {
		return 0
	}
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// coloured reports whether w is a terminal whose owner did not refuse colours.
func coloured(w io.Writer) bool {
	return terminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" //nolint:forbidigo // conventions, not settings of ours
}

// paint colours an outcome; text is it with its padding.
func paint(outcome, text string) string {
	colour := map[string]string{"success": "32", "failure": "31", "unknown": "33"}[outcome]
	if colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// thousands writes a number with separators.
func thousands[N ~int | ~int64](n N) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
