package useragent

import "strings"

// model is the device that a part of an Android comment names, empty when the part is about something else.
func model(part string) string {
	name, _, _ := strings.Cut(part, " Build")
	name, _, _ = strings.Cut(name, "Build/")
	name = strings.TrimSpace(name)
	switch name {
	case "Mobile":
		return "Generic Smartphone"
	case "Tablet":
		return "Generic Tablet"
	case "", "U", "K", "wv", "Microsoft": // K is what Chrome says instead of a model
		return ""
	}
	if isLanguage(name) || strings.HasPrefix(name, "rv:") || strings.HasPrefix(name, "HMSCore") || name == "HarmonyOS" {
		return ""
	}
	return branded(name)
}

// branded puts the maker before the models that are usually known by it.
func branded(name string) string {
	if rest, found := strings.CutPrefix(name, "SAMSUNG "); found {
		return "Samsung " + rest
	}
	if rest, found := strings.CutPrefix(name, "moto "); found {
		return "Motorola " + rest
	}
	for _, series := range [...]struct{ prefix, maker string }{
		{"SM-", "Samsung "}, {"GT-", "Samsung "}, {"Redmi ", "XiaoMi "},
	} {
		if strings.HasPrefix(name, series.prefix) {
			return series.maker + name
		}
	}
	return name
}

// isLanguage knows en, en-us and en_US.
func isLanguage(s string) bool {
	if len(s) != 2 && (len(s) != 5 || s[2] != '-' && s[2] != '_') {
		return false
	}
	return s[0] >= 'a' && s[0] <= 'z' && s[1] >= 'a' && s[1] <= 'z'
}

// systemType is ECS's os.type, empty where ECS has none for it.
func systemType(os string) string {
	switch os {
	case "Android", "Fire OS":
		return "android"
	case "iOS", "iPadOS":
		return "ios"
	case "Mac OS X", "Mac OS":
		return "macos"
	case "FreeBSD", "OpenBSD", "NetBSD", "DragonFly BSD", "Solaris", "AIX":
		return "unix"
	case "Linux", "Chrome OS", "Ubuntu", "Kubuntu", "Fedora", "Debian", "CentOS", "Red Hat", "SUSE", "Gentoo",
		"Arch Linux", "Linux Mint", "Mint", "Mageia", "Slackware", "Tizen", "Web0S":
		return "linux"
	}
	if strings.HasPrefix(os, "Windows") {
		return "windows"
	}
	return ""
}
