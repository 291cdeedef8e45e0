package geo

import "net/netip"

// public reduces an address to the one to look up; false when no database can know it: private, reserved, for
// documentation, or not an address at all.
func public(addr netip.Addr) (netip.Addr, bool) {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		b := addr.As16()
		if !isNAT64(&b) {
			return addr, publicV6(&b)
		}
		addr = netip.AddrFrom4([4]byte(b[12:]))
	}
	return addr, addr.Is4() && publicV4(addr.As4())
}

// publicV4 follows IANA's registry of special-purpose addresses (RFC 6890 and its updates).
func publicV4(b [4]byte) bool {
	switch b[0] {
	case 0, 10, 127:
		return false
	case 100:
		return b[1]&0xc0 != 64 // 100.64.0.0/10, shared by the customers of a provider
	case 169:
		return b[1] != 254
	case 172:
		return b[1]&0xf0 != 16
	case 192:
		special := b[1] == 0 && (b[2] == 0 || b[2] == 2) || b[1] == 88 && b[2] == 99 || b[1] == 168
		return !special
	case 198:
		special := b[1]&0xfe == 18 || b[1] == 51 && b[2] == 100
		return !special
	case 203:
		special := b[1] == 0 && b[2] == 113
		return !special
	}
	return b[0] < 224 // multicast, reserved, broadcast
}

// publicV6: only 2000::/3 is global unicast, and parts of it are not. 6to4 and Teredo addresses carry an IPv4 address,
// but that of a relay or whatever the sender likes, so they say nothing about a place.
func publicV6(b *[16]byte) bool {
	switch {
	case b[0]&0xe0 != 0x20:
		return false
	case b[0] == 0x20 && b[1] == 0x01:
		special := b[2] < 2 || b[2] == 0x0d && b[3] == 0xb8 // 2001::/23 with Teredo, 2001:db8::/32
		return !special
	case b[0] == 0x20 && b[1] == 0x02:
		return false // 6to4
	case b[0] == 0x3f && b[1] == 0xff:
		return b[2]&0xf0 != 0 // 3fff::/20, documentation
	}
	return true
}

// isNAT64 recognises 64:ff9b::/96, which stands for the IPv4 address in its last four bytes.
func isNAT64(b *[16]byte) bool {
	return [12]byte(b[:12]) == [12]byte{0x00, 0x64, 0xff, 0x9b}
}
