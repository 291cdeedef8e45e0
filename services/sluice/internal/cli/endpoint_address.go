package cli

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// payloadPath is where a receiver takes deliveries; an endpoint's id follows.
const payloadPath = "/v1/endpoints/"

// unknownBase stands for an address that nobody told us.
const unknownBase = "https://YOUR-PUBLIC-HOST"

// address is an endpoint's Payload URL and whether Auth0 can reach it.
type address struct {
	URL    string `json:"payload_url"`
	Public bool   `json:"public"`
	// Hint says why Auth0 cannot reach the URL and what to do; empty when nothing speaks against it.
	Hint string `json:"hint,omitempty"`
	// known is false when the URL holds a placeholder, so that nobody can connect to it.
	known bool
}

// address works out the Payload URL of an endpoint: from the flag, else what the receiver was told, else its listener.
func (s *Session) address(flag, id string) (address, error) {
	base, err := s.base(flag)
	if err != nil {
		return address{}, err
	}
	if base == "" {
		hint := "Nobody told us the address of the receiver: say --public-url https://HOST, or set RECEIVER_PUBLIC_URL."
		return address{URL: unknownBase + payloadPath + id, Hint: hint}, nil
	}
	u, err := parseBase(base)
	if err != nil {
		return address{}, err
	}
	at := address{URL: u.String() + payloadPath + id, known: true, Hint: unreachable(u)}
	at.Public = at.Hint == ""
	return at, nil
}

func (s *Session) base(flag string) (string, error) {
	switch {
	case flag != "":
		return flag, nil
	case s.PublicURL != "":
		return s.PublicURL, nil
	case s.Ready == nil || s.Ready.PayloadURL == "":
		return "", nil
	}
	base, _, found := strings.Cut(s.Ready.PayloadURL, payloadPath)
	if !found {
		return "", fmt.Errorf("reading ready.json: payload_url %q has no %s in it", s.Ready.PayloadURL, payloadPath)
	}
	return base, nil
}

// parseBase checks a public address such as https://logs.example.com or https://example.com/auth0.
func parseBase(base string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil {
		return nil, fmt.Errorf("reading the public URL: %w", err)
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return nil, fmt.Errorf("public URL %q: write it as https://HOST, with a path only if a proxy adds one", base)
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("public URL of %s: leave out user, query and fragment; the token goes into the Authorization header", u.Host)
	case strings.Contains(u.Path+"/", payloadPath):
		return nil, fmt.Errorf("public URL %q: leave out %s and what follows, it is added", base, payloadPath)
	}
	return u, nil
}

// howPublic is what an operator can do about an address that Auth0 cannot reach.
const howPublic = "Put a reverse proxy with a publicly trusted certificate in front, or open a tunnel, and give its address as --public-url https://HOST."

// unreachable says why Auth0 cannot post to an address; empty when nothing speaks against it.
func unreachable(u *url.URL) string {
	if private(u.Hostname()) {
		return "Auth0 cannot reach this address yet: " + u.Hostname() + " exists only on this machine or network. " + howPublic
	}
	if u.Scheme != "https" {
		return "Auth0 cannot use this address yet: it posts to https only, with a certificate that is publicly trusted. " + howPublic
	}
	return ""
}

// private reports whether a host is one that the internet cannot reach, as far as its name or number tells.
func private(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal")
}

// hostPort is where a TLS connection to the address goes.
func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), "443")
}
