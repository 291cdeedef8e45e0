// Package useragent tells what a user agent says of itself, as members of an ECS user_agent object.
//
// Auth0 writes two forms. The short one is the usual one: `Chrome 107.0.0 / Windows 10.0.0`, made by a parser of the
// uap family. The other is the header as sent. Both give the same names, those of Elasticsearch's user_agent processor,
// so that saved searches and dashboards find what they know.
//
// It differs from the processor where that says nothing or guesses: members without knowledge are left out (no "Other"),
// os.full is not written because it repeats name and version, and versions of systems lose trailing zeros, because the
// short form fills up with them and nobody could tell "17" from "17.0.0".
package useragent

import "hash/maphash"

// maxText is how much of a user agent is looked at, in bytes. Real ones have 20 to 350; what lies behind is not worth
// the time that a sender could make us spend on it.
const maxText = 512

// The longest values that are written, in bytes.
const (
	maxName    = 64
	maxSystem  = 32
	maxVersion = 32
	maxDevice  = 64
)

// Parser remembers what it was asked before, up to 4,096 user agents in about 4 MiB. It is safe for concurrent use.
type Parser struct {
	seed  maphash.Seed
	known cache
}

// New makes a parser that knows nothing yet.
func New() *Parser { return &Parser{seed: maphash.MakeSeed()} }

// Lookup returns the members to stand inside a user_agent object, without braces and without a leading comma:
//
//	"name":"Chrome","version":"107.0.0","os":{"name":"Windows","version":"10","type":"windows"}
//
// It returns nil when nothing is known. text is the inside of a JSON string with its escapes as written. The result is
// valid JSON whatever text holds, has at most 512 bytes, and is shared: callers copy it and never write to it.
func (p *Parser) Lookup(text []byte) []byte {
	if len(text) == 0 {
		return nil
	}
	text = text[:min(len(text), maxText)]
	hash := maphash.Bytes(p.seed, text)
	if e := p.known.find(hash, text); e != nil {
		return e.members
	}
	members := render(parse(unescape(text)))
	p.known.keep(hash, text, members)
	return members
}

// agent is what a user agent says; empty where it says nothing.
type agent struct {
	name, version string
	os, osVersion string
	device        string
}

func parse(text string) agent {
	a, ok := parseShort(text)
	if !ok {
		a = parseHeader(text)
	}
	return a.tidied()
}

// tidied is a within the limits of what is stored, without values that only say that nothing is known.
func (a agent) tidied() agent {
	if a.name == "Other" || !hasLetter(a.name) {
		a.name, a.version = "", ""
	}
	if a.os == "Other" || !hasLetter(a.os) {
		a.os, a.osVersion = "", ""
	}
	a.name, a.version = cut(spaced(a.name), maxName), cut(a.version, maxVersion)
	a.os, a.osVersion = cut(a.os, maxSystem), cut(trimZeros(a.osVersion), maxVersion)
	a.device = cut(a.device, maxDevice)
	return a
}

// render writes the members of a; nil when there are none.
func render(a agent) []byte {
	var room [maxText]byte
	b := appendMember(room[:0], "name", a.name)
	b = appendMember(b, "version", a.version)
	if a.os != "" {
		b = appendKey(b, "os")
		b = append(b, '{')
		b = appendMember(b, "name", a.os)
		b = appendMember(b, "version", a.osVersion)
		b = appendMember(b, "type", systemType(a.os))
		b = append(b, '}')
	}
	if a.device != "" {
		b = appendKey(b, "device")
		b = append(b, '{')
		b = append(appendMember(b, "name", a.device), '}')
	}
	if len(b) == 0 {
		return nil
	}
	// A copy without room to spare: an append by a caller must not write into what others read.
	members := make([]byte, len(b))
	copy(members, b)
	return members
}
