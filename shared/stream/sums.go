package stream

import (
	"context"
	"maps"
	"time"

	"github.com/sluicelog/sluice/shared/stream/sequence"
)

// sums is what became of the events of all messages that are accounted for. It is stored in one write with the account,
// so each message is added once, whoever dies when.
type sums struct {
	Since     time.Time                    `json:"since,omitzero"`
	Events    map[string]map[string]uint64 `json:"events,omitempty"`    // by endpoint and what they became
	Uncounted uint64                       `json:"uncounted,omitempty"` // finished messages of which nobody wrote down what they held
	Seen      *seenParts                   `json:"seen,omitempty"`
}

// maxEndpoints bounds how many endpoints are told apart.
const maxEndpoints = 5000

// clone copies what add changes.
func (s *sums) clone() sums {
	c := sums{Since: s.Since, Events: make(map[string]map[string]uint64, len(s.Events)), Uncounted: s.Uncounted, Seen: s.Seen}
	for endpoint, all := range s.Events {
		c.Events[endpoint] = make(map[string]uint64, len(all))
		maps.Copy(c.Events[endpoint], all)
	}
	return c
}

func (s *sums) add(endpoint, became string, n uint64) {
	all := s.Events[endpoint]
	if all == nil {
		if len(s.Events) >= maxEndpoints {
			endpoint = ""
		}
		if all = s.Events[endpoint]; all == nil {
			all = map[string]uint64{}
			s.Events[endpoint] = all
		}
	}
	all[became] += n
}

// seenParts are the parts of deliveries that were counted lately, so that a delivery which was enriched twice counts once.
type seenParts struct {
	Epoch string                    `json:"epoch"`
	Pages map[int]map[uint64][]byte `json:"pages"` // by the part's number: sequences of deliveries
}

const (
	// seenBack is how many messages of deliveries back a repetition is recognised.
	seenBack = sequence.PageSize
	// seenNumbers is how many parts of one message are told from one another.
	seenNumbers = 256
	// maxSeen bounds the bytes of what is remembered; where it is more, fewer messages are.
	maxSeen = 96 << 10
)

// partSets is seenParts in memory.
type partSets struct {
	epoch string
	sets  map[int]*sequence.Set
	last  uint64
}

func (s *seenParts) open() *partSets {
	p := &partSets{sets: map[int]*sequence.Set{}}
	if s == nil {
		return p
	}
	p.epoch = s.Epoch
	for number, pages := range s.Pages {
		set := &sequence.Set{}
		for page, raw := range pages {
			last, err := set.Decode(page, raw)
			if err != nil {
				continue // of a build that writes another form: what it saw counts again
			}
			p.last = max(p.last, last)
		}
		p.sets[number] = set
	}
	return p
}

// again notes a part and reports whether it was there already.
func (p *partSets) again(part Part) bool {
	if part.Epoch == "" || part.Number >= seenNumbers {
		return false
	}
	if part.Epoch != p.epoch { // another stream of deliveries: its sequences mean other messages
		*p = partSets{epoch: part.Epoch, sets: map[int]*sequence.Set{}}
	}
	set := p.sets[part.Number]
	if set == nil {
		set = &sequence.Set{}
		p.sets[part.Number] = set
	}
	if set.Has(part.Sequence) {
		return true
	}
	set.Add(part.Sequence)
	p.last = max(p.last, part.Sequence)
	return false
}

func (p *partSets) close() *seenParts {
	if p.epoch == "" {
		return nil
	}
	for back := uint64(seenBack); ; back /= 2 {
		if s, size := p.encode(back); size <= maxSeen {
			return s
		}
	}
}

// encode writes what was seen of so many messages, and says how much that is.
func (p *partSets) encode(back uint64) (s *seenParts, size int) {
	s = &seenParts{Epoch: p.epoch, Pages: map[int]map[uint64][]byte{}}
	for number, set := range p.sets {
		if p.last > back {
			set.Cut(p.last - back)
		}
		for _, page := range set.Pages() {
			if raw := set.Encode(page); raw != nil {
				if s.Pages[number] == nil {
					s.Pages[number] = map[uint64][]byte{}
				}
				s.Pages[number][page] = raw
				size += len(raw)
			}
		}
	}
	return s, size
}

// addUp adds what became of the messages behind before, up to the account's end. A message that two instances finished
// counts once; one that was lost is no message any more.
func (j *Janitor) addUp(ctx context.Context, r *round, before uint64, leaves []leaf) {
	after := r.account.Covered
	if after <= before {
		return
	}
	lines := map[uint64]string{}
	for _, l := range leaves {
		if l.stale || l.last <= before || l.counts == nil {
			continue
		}
		err := eachCounted(l.counts, before, after, func(seq uint64, line string) {
			if _, known := lines[seq]; !known {
				lines[seq] = line
			}
		})
		if err != nil {
			j.conn.log.WarnContext(ctx, "counts cannot be read; their messages are finished without being counted", "key", l.Key, "error", err)
		}
	}
	s := r.account.Sums.clone()
	if s.Since.IsZero() {
		s.Since = r.now.UTC()
	}
	parts := s.Seen.open()
	for _, seq := range sortedKeys(lines) {
		part, counts, err := parseCountLine(lines[seq])
		if err != nil {
			delete(lines, seq)
			continue
		}
		again := parts.again(part)
		for _, c := range counts {
			if again {
				c.Became = becameRepeated
			}
			s.add(c.Endpoint, c.Became, c.Events)
		}
	}
	s.Seen = parts.close()
	s.Uncounted += after - before - uint64(len(lines)) - j.lostBetween(before, after, lines)
	r.account.Sums = s
}

// lostBetween is how many messages of a range are lost, and not counted.
func (j *Janitor) lostBetween(before, after uint64, lines map[uint64]string) (n uint64) {
	for _, l := range j.lost {
		from, to := max(l.From, before+1), min(l.To, after)
		if from > to || l.Cut {
			continue
		}
		n += to - from + 1
		for seq := range lines {
			if seq >= from && seq <= to {
				n--
			}
		}
	}
	return n
}
