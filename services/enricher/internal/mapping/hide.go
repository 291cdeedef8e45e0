package mapping

import "bytes"

// hiding reports how a log stream hides personal data in a text, zero when it does not. Auth0 replaces a value by
// asterisks, in whole or in part, or by its xxHash in hexadecimal digits.
func hiding(text []byte) flag {
	if bytes.Contains(text, []byte("**")) || len(text) > 0 && len(bytes.Trim(text, "*")) == 0 {
		return flagPIIMasked
	}
	if isHash(text) {
		return flagPIIHashed
	}
	return 0
}

// isHash reports whether a text has the form of an xxHash of 64 bits: 16 hexadecimal digits with a letter among them, so
// that a long number is none.
func isHash(text []byte) bool {
	if len(text) != 16 {
		return false
	}
	letters := 0
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'f':
			letters++
		case c < '0' || c > '9':
			return false
		}
	}
	return letters > 0
}
