package geo

import (
	"errors"
	"net/netip"
)

// sample finds out what the records hold, and whether they can be read, from the first networks of every part of the
// address space. It asks address by address: walking the tree of a damaged file, which may lead back to itself, might
// never end.
func (f *file) sample() error {
	for i := range 224 {
		if err := f.taste(v4, netip.AddrFrom4([4]byte{byte(i)}), 8); err != nil {
			return err
		}
	}
	if f.reader.Metadata.IPVersion == 4 {
		return nil
	}
	for _, begin := range []byte{0x24, 0x26, 0x28, 0x2a, 0x2c, 0x30} { // where addresses are given out
		if err := f.taste(v6, netip.AddrFrom16([16]byte{begin}), 64); err != nil {
			return err
		}
	}
	return errors.Join(
		f.taste(v6, netip.AddrFrom16([16]byte{0x20, 0x01, 0x02}), 64),
		f.taste(v6, netip.AddrFrom16([16]byte{0x20, 0x03}), 64))
}

// taste reads networks from an address on, until it has seen most of them or has gone far enough.
func (f *file) taste(which family, at netip.Addr, most int) error {
	for range 8 * most {
		if _, ok := public(at); !ok {
			return nil
		}
		result := f.reader.Lookup(at)
		if err := result.Err(); err != nil {
			return err
		}
		if result.Found() {
			var x facts
			if err := errors.Join(x.read(result, (*facts).readPlace), x.read(result, (*facts).readNetwork)); err != nil {
				return err
			}
			f.offers[which].note(&x)
			if most--; most == 0 {
				return nil
			}
		}
		next, ok := after(result.Prefix())
		if !ok || next.Is4() != at.Is4() {
			return nil
		}
		at = next
	}
	return nil
}

// after is the first address behind a network.
func after(p netip.Prefix) (netip.Addr, bool) {
	if !p.IsValid() {
		return netip.Addr{}, false
	}
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, ok := netip.AddrFromSlice(b)
	next := last.Next()
	return next, ok && next.IsValid()
}
