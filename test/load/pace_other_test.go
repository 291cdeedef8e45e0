//go:build !linux

package load_test

import "time"

// nap sleeps; it comes back up to a millisecond late.
func nap(d time.Duration) { time.Sleep(d) }
