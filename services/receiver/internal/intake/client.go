package intake

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks whose word about the client's address is taken.
type Proxies []netip.Prefix

// ParseProxies reads networks such as 10.0.0.0/8 and single addresses.
func ParseProxies(networks []string) (Proxies, error) {
	var all Proxies
	for _, text := range networks {
		text = strings.TrimSpace(text)
		one, err := netip.ParsePrefix(text)
		if err != nil {
			var single netip.Addr
			if single, err = netip.ParseAddr(text); err == nil {
				one = netip.PrefixFrom(single, single.BitLen())
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%q is neither a network such as 10.0.0.0/8 nor an address", text)
		}
		if one.Bits() == 0 {
			return nil, fmt.Errorf("%q would believe everybody: name the proxies' own networks", text)
		}
		all = append(all, one.Masked())
	}
	return all, nil
}

func (p Proxies) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(one netip.Prefix) bool { return one.Contains(a) })
}

// maxHops bounds how many proxies in a row are believed.
const maxHops = 16

// client is the address of whoever sent the request, as far as it can be believed: each proxy wrote down, at the end of
// X-Forwarded-For, from whom it had the request, so the list is read from its end, for as long as those who wrote are
// trusted. What stands before that may be made up.
func (p Proxies) client(r *http.Request) netip.Addr {
	at := peer(r)
	if len(p) == 0 {
		return at
	}
	lists := r.Header.Values("X-Forwarded-For")
	for hops := 0; hops < maxHops && p.trusts(at) && len(lists) > 0; hops++ {
		last := len(lists) - 1
		before, hop := "", lists[last]
		if i := strings.LastIndexByte(hop, ','); i >= 0 {
			before, hop = hop[:i], hop[i+1:]
		}
		if lists = lists[:last:last]; before != "" {
			lists = append(lists, before)
		}
		next, ok := parseHop(hop)
		if !ok { // such as unknown: who wrote it is all that we know
			return at
		}
		at = next
	}
	return at
}

// parseHop reads an address as proxies write it: alone, in brackets, with a port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err == nil {
		return plain(a), true
	}
	at, err := netip.ParseAddrPort(text)
	return plain(at.Addr()), err == nil
}

// plain is the one form of an address: an IPv4 one is no IPv6 one, and a zone means something on its own machine only.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// peer is the address of the other end of the connection: Auth0 or a proxy, never an end user.
func peer(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr) // the server wrote it
	return plain(at.Addr())
}
