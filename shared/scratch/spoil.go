//go:build !race

package scratch

func spoil([]byte) {}
