package useragent

import "strings"

// parseShort reads `<browser> <version> / <system> <version>`; false when text is not of that form. The parser behind it
// fills up versions with zeros and says "Other" for what it does not know.
func parseShort(text string) (agent, bool) {
	if strings.HasPrefix(text, "Mozilla/") {
		return agent{}, false
	}
	at := strings.LastIndex(text, " / ")
	if at <= 0 {
		return agent{}, false
	}
	left, right := strings.TrimSpace(text[:at]), strings.TrimSpace(text[at+3:])
	if right == "" || !hasLetter(right) || startsWithDigit(right) || strings.ContainsAny(right, "/()") {
		return agent{}, false
	}
	var a agent
	a.name, a.version = splitVersion(left)
	a.os, a.osVersion = splitVersion(right)
	if a.version == "0.0.0" {
		a.version = ""
	}
	if !plain(a.name, " ._-+!&@'%/()") || !plain(a.version, " ._-+") {
		a.name, a.version = "", ""
	}
	if !plain(a.os, " ._-+") || !plain(a.osVersion, " ._-+") {
		a.os, a.osVersion = "", ""
	}
	if a.os == "macOS" {
		a.os = "Mac OS X"
	}
	switch {
	case isSpider(a.name):
		a.device = "Spider"
	case a.os == "Mac OS X":
		a.device = "Mac"
	}
	return a, true
}

// splitVersion takes `Mobile Safari 17.2.0` apart, and `Windows XP.0.0` and `Firefox 4.0 b7`.
func splitVersion(s string) (name, version string) {
	at := strings.LastIndexByte(s, ' ')
	if at < 0 {
		return s, ""
	}
	if last := s[at+1:]; startsWithDigit(last) || strings.HasSuffix(last, ".0.0") {
		return strings.TrimSpace(s[:at]), last
	}
	if before := strings.LastIndexByte(s[:at], ' '); before > 0 && isDigit(s[before+1]) {
		return strings.TrimSpace(s[:before]), s[before+1:]
	}
	return s, ""
}

// isName says that s may be what a program calls itself.
func isName(s string) bool {
	return s != "" && (isDigit(s[0]) || hasLetter(s[:1])) && plain(s, " ._-+!&@'%")
}

// plain says that s is made of letters, digits and the signs given, as names are and attempts at injection are not.
func plain(s, signs string) bool {
	for i := range len(s) {
		c := s[i]
		if c < 0x80 && !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'z') && strings.IndexByte(signs, c) < 0 {
			return false
		}
	}
	return true
}
