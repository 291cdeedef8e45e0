package simulator

import (
	"bytes"
	"math/rand/v2"
)

const (
	hexDigits = "0123456789abcdef"
	tokenText = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// dice is the tenant's only source of chance.
type dice struct {
	*rand.Rand
}

func (d *dice) chance(share float64) bool {
	return share > 0 && d.Float64() < share
}

// between returns a number from low to high, both included.
func (d *dice) between(low, high int) int {
	return low + d.IntN(high-low+1)
}

func (d *dice) appendHex(b []byte, n int) []byte {
	for n > 0 {
		bits := d.Uint64()
		for range min(n, 16) {
			b = append(b, hexDigits[bits&15])
			bits >>= 4
		}
		n -= 16
	}
	return b
}

// appendToken appends n characters of base64url, the alphabet of Auth0's ids. None begins like a token of Sluice: whoever
// looks for leaked ones would find it.
func (d *dice) appendToken(b []byte, n int) []byte {
	start := len(b)
	for n > 0 {
		bits := d.Uint64()
		for range min(n, 10) {
			b = append(b, tokenText[bits&63])
			bits >>= 6
		}
		n -= 10
	}
	return unlikeToken(b, start)
}

// unlikeToken changes the id that begins at start if it begins like a token.
func unlikeToken(b []byte, start int) []byte {
	if bytes.HasPrefix(b[start:], []byte("slc_")) {
		b[start] = 'S'
	}
	return b
}

func (d *dice) hex(n int) string {
	return string(d.appendHex(make([]byte, 0, n), n))
}

func (d *dice) token(n int) string {
	return string(d.appendToken(make([]byte, 0, n), n))
}

func (d *dice) digits(n int) string {
	b := make([]byte, 0, n)
	for range n {
		b = append(b, byte('0'+d.IntN(10)))
	}
	return string(b)
}

// pick returns one of the choices, each equally likely.
func pick[T any](d *dice, choices []T) T {
	return choices[d.IntN(len(choices))]
}

// pickEarly prefers the front of the choices, as a few people and
// applications make most of a tenant's traffic.
func pickEarly[T any](d *dice, choices []T) T {
	share := d.Float64()
	return choices[int(share*share*float64(len(choices)))]
}
