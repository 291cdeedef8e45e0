package useragent

import "strings"

// How much a product says about which browser this is. Browsers also name all those that they want to be taken for.
const (
	nothing = iota
	unknown // a name nobody pretends to have
	safari
	engine // Chrome, Firefox: so many imitate them that another brand counts more
	brand
)

// browser reads what begins with Mozilla/, as nearly every browser does.
func (h *header) browser(a *agent) {
	best := nothing
	for _, p := range h.all() {
		name, weight := known(p.name)
		if weight == unknown && p.version == "" {
			continue
		}
		if weight > best {
			best, a.name, a.version = weight, name, p.version
		}
	}
	if best == unknown && !isName(a.name) {
		a.name, a.version = "", ""
	}
	switch {
	case strings.Contains(h.text, "FBAV/"):
		a.name, a.version = "Facebook", leading(after(h.text, "FBAV/"))
	case best >= safari:
		h.variant(a)
	case a.os == "iOS" && h.has("AppleWebKit"): // the view that apps show pages in, whatever app it is
		a.name, a.version = "Mobile Safari UI/WKWebView", ""
	case best == nothing:
		h.nameless(a)
	}
}

// variant tells the mobile sisters of a browser apart, which have names of their own.
func (h *header) variant(a *agent) {
	mobile := h.has("Mobile")
	switch a.name {
	case "Chrome":
		switch {
		case a.os != "Android":
		case h.version("Version") != "" || strings.HasSuffix(h.platform, "wv"):
			a.name = "Chrome Mobile WebView"
		case mobile:
			a.name = "Chrome Mobile"
		}
	case "Firefox":
		if a.os == "Android" {
			a.name = "Firefox Mobile"
		}
	case "Opera":
		if version := h.version("Version"); version != "" && h.has("Presto") {
			a.version = version
		}
		if mobile {
			a.name = "Opera Mobile"
		}
	case "Edge":
		if mobile {
			a.name = "Edge Mobile"
		}
	case "Safari":
		a.version = h.version("Version")
		switch {
		case a.os == "Android": // the browser that Android had before Chrome
			a.name, a.version = "Android", a.osVersion
		case a.os == "iOS" && a.version == "":
			a.name = "Mobile Safari UI/WKWebView"
		case a.os == "iOS":
			a.name = "Mobile Safari"
		}
	}
}

// nameless looks into the comment, where Internet Explorer and many a scanner have their name.
func (h *header) nameless(a *agent) {
	switch {
	case strings.Contains(h.platform, "MSIE "):
		a.name, a.version = "IE", leading(after(h.platform, "MSIE "))
	case strings.Contains(h.platform, "Trident/"):
		a.name, a.version = "IE", leading(after(h.platform, "rv:"))
	case strings.HasPrefix(h.platform, "compatible;"):
		part, _, _ := strings.Cut(h.platform[len("compatible;"):], ";")
		name, version, _ := strings.Cut(strings.TrimSpace(part), "/")
		if isName(name) && strings.Count(name, " ") < maxWords {
			a.name, a.version = name, leading(version)
		}
	}
}

// after is what follows mark in s, empty when it is not there.
func after(s, mark string) string {
	_, rest, _ := strings.Cut(s, mark)
	return rest
}
