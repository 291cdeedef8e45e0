package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// StreamOptions describe a log stream. URL is the only one that must be set.
type StreamOptions struct {
	// URL is the Payload URL, http or https.
	URL string
	// Authorization is sent verbatim in the header of that name; empty sends none.
	Authorization string
	// ContentType is sent verbatim; empty is application/json.
	ContentType string
	// Shape is the form of a delivery; empty is Lines.
	Shape Shape
	// Encoding compresses deliveries: "", "gzip" or "zstd".
	Encoding string
	// Batch is how many events a delivery holds at most; zero is 100, and 1 for Single.
	Batch int
	// Concurrency is how many deliveries are under way at once; zero is 1.
	Concurrency int
	// Rate is in events per second; zero is as fast as the answers come. A batch
	// larger than one second's events leaves earlier and smaller.
	Rate float64
	// Attempts is how often a delivery is tried in one cycle; zero is 3, as Auth0 does.
	Attempts int
	// RetryWait is between two attempts; zero is 500 ms.
	RetryWait time.Duration
	// CycleWait is between two cycles; zero is 2 s.
	CycleWait time.Duration
	// MaxCycles gives a delivery up after so many cycles; zero never does.
	MaxCycles int
	// DuplicateShare of the events, from 0 to 1, is sent a second time.
	DuplicateShare float64
	// DisorderShare of the events, from 0 to 1, is held back to a later delivery.
	DisorderShare float64
	// Seed fixes which events are repeated and held back.
	Seed uint64
	// Timeout is for one attempt, answer included; zero is 10 s.
	Timeout time.Duration
	// OnResult, when set, is told of every attempt, one call at a time.
	OnResult func(Result)
	// Client replaces the HTTP client. Redirects are an answer, never followed,
	// unless it has a policy of its own.
	Client *http.Client
}

// complete fills in what was left out and refuses what cannot work. No error
// holds the Authorization value.
func (o StreamOptions) complete() (StreamOptions, error) {
	if o.Shape == "" {
		o.Shape = Lines
	}
	if o.Batch == 0 && o.Shape == Single {
		o.Batch = 1
	}
	o.Batch = orElse(o.Batch, 100)
	o.Concurrency = orElse(o.Concurrency, 1)
	o.Attempts = orElse(o.Attempts, 3)
	o.RetryWait = orElse(o.RetryWait, 500*time.Millisecond)
	o.CycleWait = orElse(o.CycleWait, 2*time.Second)
	o.Timeout = orElse(o.Timeout, 10*time.Second)
	o.ContentType = orElse(o.ContentType, "application/json")
	return o, errors.Join(o.checkTarget(), o.checkNumbers())
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

func (o StreamOptions) checkTarget() error {
	target, err := url.Parse(o.URL)
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return fmt.Errorf("reading the Payload URL %q: it must be http:// or https:// with a host", redacted(o.URL))
	}
	if !fitsHeader(o.Authorization) {
		return errors.New("reading the Authorization value: it holds a character no header can carry; check for a line break")
	}
	if !fitsHeader(o.ContentType) {
		return fmt.Errorf("reading content type %q: it holds a character no header can carry", o.ContentType)
	}
	if _, err := ParseShape(string(o.Shape)); err != nil {
		return err
	}
	switch o.Encoding {
	case "", "gzip", "zstd":
		return nil
	default:
		return fmt.Errorf("reading encoding %q: choose gzip, zstd or none", o.Encoding)
	}
}

func (o StreamOptions) checkNumbers() error {
	switch {
	case o.Batch < 1:
		return fmt.Errorf("reading batch %d: a delivery needs at least one event", o.Batch)
	case o.Batch > 1 && o.Shape == Single:
		return fmt.Errorf("reading batch %d: shape single holds one event; choose lines, array or object for more", o.Batch)
	case o.Concurrency < 1:
		return fmt.Errorf("reading concurrency %d: at least one delivery must be under way", o.Concurrency)
	case o.Attempts < 1:
		return fmt.Errorf("reading attempts %d: a cycle needs at least one", o.Attempts)
	case !(o.Rate >= 0):
		return fmt.Errorf("reading rate %v: it must be zero or more events per second", o.Rate)
	case !(o.DuplicateShare >= 0 && o.DuplicateShare <= 1):
		return fmt.Errorf("reading duplicate share %v: it must be from 0 to 1", o.DuplicateShare)
	case !(o.DisorderShare >= 0 && o.DisorderShare <= 1):
		return fmt.Errorf("reading disorder share %v: it must be from 0 to 1", o.DisorderShare)
	case o.RetryWait < 0 || o.CycleWait < 0 || o.Timeout < 0 || o.MaxCycles < 0:
		return errors.New("reading the waits, the timeout and the number of cycles: none of them can be negative")
	}
	return nil
}

// fitsHeader tells whether a header can carry a value: no control characters.
func fitsHeader(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// redacted hides the password a URL may hold.
func redacted(text string) string {
	target, err := url.Parse(text)
	if err != nil {
		return "…"
	}
	return target.Redacted()
}
