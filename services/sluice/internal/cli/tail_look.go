package cli

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/sluicelog/sluice/shared/elastic"
)

// How tail knows what is new.
//
// An event becomes searchable at some time after it was taken in (event.ingested), and not in that order: an index may be
// blocked, an indexer slow, Elasticsearch away. A mark "everything up to here is known" would lose what comes late. So
// tail counts: it remembers what it saw in each second of event.ingested, asks how many there are now, and reads the
// seconds whose number differs. What it forgets is the oldest, when it would need too much memory.

// fieldIngested is when Sluice took an event in.
const fieldIngested = "event.ingested"

// Bounds of what tail remembers.
const (
	knownAtStart   = 5 * idPageSize // events from before the start
	lookBack       = 3600           // seconds before the newest event at the start
	recentSeconds  = 120            // counted each by each at every look; older ones only when their sum differs
	mostSightings  = 1_000_000
	mostSeconds    = 20_000
	forgottenShare = 10 // of what is remembered, a tenth is forgotten at once
)

// sightings is what was seen, by the second in which it was taken in.
type sightings struct {
	seed    maphash.Seed
	from    int64 // the first second that is remembered
	newest  int64
	oldest  int64 // of what was remembered at the start
	total   int
	seconds map[int64]*second
}

// second is what was seen of one second.
type second struct {
	ids   map[uint64]struct{}
	count int64 // of the last reading; fewer than ids when events were deleted since
}

func newSightings() *sightings {
	return &sightings{seed: maphash.MakeSeed(), seconds: map[int64]*second{}}
}

// secondOf is the second in which a document was taken in; its sort begins with that time.
func secondOf(d elastic.Document) (int64, error) {
	var sort []json.RawMessage
	var millis int64
	if err := json.Unmarshal(d.Sort, &sort); err != nil || len(sort) == 0 || json.Unmarshal(sort[0], &millis) != nil {
		return 0, fmt.Errorf("reading elasticsearch's answer: document %s has the sort %.100q", d.ID, d.Sort)
	}
	return floorDiv(millis, 1000), nil
}

func floorDiv(a, b int64) int64 {
	if a < 0 && a%b != 0 {
		return a/b - 1
	}
	return a / b
}

// at returns what was seen of a second.
func (s *sightings) at(unix int64) *second {
	if s.seconds[unix] == nil {
		s.seconds[unix] = &second{ids: map[uint64]struct{}{}}
	}
	return s.seconds[unix]
}

// isNew remembers a document and reports whether it was not known.
func (s *sightings) isNew(d elastic.Document) (bool, error) {
	unix, err := secondOf(d)
	if err != nil {
		return false, err
	}
	at, id := s.at(unix), maphash.String(s.seed, d.Index+"\x00"+d.ID)
	if _, known := at.ids[id]; known {
		return false, nil
	}
	at.ids[id] = struct{}{}
	s.total++
	s.newest = max(s.newest, unix)
	return true, nil
}

// add remembers a document that was counted, too.
func (s *sightings) add(d elastic.Document) error {
	fresh, err := s.isNew(d)
	if unix, _ := secondOf(d); err == nil && fresh && unix >= s.from {
		s.at(unix).count++
	}
	return err
}

// forget drops the oldest seconds when there are too many.
func (s *sightings) forget() {
	if s.total <= mostSightings && len(s.seconds) <= mostSeconds {
		return
	}
	ordered := slices.Sorted(maps.Keys(s.seconds))
	keep := mostSightings - mostSightings/forgottenShare
	for i, unix := range ordered {
		if s.total <= keep && len(ordered)-i <= mostSeconds-mostSeconds/forgottenShare || unix >= s.newest {
			return
		}
		s.total -= len(s.seconds[unix].ids)
		delete(s.seconds, unix)
		s.from = unix + 1
	}
}

// before is how many documents older than a second were read.
func (s *sightings) before(split int64) (sum int64) {
	for unix, at := range s.seconds {
		if unix < split {
			sum += at.count
		}
	}
	return sum
}

// differing lists the seconds from one on whose number is another than that of the last reading.
func (s *sightings) differing(from, to int64, now map[int64]int64) []int64 {
	var all []int64
	for unix, count := range now {
		if at := s.seconds[unix]; at == nil || at.count != count {
			all = append(all, unix)
		}
	}
	for unix, at := range s.seconds {
		if unix >= from && unix < to && now[unix] == 0 && at.count != 0 {
			at.count = 0 // deleted, or its shard does not answer
		}
	}
	slices.Sort(all)
	return all
}
