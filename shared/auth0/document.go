package auth0

import (
	"crypto/sha256"
	"encoding/base64"
)

// DocumentID is the `_id` of an event's document: a hash of fixed length, so that no log id, however long or odd, can
// spoil a bulk. tenant is data.tenant_name or, where the event names none, the endpoint's id.
func DocumentID(tenant, logID string) string {
	var buffer [256]byte
	text := append(buffer[:0], tenant...)
	text = append(text, 0) // no tenant's name holds a NUL, so the pair cannot be read another way
	text = append(text, logID...)
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Tenant is the tenant that the event names, empty when it names none.
func (e *Event) Tenant() string { return e.Text("tenant_name") }
