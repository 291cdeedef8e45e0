package simulator

import (
	"fmt"
	"hash/fnv"
)

// Privacy is what a log stream does to the names, mail addresses and telephone
// numbers in its events before it sends them.
type Privacy string

// The forms in which personal data leaves a log stream.
const (
	// Plain sends them as they are.
	Plain Privacy = ""
	// Mask sends five asterisks instead.
	Mask Privacy = "mask"
	// Hash sends sixteen hexadecimal digits, equal for equal values.
	Hash Privacy = "hash"
)

// ParsePrivacy reads what to do with personal data: mask, hash, or nothing.
func ParsePrivacy(name string) (Privacy, error) {
	switch p := Privacy(name); p {
	case Plain, Mask, Hash:
		return p, nil
	}
	return Plain, fmt.Errorf("reading privacy %q: choose mask or hash, or leave it out", name)
}

func (p Privacy) cover(text string) string {
	switch p {
	case Mask:
		return "*****"
	case Hash:
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(text)) // a hash takes every byte
		return fmt.Sprintf("%016x", sum.Sum64())
	case Plain:
	}
	return text
}

// cover hides who the person is; ids stay.
func (u *user) cover(p Privacy) {
	u.full, u.handle, u.email, u.phone = p.cover(u.full), p.cover(u.handle), p.cover(u.email), p.cover(u.phone)
}

func (a *admin) cover(p Privacy) {
	a.name, a.email = p.cover(a.name), p.cover(a.email)
}
