package elastic

import (
	"crypto/sha256"
	"encoding/hex"
)

// shortHash is enough of a hash to notice a change.
func shortHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
