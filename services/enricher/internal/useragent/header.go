package useragent

import "strings"

// product is `name/version` outside the comments.
type product struct{ name, version string }

// header is a user agent as sent, taken apart.
type header struct {
	text     string
	products [16]product
	count    int
	platform string // the inside of the first comment, where browsers name the system
}

func parseHeader(text string) agent {
	h := &header{text: text}
	h.scan()
	a := readPlatform(h.platform)
	if name, version := spider(text); name != "" {
		a.name, a.version, a.device = name, version, "Spider"
		return a
	}
	if a.os == "Linux" && h.has("Ubuntu") {
		a.os = "Ubuntu"
	}
	if a.os == "Android" && a.device == "" && h.has("Mobile") {
		a.device = "Generic Smartphone"
	}
	if strings.HasPrefix(text, "Mozilla/") || strings.HasPrefix(text, "Opera/") {
		h.browser(&a)
	} else {
		h.tool(&a)
	}
	return a
}

func (h *header) all() []product { return h.products[:h.count] }

// version is the version of the product with that name, empty when there is none.
func (h *header) version(name string) string {
	for i := range h.count {
		if h.products[i].name == name {
			return h.products[i].version
		}
	}
	return ""
}

func (h *header) has(name string) bool {
	for i := range h.count {
		if h.products[i].name == name {
			return true
		}
	}
	return false
}

// scan finds the products, as many as there is room for, and the first comment. A word without a slash is a product without version, unless the next
// word is a number: `Instagram 302.0.0`.
func (h *header) scan() {
	for s := h.text; s != "" && h.count < len(h.products); {
		switch s[0] {
		case ' ', ';', ',', '+':
			s = s[1:]
		case '(':
			inside, rest := comment(s)
			if h.platform == "" {
				h.platform = inside
			}
			s = rest
		default:
			end := strings.IndexAny(s, " (")
			if end < 0 {
				end = len(s)
			}
			h.add(s[:end])
			s = s[end:]
		}
	}
}

// comment splits s, which begins with a parenthesis, behind the one that closes it.
func comment(s string) (inside, rest string) {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return s[1:i], s[i+1:]
			}
		}
	}
	return s[1:], ""
}

func (h *header) add(word string) {
	name, version, slash := strings.Cut(word, "/")
	if number := strings.TrimPrefix(word, "v"); !slash && startsWithDigit(number) && h.count > 0 {
		if last := &h.products[h.count-1]; last.version == "" {
			last.version = leading(number)
		}
		return
	}
	if inner, number, nested := strings.Cut(version, "/"); nested && hasLetter(inner) { // XiaoMi/MiuiBrowser/13.18.0
		name, version = inner, number
	}
	if name != "" {
		h.products[h.count] = product{name, leading(version)}
		h.count++
	}
}
