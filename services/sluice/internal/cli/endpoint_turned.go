package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicelog/sluice/shared/endpoint"
)

// turned is what an import with --overwrite has made of the tokens of an endpoint that was there.
type turned struct {
	Endpoint string   `json:"endpoint"`
	Gone     []string `json:"gone,omitempty"` // were good until now: who sends them is answered 401
	Back     []string `json:"back,omitempty"` // were revoked or replaced since the backup, and are good again
	Longer   []string `json:"longer,omitempty"`
}

// live are the tokens of all endpoints that are good now, with their end; an endpoint that cannot be read has none.
func (s *Session) live(ctx context.Context, of []*endpoint.Endpoint, now time.Time) map[string]map[string]time.Time {
	all := map[string]map[string]time.Time{}
	for _, e := range of {
		if present, err := s.Registry.Get(ctx, e.ID); err == nil {
			all[e.ID] = goodTokens(present, now)
		}
	}
	return all
}

func goodTokens(e *endpoint.Endpoint, now time.Time) map[string]time.Time {
	tokens := map[string]time.Time{}
	for _, t := range e.Tokens {
		if t.Live(now) {
			tokens[t.ID] = t.Expires
		}
	}
	return tokens
}

// turns compares the tokens of endpoints before and after they were overwritten.
func turns(before map[string]map[string]time.Time, written []*endpoint.Endpoint, now time.Time) []turned {
	all := []turned{}
	for _, e := range written {
		had, there := before[e.ID]
		if !there {
			continue
		}
		one, has := turned{Endpoint: e.ID}, goodTokens(e, now)
		for _, id := range slices.Sorted(maps.Keys(had)) {
			if _, still := has[id]; !still {
				one.Gone = append(one.Gone, id)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(has)) {
			end, was := had[id]
			switch {
			case !was:
				one.Back = append(one.Back, id)
			case !end.IsZero() && (has[id].IsZero() || has[id].After(end)):
				one.Longer = append(one.Longer, id)
			}
		}
		if len(one.Gone)+len(one.Back)+len(one.Longer) > 0 {
			all = append(all, one)
		}
	}
	return all
}

// write says what an operator has to look after: the backup knows nothing of what was rotated or revoked since.
func (t turned) write(w io.Writer) {
	var words []string
	if len(t.Gone) > 0 {
		words = append(words, "no longer good: "+strings.Join(t.Gone, ", ")+" (whoever sends it is answered 401 from now on)")
	}
	if len(t.Back) > 0 {
		words = append(words, "good again although revoked or replaced since the backup: "+strings.Join(t.Back, ", "))
	}
	if len(t.Longer) > 0 {
		words = append(words, "good for longer than before: "+strings.Join(t.Longer, ", "))
	}
	fmt.Fprintln(w)
	paragraph(w, "The tokens of endpoint "+t.Endpoint+" are the backup's again: "+strings.Join(words, "; ")+". `sluice endpoint revoke "+t.Endpoint+" --token ID` takes one away, `sluice endpoint rotate` makes a new one.")
}
