package useragent

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape is the text that a JSON string stands for, near enough for names: control characters become spaces, an
// escape that is cut off at the end becomes one too, and U+FFFD stands for broken runes and for surrogates, paired or not.
func unescape(text []byte) string {
	if !needsCare(text) {
		return string(text)
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if text[i] == '\\' {
			r, size = escape(text[i:])
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		b.WriteRune(r)
		i += size
	}
	return b.String()
}

func needsCare(text []byte) bool {
	for _, c := range text {
		if c == '\\' || c < ' ' || c >= 0x7f {
			return true
		}
	}
	return false
}

// escape decodes the escape at the beginning of text and says how long it is.
func escape(text []byte) (rune, int) {
	if len(text) < 2 {
		return ' ', len(text)
	}
	switch text[1] {
	case '"', '\\', '/':
		return rune(text[1]), 2
	case 'u':
		if len(text) < 6 {
			return ' ', len(text)
		}
		code, err := strconv.ParseUint(string(text[2:6]), 16, 16)
		if err != nil {
			return utf8.RuneError, 2
		}
		return rune(code), 6 // WriteRune makes U+FFFD of a surrogate
	default: // \b \f \n \r \t
		return ' ', 2
	}
}

// cut shortens s to at most n bytes of whole runes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimSpace(s[:n])
}

// spaced undoes the escape that Apple's network library makes of spaces in the names of apps.
func spaced(s string) string {
	if strings.Contains(s, "%20") {
		return strings.ReplaceAll(s, "%20", " ")
	}
	return s
}

func hasLetter(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c >= 'a' && c <= 'z' || s[i] >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func startsWithDigit(s string) bool { return s != "" && isDigit(s[0]) }

// trimZeros makes 10 of 10.0.0, and nothing of 0.0.0.
func trimZeros(version string) string {
	for strings.HasSuffix(version, ".0") {
		version = version[:len(version)-2]
	}
	if version == "0" {
		return ""
	}
	return version
}

// leading is the part of s before the first byte that no version has.
func leading(s string) string {
	for i := range len(s) {
		c := s[i]
		if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && c != '.' && c != '_' && c != '-' && c != '+' {
			return s[:i]
		}
	}
	return s
}

func appendKey(b []byte, key string) []byte {
	if len(b) > 0 && b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(append(b, '"'), key...)
	return append(b, '"', ':')
}

// appendMember writes a member, or nothing for an empty value. The value has no control characters: unescape sees to it.
func appendMember(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(appendKey(b, key), '"')
	for i := range len(value) {
		if c := value[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, '"')
}
