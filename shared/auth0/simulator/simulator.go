// Package simulator behaves as Auth0's log streams do. A Tenant is a small
// consistent world that produces log events; a Stream posts them to a Payload
// URL with a log stream's habits: batches, three attempts and then a fresh
// cycle, at-least-once repeats, disorder, pause and resume.
package simulator

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"
)

// defaultUsers is how many people a tenant knows when nothing else is asked.
const defaultUsers = 500

// Event is one log record as a log stream carries it.
type Event struct {
	// LogID is the 56 decimal digits Auth0 names the event by.
	LogID string
	// Code is Auth0's short type code, such as "s" or "sapi".
	Code string
	// Time is data.date, in UTC with millisecond precision.
	Time time.Time
	// JSON is the element {"log_id":…,"data":{…}} on one line without its line feed.
	JSON []byte
}

// TenantOptions describe a tenant. The zero value is a tenant named "acme-dev"
// with 500 users whose events carry the time of the moment.
type TenantOptions struct {
	// Seed fixes the world and, with Step, every byte of every event.
	Seed uint64
	// Name is the tenant's name. Auth0 allows lower-case letters, digits and
	// hyphens; anything else becomes a hyphen.
	Name string
	// Start is the time of the first event; zero is the time of the moment.
	Start time.Time
	// Step is the mean gap between the times of two events. Zero follows the
	// wall clock, shifted so that it begins at Start.
	Step time.Duration
	// Users is how many people the tenant knows; zero is 500.
	Users int
	// Codes, where there are any, are the only event types of the tenant, each
	// as frequent as the others and none led to by another. One that is not
	// among Codes() is left out.
	Codes []string
	// Invent adds so many event types to Codes that Auth0 has never published,
	// see Invented. Without Codes they are all the tenant sends.
	Invent int
	// Privacy hides personal data; empty is Plain.
	Privacy Privacy
}

// Tenant produces the events of one Auth0 tenant. It is not safe for
// concurrent use.
type Tenant struct {
	opts    TenantOptions
	dice    *dice
	world   world
	kinds   []kind
	byCode  map[string]*kind
	ladder  []int
	deck    deck
	even    bool // everything comes from the deck
	pending []step
	now     time.Time
	shift   time.Duration
	run     uint64
	serial  uint64
	scratch []byte
}

// NewTenant makes a tenant from its options. With a Step, two tenants with
// equal options produce equal events; without one, equal worlds whose events
// differ in their times and log_ids.
func NewTenant(opts TenantOptions) *Tenant {
	opts.Name = tenantName(opts.Name)
	if opts.Users <= 0 {
		opts.Users = defaultUsers
	}
	began := time.Now().UTC()
	if opts.Start.IsZero() {
		opts.Start = began
	}
	opts.Start = opts.Start.UTC().Truncate(time.Millisecond)
	named := fnv.New64a()
	_, _ = named.Write([]byte(opts.Name)) // a hash takes every byte
	t := &Tenant{
		opts:  opts,
		dice:  &dice{rand.New(rand.NewPCG(opts.Seed, named.Sum64()))},
		kinds: catalog(),
		shift: opts.Start.Sub(began),
		run:   opts.Seed*0x9e3779b97f4a7c15 ^ named.Sum64(),
	}
	if opts.Step <= 0 {
		// A second run in the same second must not invent the ids of the first.
		t.run ^= uint64(began.UnixNano()) * 0x9e3779b97f4a7c15
	}
	t.world = newWorld(opts, t.dice)
	t.indexKinds()
	t.newDeck()
	return t
}

// Next returns the tenant's next event. It never ends.
func (t *Tenant) Next() Event {
	next := t.plan()
	at := t.tick()
	event := t.record(next.kind, next.scene, at)
	t.follow(next)
	return event
}

// step is an event that is decided but not yet written.
type step struct {
	kind  *kind
	scene scene
}

// plan takes a card of the deck, what an earlier event led to, or something new.
func (t *Tenant) plan() step {
	if t.even || t.deck.due(t.dice) {
		return t.stage(t.deck.deal(t.dice))
	}
	if len(t.pending) > 0 && (len(t.pending) > 16 || t.dice.chance(0.6)) {
		next := t.pending[0]
		t.pending = append(t.pending[:0], t.pending[1:]...)
		return next
	}
	return t.stage(t.draw())
}

// stage finds who does something, and what exactly where that is a call of the
// Management API.
func (t *Tenant) stage(k *kind) step {
	s := t.cast(k.actor)
	switch k.code {
	case "sapi":
		s.management = pickEarly(t.dice, t.world.writes)
	case "mgmt_api_read":
		s.management = pickEarly(t.dice, t.world.reads)
	}
	return step{kind: k, scene: s}
}

// follow queues what usually comes after an event, in the same scene, so that
// a login is followed by its token and a challenge by its answer.
func (t *Tenant) follow(done step) {
	if t.even {
		return
	}
	for _, next := range done.kind.then {
		if t.dice.chance(next.chance) {
			t.pending = append(t.pending, step{kind: t.byCode[next.code], scene: done.scene})
		}
	}
}

// draw picks an event type by its weight.
func (t *Tenant) draw() *kind {
	mark := t.dice.IntN(t.ladder[len(t.ladder)-1])
	low, high := 0, len(t.ladder)-1
	for low < high {
		middle := (low + high) / 2
		if t.ladder[middle] > mark {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return &t.kinds[low]
}

func (t *Tenant) indexKinds() {
	t.byCode = make(map[string]*kind, len(t.kinds))
	total := 0
	for i := range t.kinds {
		t.byCode[t.kinds[i].code] = &t.kinds[i]
		total += t.kinds[i].weight
		t.ladder = append(t.ladder, total)
	}
}

// tick returns the time of the next event and never goes back.
func (t *Tenant) tick() time.Time {
	switch {
	case t.opts.Step <= 0:
		t.now = later(t.now, time.Now().UTC().Add(t.shift))
	case t.now.IsZero():
		t.now = t.opts.Start
	default:
		t.now = t.now.Add(time.Duration(t.dice.ExpFloat64() * float64(t.opts.Step)))
	}
	return t.now.Truncate(time.Millisecond)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// record writes one event of a kind.
func (t *Tenant) record(k *kind, s scene, at time.Time) Event {
	id := t.nextID(at)
	d := draft{object: object{b: t.scratch[:0]}, scene: s, tenant: t, kind: k, at: at}
	d.element(id)
	t.scratch = d.b
	return Event{LogID: id, Code: k.code, Time: at, JSON: bytes.Clone(d.b)}
}

// nextID makes "900", the UTC second in which Auth0 received the event, and 39
// digits: its milliseconds, the run, and a serial number that is scattered by
// a bijection, so that no two events of a run share an id.
func (t *Tenant) nextID(at time.Time) string {
	const scatter = 0x1b873593cc9e2d // odd, so that it has an inverse modulo 2^53
	received := at.Add(time.Duration(t.dice.IntN(6_000)) * time.Millisecond)
	t.serial++
	b := make([]byte, 0, 56)
	b = append(b, "900"...)
	b = received.AppendFormat(b, "20060102150405")
	b = appendPadded(b, uint64(received.Nanosecond()/int(time.Millisecond)), 3)
	b = appendPadded(b, t.run, 20)
	b = appendPadded(b, t.serial*scatter&(1<<53-1), 16)
	return string(b)
}

// tenantName keeps what Auth0 allows in a tenant's name.
func tenantName(name string) string {
	if name == "" {
		return "acme-dev"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
}
