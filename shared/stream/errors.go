package stream

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What a refused or unanswered request means to the caller.
var (
	// ErrFull says that the stream or its server has no room: nothing was stored, try later.
	ErrFull = errors.New("stream is full")
	// ErrAway says that no answer came: the message may or may not be stored.
	ErrAway = errors.New("stream does not answer")
	// ErrExists says that the subject, key or revision is already taken.
	ErrExists = errors.New("already there")
	// ErrNotFound says that there is no such message, key, stream or consumer.
	ErrNotFound = errors.New("not found")
	// ErrDenied says that our user in NATS lacks a permission: nothing was stored, and somebody must act.
	ErrDenied = errors.New("NATS denies it to our user")
	// ErrTooLarge says that the message is larger than the server takes.
	ErrTooLarge = errors.New("message is larger than the server's max_payload")
)

// Codes of JetStream's own error table that decide what a refusal means.
const (
	codeStoreFailed      = 10077 // the store refused: with DiscardNew, maximum bytes or messages exceeded
	codeResources        = 10023
	codeStorageExceeded  = 10047
	codeAccountExceeded  = 10002
	codeWrongLastSubject = 10071
	codeWrongLastKnown   = 10164
)

// classify adds one of this package's errors to err, so that callers need not know nats.go.
func classify(err error) error {
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api):
		return classifyAPI(api, err)
	case errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrKeyNotFound),
		errors.Is(err, jetstream.ErrKeyDeleted), errors.Is(err, jetstream.ErrStreamNotFound),
		errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrBucketNotFound):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	case errors.Is(err, jetstream.ErrKeyExists):
		return fmt.Errorf("%w: %w", ErrExists, err)
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	default:
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
}

func classifyAPI(api *jetstream.APIError, err error) error {
	switch api.ErrorCode {
	case codeStoreFailed, codeResources, codeStorageExceeded, codeAccountExceeded:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case codeWrongLastSubject, codeWrongLastKnown:
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	if api.Code == 404 {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return fmt.Errorf("%w: %w", ErrAway, err)
}
