package cli

import "github.com/sluicelog/sluice/shared/delivery"

// maxUnpacked bounds a decompressed body, in bytes.
const maxUnpacked = 64 << 20

// unpack decompresses a body within bounds.
func unpack(encoding string, body []byte) ([]byte, error) {
	return (&delivery.Delivery{Encoding: encoding, Body: body}).Plain(maxUnpacked)
}
