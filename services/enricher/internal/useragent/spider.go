package useragent

import "strings"

// spider finds the name of a crawler or monitor, wherever it stands; empty when there is none. Crawlers pretend to be
// whole browsers and put their name into a comment.
func spider(text string) (name, version string) {
	for _, mark := range [...]string{"bot", "Bot", "BOT", "pider", "rawler"} {
		for from := 0; ; {
			at := strings.Index(text[from:], mark)
			if at < 0 {
				break
			}
			start, stop := word(text, at+from)
			if name, version = crawler(text, start, stop); name != "" {
				return name, version
			}
			from = stop // each word once, however many marks a hostile one has
		}
	}
	return service(text)
}

// word says where the word around text[at] begins and ends.
func word(text string, at int) (start, stop int) {
	start, stop = at, at
	for start > 0 && inWord(text[start-1]) {
		start--
	}
	for stop < len(text) && inWord(text[stop]) {
		stop++
	}
	return start, stop
}

// crawler is text[start:stop] when that is a crawler's name and not part of an address.
func crawler(text string, start, stop int) (name, version string) {
	name = text[start:stop]
	if start > 0 && strings.IndexByte("/@:", text[start-1]) >= 0 || !isSpider(name) {
		return "", ""
	}
	rest := text[stop:]
	if strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, " ") && len(rest) > 1 && isDigit(rest[1]) {
		version = leading(rest[1:])
	}
	if strings.HasPrefix(name, "Pingdom.com_bot_version_") {
		return "PingdomBot", strings.Trim(name[len("Pingdom.com_bot_version_"):], "_")
	}
	return name, version
}

func inWord(c byte) bool {
	return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '_' || c == '.' || c == '!'
}

// isSpider says that a name is one that only programs give themselves.
func isSpider(name string) bool {
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, "cubot") || strings.HasSuffix(lower, ".html") || strings.HasSuffix(lower, ".com") {
		return false // CUBOT makes telephones
	}
	for _, mark := range [...]string{"bot", "spider", "crawler"} {
		at := strings.LastIndex(lower, mark)
		if at < 0 {
			continue
		}
		if end := at + len(mark); end == len(lower) || strings.IndexByte("-_", lower[end]) >= 0 {
			return true
		}
	}
	return false
}

// service knows the crawlers and monitors whose name does not say so.
func service(text string) (name, version string) {
	for _, s := range [...]struct{ mark, name string }{
		{"facebookexternalhit", "FacebookBot"},
		{"Mediapartners-Google", "Mediapartners-Google"},
		{"GoogleOther", "GoogleOther"},
		{"Google-InspectionTool", "Google-InspectionTool"},
		{"ChatGPT-User", "ChatGPT-User"},
		{"PingdomTMS", "PingdomBot"},
		{"Yahoo! Slurp", "Yahoo! Slurp"},
		{"ia_archiver", "ia_archiver"},
		{"StatusCake", "StatusCake"},
		{"DatadogSynthetics", "DatadogSynthetics"},
		{"Datadog/Synthetics", "DatadogSynthetics"},
	} {
		if _, rest, found := strings.Cut(text, s.mark); found {
			if strings.HasPrefix(rest, "/") {
				version = leading(rest[1:])
			}
			return s.name, version
		}
	}
	return "", ""
}
