// Package endpoint is the registry of Payload URLs: endpoints with their tokens, and the namespaces they write to.
//
// Its promise: a token itself is never stored, only a salted hash of it; at most two tokens of an endpoint are live;
// every running receiver follows a change without a restart.
package endpoint

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Endpoint is one Payload URL. Several Auth0 log streams may use it.
type Endpoint struct {
	Schema    int       `json:"schema,omitempty"` // version of the record; 0 is that of the first builds and means 1
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Created   time.Time `json:"created"`
	Revoked   bool      `json:"revoked,omitempty"` // no token is accepted any more
	Tokens    []Token   `json:"tokens"`
}

// Token is what the registry knows of an authorization token.
type Token struct {
	ID      string    `json:"id"` // for people and logs; says nothing about the token
	Salt    []byte    `json:"salt"`
	Hash    []byte    `json:"hash"` // SHA-256 of salt and token
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // end of the grace period; zero: none
}

// maxTokens is how many tokens of an endpoint may be live.
const maxTokens = 2

// bearer is the scheme that people may or may not type in front of the token.
const bearer = "bearer "

// Bare strips a leading "Bearer " so that both ways of filling Auth0's form mean the same token.
func Bare(authorization string) string {
	if len(authorization) > len(bearer) && strings.EqualFold(authorization[:len(bearer)], bearer) {
		return authorization[len(bearer):]
	}
	return authorization
}

// NewToken makes a token of 256 random bits.
func NewToken() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return "slc_" + base64.RawURLEncoding.EncodeToString(raw)
}

// NewID makes the random id of an endpoint; it is part of its Payload URL.
func NewID() string {
	raw := make([]byte, 10)
	_, _ = rand.Read(raw) // never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw))
}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// CheckID explains what is wrong with an endpoint's id.
func CheckID(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("endpoint id %q: use 1 to 63 of a-z, 0-9 and -, not beginning with -", id)
	}
	return nil
}

// ErrWeakToken says that a token is too easy to guess, or cannot arrive in a header as it is.
var ErrWeakToken = errors.New("token is not usable")

// CheckToken explains why a token that somebody brings along cannot be used.
func CheckToken(token string) error {
	bare := Bare(token)
	switch {
	case len(bare) < 16:
		return fmt.Errorf("%w: it has fewer than 16 characters", ErrWeakToken)
	case len(bare) > 4096:
		return fmt.Errorf("%w: it has more than 4096 characters", ErrWeakToken)
	case strings.TrimSpace(token) != token:
		return fmt.Errorf("%w: it begins or ends with white space, which no header keeps", ErrWeakToken)
	}
	for _, c := range []byte(token) {
		if c < 0x20 || c > 0x7e {
			return fmt.Errorf("%w: it holds characters that no header may carry", ErrWeakToken)
		}
	}
	return nil
}

// hashToken makes the registry's record of a token.
func hashToken(token string, now time.Time) Token {
	t := Token{Salt: make([]byte, 16), Created: now.UTC()}
	_, _ = rand.Read(t.Salt) // never fails
	t.Hash = digest(t.Salt, Bare(token))
	id := make([]byte, 5)
	_, _ = rand.Read(id) // never fails
	t.ID = "tok_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id))
	return t
}

func digest(salt []byte, token string) []byte {
	h := sha256.New()
	_, _ = h.Write(salt)
	_, _ = h.Write([]byte(token))
	return h.Sum(nil)
}

// Match returns the id of the live token that the Authorization header carries. Every token is compared, in constant
// time, whichever matches.
func (e *Endpoint) Match(authorization string, now time.Time) (tokenID string, ok bool) {
	bare := Bare(authorization)
	for i := range e.Tokens {
		t := &e.Tokens[i]
		same := subtle.ConstantTimeCompare(t.Hash, digest(t.Salt, bare)) == 1
		if same && t.Live(now) && !e.Revoked {
			tokenID, ok = t.ID, true
		}
	}
	return tokenID, ok
}

// Live reports whether the token is accepted at the moment now.
func (t *Token) Live(now time.Time) bool { return t.Expires.IsZero() || now.Before(t.Expires) }

// rotate adds a token and lets the others end after grace; the oldest go when more than two would be live.
func (e *Endpoint) rotate(t Token, grace time.Duration, now time.Time) {
	kept := e.Tokens[:0:0]
	for _, old := range e.Tokens {
		if !old.Live(now) {
			continue
		}
		if end := now.Add(grace).UTC(); old.Expires.IsZero() || end.Before(old.Expires) {
			old.Expires = end
		}
		if old.Live(now) {
			kept = append(kept, old)
		}
	}
	if len(kept) >= maxTokens {
		kept = kept[len(kept)-maxTokens+1:]
	}
	kept = append(kept, t)
	e.Tokens = kept
}

// revoke removes one token, or all when tokenID is empty; ok is false when there is no such token.
func (e *Endpoint) revoke(tokenID string) (ok bool) {
	if tokenID == "" {
		e.Revoked, e.Tokens = true, nil
		return true
	}
	kept := e.Tokens[:0:0]
	for _, t := range e.Tokens {
		if t.ID == tokenID {
			ok = true
			continue
		}
		kept = append(kept, t)
	}
	e.Tokens = kept
	return ok
}
