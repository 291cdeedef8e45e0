package simulator

// seldom is the weight below which an event type also comes from the deck, for
// chance alone might not bring it for a hundred thousand events.
const seldom = 100

// rarityGap is the mean number of events from one card of the deck to the next.
const rarityGap = 64

// rarity is an event type that is too seldom to be weighed: of a product few
// tenants use, of a failure nearly nobody meets, or of Auth0's own past.
type rarity struct {
	code, text string
	actor      actor
	parts      part
	// details is a form, see draft.form, of the members of data.details.
	details string
	then    []next
}

// kinds makes event types without weight.
func kinds(rarities []rarity) []kind {
	made := make([]kind, 0, len(rarities))
	for _, r := range rarities {
		k := kind{code: r.code, text: r.text, actor: r.actor, parts: r.parts, then: r.then}
		if !k.has(withoutDetails) {
			k.details = func(d *draft) { d.form(r.details) }
		}
		made = append(made, k)
	}
	return made
}

// deck deals event types in turn, shuffled anew for every round, so that each
// comes once in a round.
type deck struct {
	cards []*kind
	dealt int
	wait  int // events until the next card, where the deck is not all there is
}

func (d *deck) deal(dice *dice) *kind {
	if d.dealt%len(d.cards) == 0 {
		dice.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
		d.dealt = 0
	}
	d.dealt++
	return d.cards[d.dealt-1]
}

// due tells whether it is time for a card among everyday events.
func (d *deck) due(dice *dice) bool {
	if d.wait > 0 {
		d.wait--
		return false
	}
	d.wait = dice.IntN(2*rarityGap - 1)
	return true
}

// newDeck gathers what the options ask for, or else what is seldom.
func (t *Tenant) newDeck() {
	for _, code := range t.opts.Codes {
		if k := t.byCode[code]; k != nil {
			t.deck.cards = append(t.deck.cards, k)
		}
	}
	for _, code := range Invented(t.opts.Invent) {
		k := inventedKind(code)
		t.deck.cards = append(t.deck.cards, &k)
	}
	if t.even = len(t.deck.cards) > 0; t.even {
		return
	}
	for i := range t.kinds {
		if t.kinds[i].weight < seldom {
			t.deck.cards = append(t.deck.cards, &t.kinds[i])
		}
	}
}
