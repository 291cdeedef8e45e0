package endpoint

import (
	"cmp"
	"slices"
	"time"
)

// Failure is a run of refusals for one reason.
type Failure struct {
	Reason string    `json:"reason,omitempty"` // the receiver's answer, from its closed list
	Since  time.Time `json:"since"`            // the first one after the last delivery that was accepted
	Last   time.Time `json:"last"`
	Count  uint64    `json:"count"`
}

// maxReasons bounds how many reasons are told apart; the receiver's list is shorter.
const maxReasons = 32

// fail counts a refusal. A run that a delivery has ended since begins anew.
func (s *Status) fail(r Refusal) {
	f, known := s.Failing[r.Reason]
	if !known && len(s.Failing) >= maxReasons {
		return
	}
	if !known || !f.Last.After(s.LastDelivery) {
		f = Failure{Since: r.Time}
	}
	f.Last = r.Time
	f.Count += max(r.Times, 1)
	if s.Failing == nil {
		s.Failing = map[string]Failure{}
	}
	s.Failing[r.Reason] = f
}

// mergeFailures adds those of another receiver. s.LastDelivery is already the last of both.
func (s *Status) mergeFailures(other Status) {
	for reason, f := range other.Failing {
		if mine, known := s.Failing[reason]; known {
			f.Count += mine.Count
			if mine.Since.Before(f.Since) {
				f.Since = mine.Since
			}
			if mine.Last.After(f.Last) {
				f.Last = mine.Last
			}
		}
		if s.Failing == nil {
			s.Failing = map[string]Failure{}
		}
		s.Failing[reason] = f
	}
}

// Failures are the refusals that no accepted delivery has followed, the longest first; none when deliveries are taken.
// Where another receiver took one in the middle of a run, the run counts from then on.
func (s *Status) Failures() []Failure {
	var all []Failure
	for reason, f := range s.Failing {
		if !f.Last.After(s.LastDelivery) {
			continue
		}
		if f.Since.Before(s.LastDelivery) {
			f.Since = s.LastDelivery
		}
		f.Reason = reason
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Failure) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Reason, b.Reason)) })
	return all
}
