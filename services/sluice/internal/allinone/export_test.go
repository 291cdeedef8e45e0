package allinone

import (
	"github.com/sluicelog/sluice/services/receiver"
	"github.com/sluicelog/sluice/shared/config"
	"github.com/sluicelog/sluice/shared/stream"
)

// Fit is fit, for its test.
func Fit(t stream.Topology, room int64) (stream.Topology, error) { return fit(t, room) }

// SameServer is sameServer, for its test.
func SameServer(a, b string) bool { return sameServer(a, b) }

// Bodies is bodies with so much memory, for its test.
func Bodies(memory int64, wanted, largest config.Bytes) config.Bytes {
	return (&plant{memory: memory}).bodies(receiver.Own{MaxInflight: wanted, MaxBody: largest})
}
