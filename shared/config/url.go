package config

import (
	"net/url"
	"strings"
)

// URL is one address or several separated by commas. Printing it hides passwords; Reveal gives it whole.
type URL string

// Reveal returns the address with its credentials.
func (u URL) Reveal() string { return string(u) }

// String hides the password of each address.
func (u URL) String() string {
	parts := strings.Split(string(u), ",")
	for i, part := range parts {
		parsed, err := url.Parse(strings.TrimSpace(part))
		if err != nil {
			parts[i] = "(unreadable address)"
			continue
		}
		parts[i] = parsed.Redacted()
	}
	return strings.Join(parts, ",")
}

// GoString hides the password in %#v.
func (u URL) GoString() string { return u.String() }

// MarshalText hides the password in JSON and logs.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
