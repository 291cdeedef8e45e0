package useragent

import (
	"strconv"
	"strings"
)

// maxWords is of how many words a name without version may consist. Longer ones are sentences, not names.
const maxWords = 4

// tool reads what is not a browser: SDKs, libraries, apps. These begin with their own name.
func (h *header) tool(a *agent) {
	a.name, a.version = h.first()
	switch a.name {
	case "":
		return
	case "Dalvik": // Android's own client, named by the system it stands for
		a.name, a.version = "Android", a.osVersion
		a.os = "Android"
	case "python-requests":
		a.name = "Python Requests"
	case "Python":
		if version := h.version("aiohttp"); version != "" {
			a.name, a.version = "Python aiohttp", version
		}
	case "Java": // 1.8.0_322 is what everybody calls 8.0.322
		a.version = strings.ReplaceAll(strings.TrimPrefix(a.version, "1."), "_", ".")
	}
	if darwin := h.version("Darwin"); darwin != "" && a.os == "" {
		a.os, a.osVersion = fromDarwin(darwin, h.text)
	}
}

// first is the name and version at the beginning; several words may belong to the name: `Auth0 CLI/1.1.0`.
func (h *header) first() (name, version string) {
	end := 0
	for i, p := range h.all() {
		end = strings.Index(h.text[end:], p.name) + end + len(p.name)
		comment := strings.IndexByte(h.text, '(')
		if p.version != "" || end < len(h.text) && h.text[end] == '/' || comment >= 0 && comment <= end+1 {
			name, version = strings.TrimSpace(h.text[:end]), p.version
			break
		}
		if i == maxWords {
			return "", ""
		}
		name = strings.TrimSpace(h.text[:end])
	}
	if !isName(name) {
		return "", ""
	}
	return name, version
}

// fromDarwin tells the system from the version of its kernel. Phones and desktops share them; without a word about the
// processor it is a phone, as Elasticsearch's processor has it.
func fromDarwin(kernel, text string) (system, version string) {
	if strings.Contains(text, "x86_64") || strings.Contains(text, "i386") {
		return "Mac OS X", ""
	}
	major, _, _ := strings.Cut(kernel, ".")
	n, err := strconv.Atoi(major)
	switch {
	case err != nil || n < 13 || n > 99: // iOS 7
		return "iOS", ""
	case n >= 25: // since 2025 the systems are named after the year
		return "iOS", strconv.Itoa(n + 1)
	default:
		return "iOS", strconv.Itoa(n - 6)
	}
}
