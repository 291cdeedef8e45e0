package deadletter

import "github.com/sluicelog/sluice/shared/stream"

// Written is how a letter lies in the stream, without its body.
func Written(l *Letter) (place string, h stream.Header) { return subject(l), header(l) }

// Read is the letter in a stored message.
var Read = letter
