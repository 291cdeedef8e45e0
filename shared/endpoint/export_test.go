package endpoint

import (
	"encoding/json"

	"github.com/sluicelog/sluice/shared/stream"
)

// Decode reads a record of the registry.
func Decode(key string, value []byte) (*Endpoint, error) {
	return decode(stream.Entry{Key: key, Value: value})
}

// Merged is what reading the board makes of two receivers' records.
func Merged(one, other []byte) (s Status, err error) {
	var more Status
	if err := json.Unmarshal(one, &s); err != nil {
		return s, err
	}
	if err := json.Unmarshal(other, &more); err != nil {
		return s, err
	}
	s.merge(more)
	return s.Clone(), nil
}

// MaxRefusals is how many refusals are kept per endpoint.
const MaxRefusals = maxRefusals
