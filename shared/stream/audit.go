package stream

import "maps"

// Audit compares ledgers over time. The zero value has compared nothing.
type Audit struct {
	made map[string]uint64 // documents, as of the ledger that is waited for
	upTo uint64            // sequence of documents that must be accounted for first
	open bool
	diff map[string]uint64

	uncounted uint64           // messages without a count, as of the last ledger
	blur      *blur            // nil while what they make up is known
	base      map[string]int64 // that, by endpoint: at most so many documents seem to be missing because of them
}

// blur is what an audit waits for after messages without a count.
type blur struct {
	upTo     uint64            // sequence of documents: nothing behind it comes from them
	source   uint64            // sequence of deliveries: all that had come to an end comes from before it
	finished map[string]uint64 // what had come to an end when upTo was accounted for; nil before that
}

// Compare takes the next ledger and returns, by endpoint, how many events have become documents that came to no end
// although every message that could hold them did: at least so many, and exactly so many when nothing is on its way.
// While a message without a count may be among what is compared it returns what was found before, nil for nothing; what
// such a message itself makes up is left out from then on.
func (a *Audit) Compare(l Ledger) map[string]uint64 {
	if l.Uncounted != a.uncounted {
		a.uncounted, a.open, a.blur = l.Uncounted, false, &blur{upTo: l.Documents.Last}
	}
	if a.blur != nil && !a.settle(&l) {
		return maps.Clone(a.diff)
	}
	if a.diff == nil {
		a.diff = map[string]uint64{}
	}
	if a.open && l.Documents.Covered >= a.upTo {
		for i := range l.Entries {
			a.compare(&l.Entries[i], l.Drained())
		}
		a.open = false
	}
	if !a.open {
		a.made, a.upTo, a.open = map[string]uint64{}, l.Documents.Last, true
		for i := range l.Entries {
			a.made[l.Entries[i].Endpoint] = l.Entries[i].Documents
		}
	}
	return maps.Clone(a.diff)
}

// compare finds what is missing of one endpoint.
func (a *Audit) compare(e *LedgerEntry, drained bool) {
	base, blurred := a.base[e.Endpoint]
	if !drained {
		missing := int64(a.made[e.Endpoint]) - int64(e.finished()) - base
		a.diff[e.Endpoint] = max(a.diff[e.Endpoint], uint64(max(missing, 0)))
		return
	}
	if blurred && base > e.InFlight { // what was on its way when it was taken is no part of it
		base = e.InFlight
		a.base[e.Endpoint] = base
	}
	a.diff[e.Endpoint] = uint64(max(e.InFlight-base, 0))
}

// settle reports whether it is known what the messages without a count make up: what was made, less what had come to an
// end before, is at least that, and under load some more. What was missing before them goes on to be.
func (a *Audit) settle(l *Ledger) bool {
	b := a.blur
	if l.Documents.Covered < b.upTo {
		return false
	}
	if b.finished == nil || l.Drained() {
		b.source, b.finished = l.Deliveries.Last, map[string]uint64{}
		for i := range l.Entries {
			b.finished[l.Entries[i].Endpoint] = l.Entries[i].finished()
		}
	}
	if l.Deliveries.Covered < b.source {
		return false
	}
	a.blur, a.base = nil, map[string]int64{}
	for i := range l.Entries {
		e := &l.Entries[i]
		a.base[e.Endpoint] = int64(e.Documents) - int64(b.finished[e.Endpoint]) - int64(a.diff[e.Endpoint])
	}
	return true
}
