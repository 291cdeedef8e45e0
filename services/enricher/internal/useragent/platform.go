package useragent

import "strings"

// maxParts is how many parts of a comment are looked at; browsers have 3 to 8.
const maxParts = 16

// readPlatform reads system and device from a comment such as `Linux; Android 13; Pixel 7 Build/TQ3A`.
func readPlatform(comment string) agent {
	var a agent
	rest := comment
	for n := 0; n < maxParts && rest != "" && a.os != "Windows Phone"; n++ {
		var part string
		part, rest, _ = strings.Cut(rest, ";")
		part = strings.TrimSpace(part)
		if a.os == "Android" && a.device == "" {
			a.device = model(part)
			continue
		}
		if os, version := system(part); os != "" && (a.osVersion == "" || os == "Windows Phone") {
			// Linux is said before the name of every system that is made of it.
			if os != "Linux" || a.os == "" {
				a.os, a.osVersion = os, version
			}
		}
		if name := machine(part); name != "" && a.device == "" {
			a.device = name
		}
	}
	return a
}

// system is the system that a part of a comment names, empty for none.
func system(part string) (name, version string) {
	if part == "" {
		return "", ""
	}
	first, rest, _ := strings.Cut(part, " ")
	switch first {
	case "Windows":
		return windows(rest)
	case "Microsoft":
		if strings.HasPrefix(rest, "Windows ") {
			return "Windows", leading(rest[len("Windows "):])
		}
		return "", ""
	case "Android", "Tizen", "FreeBSD", "OpenBSD", "NetBSD", "Web0S", "Ubuntu", "Fedora", "Debian", "iOS":
		if !startsWithDigit(rest) { // FreeBSD amd64
			return first, ""
		}
		return first, leading(rest)
	case "CrOS":
		return "Chrome OS", leading(rest[strings.LastIndexByte(rest, ' ')+1:])
	case "iPhone", "iPad", "iPod":
		return "iOS", ""
	case "CPU":
		return "iOS", underscored(after(part, " OS "))
	case "Macintosh", "macOS", "darwin", "Darwin":
		return "Mac OS X", ""
	case "Linux", "linux-gnu", "linux", "X11":
		return unixoid(first, rest)
	}
	if strings.Contains(part, "Mac OS X") {
		return "Mac OS X", underscored(after(part, "Mac OS X "))
	}
	return "", ""
}

func unixoid(first, rest string) (name, version string) {
	if first == "X11" {
		return "", ""
	}
	if strings.HasPrefix(rest, "Android") { // some apps leave out the semicolon
		return system(rest)
	}
	return "Linux", ""
}

// windows names a Windows by what it is sold as: NT 6.1 is 7.
func windows(rest string) (name, version string) {
	if after, found := strings.CutPrefix(rest, "Phone "); found {
		return "Windows Phone", leading(strings.TrimPrefix(after, "OS "))
	}
	after, nt := strings.CutPrefix(rest, "NT")
	number := leading(strings.TrimSpace(after))
	if !nt {
		return "Windows", number
	}
	switch number {
	case "10.0", "6.4":
		return "Windows", "10"
	case "6.3":
		return "Windows", "8.1"
	case "6.2":
		return "Windows", "8"
	case "6.1":
		return "Windows", "7"
	case "6.0":
		return "Windows", "Vista"
	case "5.1", "5.2":
		return "Windows", "XP"
	case "5.0":
		return "Windows", "2000"
	}
	return "Windows", ""
}

// underscored reads 10_15_7.
func underscored(s string) string {
	if !startsWithDigit(s) {
		return ""
	}
	return strings.ReplaceAll(leading(s), "_", ".")
}

// machine is the device that a part of a comment names beside the system.
func machine(part string) string {
	switch {
	case part == "iPhone" || part == "iPad":
		return part
	case strings.HasPrefix(part, "iPod"):
		return "iPod"
	case part == "Macintosh":
		return "Mac"
	case strings.HasPrefix(part, "PlayStation ") || strings.HasPrefix(part, "Nintendo ") || strings.HasPrefix(part, "Xbox"):
		name, _, _ := strings.Cut(part, "/")
		return name
	}
	return ""
}
