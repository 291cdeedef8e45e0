package useragent

// known is the name that the product of a browser goes by, and how much it says.
func known(product string) (name string, weight int) {
	switch product {
	case "Mozilla", "AppleWebKit", "Gecko", "KHTML", "Version", "Mobile", "Presto", "like", "TV", "XiaoMi",
		"Trident", "WebAppManager", "Build":
		return "", nothing
	case "Safari":
		return product, safari
	case "Chrome", "Firefox":
		return product, engine
	case "AppleNews", "Brave", "Chromium", "DuckDuckGo", "Electron", "Epiphany", "HeadlessChrome", "Instagram",
		"Iron", "Konqueror", "MiuiBrowser", "Opera", "PaleMoon", "PhantomJS", "Puffin", "SeaMonkey", "Snapchat",
		"Thunderbird", "Vivaldi", "Waterfox", "Whale", "WindowsPowerShell":
		return renamed(product), brand
	}
	if name := alias(product); name != "" {
		return name, brand
	}
	return product, unknown
}

func renamed(product string) string {
	if product == "DuckDuckGo" {
		return "DuckDuckGo Mobile"
	}
	return product
}

// alias is the name of a browser that calls itself something else in the header.
func alias(product string) string {
	switch product {
	case "Edg", "Edge":
		return "Edge"
	case "EdgA", "EdgiOS":
		return "Edge Mobile"
	case "OPR":
		return "Opera"
	case "OPT":
		return "Opera Touch"
	case "OPiOS":
		return "Opera Mini"
	case "SamsungBrowser":
		return "Samsung Internet"
	case "CriOS":
		return "Chrome Mobile iOS"
	case "FxiOS":
		return "Firefox iOS"
	case "GSA":
		return "Google"
	case "Ddg":
		return "DuckDuckGo"
	case "YaBrowser":
		return "Yandex Browser"
	case "UCBrowser":
		return "UC Browser"
	case "HuaweiBrowser":
		return "Huawei Browser"
	case "Silk":
		return "Amazon Silk"
	case "QQBrowser", "MQQBrowser":
		return "QQ Browser"
	case "MicroMessenger":
		return "WeChat"
	case "Line":
		return "LINE"
	}
	return ""
}
